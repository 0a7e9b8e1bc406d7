"""The checks of the process itself, each with what the system allows and with what it refuses."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest

from otel_oom.check.finding import Finding
from otel_oom.check.process_protection import check_process_protection
from otel_oom.config.settings import load_config
from otel_oom.errors import ProcessLimitError
from otel_oom.machine import memory_protection, process_limits


@pytest.fixture
def allowed(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Nothing of this process is changed."""
    monkeypatch.setattr(process_limits, "check_process_limits", lambda: None)
    monkeypatch.setattr(process_limits, "check_threads", lambda **_: None)
    monkeypatch.setattr(memory_protection, "lower_oom_score", lambda _: None)
    monkeypatch.setattr(memory_protection, "lock_memory", lambda: None)
    return monkeypatch


def findings() -> list[Finding]:
    return list(check_process_protection(load_config({})))


@pytest.mark.usefixtures("allowed")
def test_all_is_allowed() -> None:
    assert [(one.name, one.status) for one in findings()] == [
        ("process limits", "ok"),
        ("OOM score", "ok"),
        ("locked memory", "ok"),
    ]


def test_a_limit_that_is_too_small(allowed: Any) -> None:
    def fail() -> None:
        raise ProcessLimitError("the limit of open files is 3", "raise it")

    allowed.setattr(process_limits, "check_process_limits", fail)
    assert findings()[0] == Finding("process limits", "failed", "the limit of open files is 3", "raise it")


@pytest.mark.parametrize(
    ("module", "function", "at"),
    [
        (process_limits, "check_process_limits", 0),
        (memory_protection, "lower_oom_score", 1),
        (memory_protection, "lock_memory", 2),
    ],
)
def test_what_is_refused_is_a_warning(module: ModuleType, function: str, at: int, allowed: Any) -> None:
    allowed.setattr(module, function, lambda *_: "it is refused (why); do this; or that")
    found = findings()[at]
    assert (found.status, found.text, found.remedy) == ("warning", "it is refused (why)", "do this; or that")
