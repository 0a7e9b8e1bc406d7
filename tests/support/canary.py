"""A secret that must be in no output of any test. `make plain` and all other levels look for it.

`support.agents.environment` gives it to every process and agent of the tests, as the key for the collector. This plugin
(tests/conftest.py loads it) fails a test whose output has it. Output is: what pytest captured of the test (stdout,
stderr, log records), what the test itself took from pytest's capture, what `subprocess.run` or `communicate` read from
its subprocesses, and what is passed to `look_at`: the log lines of agents.
"""

from __future__ import annotations

import subprocess
from collections.abc import Generator
from typing import Any, Final

import pytest

CANARY: Final = "canary-5f0c2d9e81b74a63"
VARIABLES: Final = {"OTEL_EXPORTER_OTLP_HEADERS": f"authorization=Bearer%20{CANARY}"}

_BEGIN: Final = CANARY[:8]  # of one that is cut off
_seen: list[str] = []


def look_at(output: str | bytes, where: str) -> None:
    """The current test fails if this has the secret, or its begin. where: for the message."""
    if _BEGIN in (output.decode(errors="replace") if isinstance(output, bytes) else output):
        _seen.append(where)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Fail the phase of a test in which the secret was shown."""
    report = yield
    for name, text in report.sections:
        if name.endswith(f" {report.when}"):  # the sections of earlier phases are listed again
            look_at(text, name)
    if _seen and report.outcome == "passed":
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid}: a secret of the configuration is in: {', '.join(sorted(set(_seen)))}"
    _seen.clear()
    return report


def pytest_configure() -> None:
    """Look at what tests read from subprocesses, and from pytest's own capture."""
    _look_at_results(subprocess.Popen, "communicate", "the output of a subprocess")
    _look_at_results(pytest.CaptureFixture, "readouterr", "the output that the test has read")


def _look_at_results(owner: Any, name: str, where: str) -> None:
    """Replace a method that returns (stdout, stderr)."""
    method = getattr(owner, name)

    def looking(*arguments: Any, **named: Any) -> Any:
        streams = method(*arguments, **named)
        for text in filter(None, streams):
            look_at(text, where)
        return streams

    setattr(owner, name, looking)
