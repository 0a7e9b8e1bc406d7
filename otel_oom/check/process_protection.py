"""Checks limits, OOM score and locked memory: this process gets what the agent gives itself at its start."""

from __future__ import annotations

from collections.abc import Iterator

from otel_oom.check.finding import Finding, finding_of_line
from otel_oom.config.settings import Config
from otel_oom.errors import ProcessLimitError
from otel_oom.machine import memory_protection, process_limits


def check_process_protection(settings: Config) -> Iterator[Finding]:
    """All of them. Locked memory is the last: later memory would be locked as well."""
    yield _limits(settings)
    score = settings.oom_score_adj
    yield _finding("OOM score", memory_protection.lower_oom_score(score), f"oom_score_adj can be {score}")
    yield _finding("locked memory", memory_protection.lock_memory(), "memory can be locked")


def _limits(settings: Config) -> Finding:
    try:
        line = process_limits.check_process_limits()
        process_limits.check_threads(uses_grpc="grpc" in {settings.logs.protocol, settings.metrics.protocol})
    except ProcessLimitError as error:
        return Finding("process limits", "failed", error.problem, error.remedy)
    return _finding("process limits", line, "they suffice")


def _finding(name: str, line: str | None, text: str) -> Finding:
    """line: the log line of a problem, None without one; text: if there is none."""
    return Finding(name, "ok", text) if line is None else finding_of_line(name, line)
