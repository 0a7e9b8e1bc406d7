"""For all levels: the profiles of hypothesis, and the search for a secret in all output (support/canary.py)."""

import fcntl
import os
import tempfile
from collections.abc import Generator
from pathlib import Path

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


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """With pytest-xdist, tests that start agents run one at a time: agents without a spool share a socket's name.

    (`--dist loadgroup` would do it, but has no effect with xdist 3.8 and pytest 9.2.)
    """
    named = vars(item.module).values() if isinstance(item, pytest.Function) else ()
    if "PYTEST_XDIST_WORKER" not in os.environ or not any(_starts_agents(one) for one in named):
        return (yield)
    with (Path(tempfile.gettempdir()) / f"otel-oom-tests-{os.getuid()}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return (yield)


def _starts_agents(named: object) -> bool:
    return getattr(named, "__module__", "") in {"support.agents", "support.played_agent"}
