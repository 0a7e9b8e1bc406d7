"""The form of a log line: words for people, the journal's priorities, or JSON.

    text      otel-oom: warning: cannot deliver logs, will retry: …
    journal   <4>cannot deliver logs, will retry: …
    json      {"time":"2026-03-01T12:00:00.250Z","level":"warning","message":"cannot deliver logs, will retry: …"}

Rules:
- A message is one printable line (`log_output` sees to it). The lines of a traceback follow it, each indented.
- The journal reads the priority at the begin of each line (sd-daemon(3)), and adds time and name itself.
- A line of JSON is ASCII, so no encoding of standard error can change it. A traceback is a field of it.
"""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Literal, TextIO, TypeAlias


@dataclass(frozen=True, slots=True)
class Entry:
    """One log line.

    level: of Python's logging; created_s: seconds since the Unix epoch
    traceback: its lines, empty for none
    """

    level: int
    created_s: float
    message: str
    traceback: str = ""

    @property
    def lines(self) -> list[str]:
        """The message, and below it the indented lines of the traceback."""
        return [self.message, *(f"  {line}" for line in self.traceback.split("\n") if line)]


FormatName: TypeAlias = Literal["auto", "text", "json"]
LineFormat: TypeAlias = Callable[[Entry], str]

# Priorities of syslog(3), by the least level that has them.
_PRIORITIES: Final = ((logging.CRITICAL, 2), (logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6))
_DEBUG: Final = 7


def as_text(entry: Entry) -> str:
    """Words for people. The time is not in it: a terminal is read at once, and a supervisor adds it."""
    return "\n".join([f"otel-oom: {_level(entry)}: {entry.message}", *entry.lines[1:], ""])


def as_journal(entry: Entry) -> str:
    """Each line with its priority."""
    priority = next((priority for level, priority in _PRIORITIES if entry.level >= level), _DEBUG)
    return "".join(f"<{priority}>{line}\n" for line in entry.lines)


def as_json(entry: Entry) -> str:
    """One object, with the time as RFC 3339 writes it, in UTC."""
    milliseconds = int(entry.created_s * 1000)
    seconds = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(milliseconds // 1000))
    fields = {"time": f"{seconds}.{milliseconds % 1000:03d}Z", "level": _level(entry), "message": entry.message}
    if entry.traceback:
        fields["traceback"] = entry.traceback
    return json.dumps(fields, separators=(",", ":")) + "\n"


def choose_format(name: FormatName, stderr: TextIO, environment: Mapping[str, str]) -> LineFormat:
    """The form with this name. `auto`: the journal's if standard error is connected to it, else text."""
    if name == "json":
        return as_json
    return as_journal if name == "auto" and _is_journal(stderr, environment) else as_text


def _is_journal(stderr: TextIO, environment: Mapping[str, str]) -> bool:
    """Whether systemd connected this standard error with the journal.

    JOURNAL_STREAM holds device and inode of the connection (systemd.exec(5)). A process inherits the variable even if
    its standard error was redirected since.
    """
    try:
        status = os.fstat(stderr.fileno())
    except (OSError, ValueError):  # no file: a text buffer, or closed
        return False
    return environment.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"


def _level(entry: Entry) -> str:
    return logging.getLevelName(entry.level).lower()
