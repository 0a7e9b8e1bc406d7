"""All checks of `otel-oom check`: what the agent reads, where it keeps and sends it, and the process itself."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping

from otel_oom.check.collector import check_collector
from otel_oom.check.finding import Finding, exit_code, finding_of_line
from otel_oom.check.host_view import check_host_view
from otel_oom.check.kernel_log import check_kernel_log
from otel_oom.check.output import as_json, as_lines, summary
from otel_oom.check.process_protection import check_process_protection
from otel_oom.check.spool_place import check_spool_place
from otel_oom.config.settings import Config, load_config


def run(flags: Mapping[str, str | bool | None], *, is_root: bool, is_json: bool) -> int:
    """Check and print. Returns 0, or 1 if a check has failed. flags: see `load_config`. Raises: UsageError."""
    is_coloured = sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    findings = []
    for finding in check_all(load_config(os.environ, is_root=is_root, **flags)):
        findings.append(finding)
        if not is_json:
            sys.stdout.write(f"{as_lines(finding, is_coloured=is_coloured)}\n")
            sys.stdout.flush()  # the next check may take seconds
    sys.stdout.write(f"{as_json(findings) if is_json else summary(findings)}\n")
    return exit_code(findings)


def check_all(settings: Config) -> Iterator[Finding]:
    """Each finding as soon as it is there."""
    for line in settings.warnings:
        yield finding_of_line("settings", line)
    yield from check_kernel_log(settings.device)
    yield from check_host_view(settings.cgroupfs)
    yield check_spool_place(settings.spool)
    yield from check_collector((settings.logs, settings.metrics))
    yield from check_process_protection(settings)
