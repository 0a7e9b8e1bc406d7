r"""Joins lines that are one record of the kernel: names with line feeds. No I/O.

    <3>[    2.976346] Memory cgroup out of memory: Killed process 114 (      the name is "\n[1.0] x": dmesg repeats
    <3>[    2.976346] [1.0] x) total-vm:13524kB, …                           the record's own prefix

Rules:
- A line is continued only if its form shows that its end is missing, and only by lines that fit there.
- dmesg repeats the prefix, with the clock, after a line feed inside a record.
- Bounded: at most 16 lines of at most 1 KiB; a line that holds a marker is never joined to another.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from otel_oom.kernel.oom_lines import OOM_MARKER, TASK_COMM_BYTES
from otel_oom.parse.line_prefix import OPENER, Line, has_words, shape
from otel_oom.parse.structured_lines import parse_line
from otel_oom.parse.text_window import Window

_MOST_LINES: Final = 16
_LONGEST: Final = 1024
# Mem-Info is one record of several lines, "active_anon:661 …", " active_file:0 …", … " free:482 …": each counts alone.
_COUNTS: Final = re.compile(rb"(?!active_anon:) *[a-z_]+:\d+(?: [a-z_]+:\d+)*\s*$")
# Lines with a name: how they begin, and what they hold once nothing is missing.
_WITH_NAME: Final = (
    (rb"(?:[^:]{0,60}: )?Killed process \d+(?:$|,? )", rb".*\)(?:, UID \d+,)? (?:total-vm|vsz):"),
    (rb"oom-kill:", rb".*,pid=\d+,uid=\d+$"),
    (
        rb"(?:CPU: \d+ (?:UID: \d+ )?PID: \d+|Pid: \d+,) [Cc]omm: .{0,15}$",
        rb".*?[Cc]omm: .{0,15}? (?:Not tainted|Tainted:)",
    ),
)
_FORMS: Final = tuple((re.compile(begins), re.compile(whole, re.DOTALL)) for begins, whole in _WITH_NAME)
# The end of a row is missing if the next line repeats the prefix and still fits into the name.
_ROW: Final = re.compile(rb"\[ *\d+\](?: +-?\d+){5,12} (?P<name>.{0,15})$")


class LinesAround:
    """The lines of a window around the one from `start` to `end`."""

    def __init__(self, window: Window, start: int, end: int) -> None:
        self._window = window
        self._start = start
        self._end = end

    def shapes(self) -> Iterator[re.Pattern[bytes]]:
        """How the nearest lines begin that have the kernel's words behind a prefix that is not known."""
        for line in map(parse_line, self._after()):
            if line.head and not line.is_known and OPENER not in line.text and has_words(line):
                yield shape(line.head)

    def following(self) -> Iterator[Line]:
        """The lines after it that may belong to it."""
        for raw in self._after():
            if len(raw) > _LONGEST or (b"ill" in raw and OOM_MARKER.search(raw)):
                return
            yield parse_line(raw)

    def before(self) -> Iterator[Line]:
        """The lines before it that may belong to it, the nearest first."""
        data, end = self._window.data, self._start
        for _ in range(_MOST_LINES):
            start = data.rfind(b"\n", 0, max(0, end - 1)) + 1
            if end == 0 or end - start > _LONGEST:
                return
            yield parse_line(data[start : end - 1])
            end = start

    def _after(self) -> Iterator[bytes]:
        begin = self._end
        for _ in range(_MOST_LINES):
            raw, end = self._window.line(begin)
            if begin == end:
                return
            yield raw
            begin = end


def joined(line: Line, around: LinesAround) -> tuple[bytes, int]:
    """The text of the record that a line begins, and how many lines after the line are part of it."""
    text = line.text
    if _COUNTS.match(text):
        return b" " + text.strip(), 0
    if not line.has_clock:
        return text, 0
    if OPENER in text:
        return _with_its_head(line, around), 0
    row, whole = _ROW.match(text), next((whole for begins, whole in _FORMS if begins.match(text)), None)
    if not row and (whole is None or whole.match(text)):
        return text, 0
    taken = 0
    for following in around.following():
        is_too_long = row and len(text) - row.start("name") + 1 + len(following.text) > TASK_COMM_BYTES
        if following.head != line.head or is_too_long:
            break
        text, taken = text + b"\n" + following.text, taken + 1
        if whole and whole.match(text):
            return text, taken
    return (text, taken) if row else (line.text, 0)


def _with_its_head(line: Line, around: LinesAround) -> bytes:
    """An opener whose name began on lines before it: they repeat the prefix, and all fits into a name."""
    comm, mark, rest = line.text.partition(OPENER)
    for before in around.before():
        if before.head != line.head or len(before.text) + 1 + len(comm) > TASK_COMM_BYTES:
            break
        comm = before.text + b"\n" + comm
    return comm + mark + rest
