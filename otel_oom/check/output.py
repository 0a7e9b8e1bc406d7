"""Findings as lines for people, or as one JSON object. No I/O.

ok       kernel log         /dev/kmsg can be read
failed   spool              /var/lib/otel-oom cannot be written: Read-only file system
                            repair it, or name another place with --spool
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final

from otel_oom.check.finding import Finding
from otel_oom.printable_text import printable_json, printable_line

_COLOURS: Final = {"ok": "32", "warning": "33", "failed": "1;31"}  # SGR of ECMA-48: green, yellow, bold red
_STATUS_COLUMNS: Final = 9
_NAME_COLUMNS: Final = 19


def as_lines(finding: Finding, *, is_coloured: bool) -> str:
    """One line, and a second with the remedy, if there is one."""
    status = f"{finding.status:<{_STATUS_COLUMNS}}"
    if is_coloured:
        status = f"\x1b[{_COLOURS[finding.status]}m{status}\x1b[0m"
    line = f"{status}{finding.name:<{_NAME_COLUMNS}}{printable_line(finding.text)}"
    if not finding.remedy:
        return line
    return f"{line}\n{' ' * (_STATUS_COLUMNS + _NAME_COLUMNS)}{printable_line(finding.remedy)}"


def summary(findings: Sequence[Finding]) -> str:
    """The last line."""
    failed, warnings = (sum(one.status == status for one in findings) for status in ("failed", "warning"))
    return f"{len(findings)} checks: {failed} failed, {warnings} warning(s)"


def as_json(findings: Sequence[Finding]) -> str:
    """One object. `ok` is false if a check has failed."""
    checks = [
        {"name": one.name, "status": one.status, "text": one.text} | ({"remedy": one.remedy} if one.remedy else {})
        for one in findings
    ]
    is_ok = all(one.status != "failed" for one in findings)
    return printable_json(json.dumps({"ok": is_ok, "checks": checks}, ensure_ascii=False))
