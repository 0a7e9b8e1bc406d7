"""The result of one check, and the word for it. No I/O."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, TypeAlias

Status: TypeAlias = Literal["ok", "warning", "failed"]


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found.

    status: `failed`: no kills are seen, delivered or kept as the settings want it; `warning`: they come with less
    name: of the precondition; text: what was found; remedy: empty with `ok`
    """

    name: str
    status: Status
    text: str
    remedy: str = ""


def finding_of_line(name: str, line: str, status: Status = "warning") -> Finding:
    """A finding of a log line "what is wrong; its remedy", as `run` writes it."""
    text, _, remedy = line.partition("; ")
    return Finding(name, status, text, remedy)


def exit_code(findings: Iterable[Finding]) -> int:
    """1 if a check has failed, else 0."""
    return int(any(finding.status == "failed" for finding in findings))
