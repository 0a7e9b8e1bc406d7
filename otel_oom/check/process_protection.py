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
    line = memory_protection.lower_oom_score(score)
    yield (
        Finding("OOM score", "ok", f"oom_score_adj can be {score}")
        if line is None
        else finding_of_line("OOM score", line)
    )
    line = memory_protection.lock_memory()
    yield (
        Finding("locked memory", "ok", "memory can be locked")
        if line is None
        else finding_of_line("locked memory", line)
    )


def _limits(settings: Config) -> Finding:
    try:
        line = process_limits.check_process_limits()
        process_limits.check_threads(uses_grpc="grpc" in {settings.logs.protocol, settings.metrics.protocol})
    except ProcessLimitError as error:
        return Finding("process limits", "failed", error.problem, error.remedy)
    return Finding("process limits", "ok", "they suffice") if line is None else finding_of_line("process limits", line)
