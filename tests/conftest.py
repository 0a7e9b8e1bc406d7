"""For all levels: the profiles of hypothesis, and the search for a secret in all output (support/canary.py)."""

import os
from collections.abc import Generator

import pytest
from hypothesis import Phase, settings

pytest_plugins = ["support.canary"]

# The time of one example depends on the load of the machine. Where it matters, `test_linear_time` checks it.
# OTEL_OOM_REPEATABLE: draw the same examples in each run, so that a check of a commit gives one answer.
settings.register_profile("no deadline", deadline=None, derandomize="OTEL_OOM_REPEATABLE" in os.environ)
# tests/mutants.py needs a failure, and not its smallest example.
settings.register_profile(
    "mutants", deadline=None, derandomize=True, database=None, phases=(Phase.explicit, Phase.generate)
)
settings.load_profile("no deadline")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Make captured output printable: pytest-xdist sends it as UTF-8, and ends all tests at a lone surrogate."""
    report = yield
    report.sections = [(name, text.encode(errors="backslashreplace").decode()) for name, text in report.sections]
    return report
