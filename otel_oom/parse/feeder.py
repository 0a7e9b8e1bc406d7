"""Lines of a text to the assembler: each is parsed, joined to the lines that belong to it, and gets a time. No I/O.

Rules:
- A line with a marker but without a time gets the time of the next line that has one. Every other line whose time
  cannot be compared with the report's gets that of the report's last line, else that of the last line with a marker.
- Lines that user space marked as its own are refused. That a text says `kernel` proves nothing.
"""

from __future__ import annotations

import itertools
import re
from typing import Final, NamedTuple

from otel_oom.kernel.kill_assembler import Assembler
from otel_oom.kernel.kill_line import parse_kill_line
from otel_oom.kernel.kmsg_record import FACILITY_KERNEL, Record
from otel_oom.kernel.oom_kill import Finding
from otel_oom.kernel.oom_lines import GROUP_MARKER, KILLED_PID, OOM_MARKER
from otel_oom.kernel.text_escapes import escape
from otel_oom.parse.line_prefix import OPENER, Line, has_words, shape
from otel_oom.parse.record_joining import LinesAround, joined
from otel_oom.parse.structured_lines import parse_line
from otel_oom.parse.text_record import text_record
from otel_oom.parse.text_window import Window

_CUT_MASK: Final = re.compile(
    rb"(oom-killer: gfp_mask=0x[0-9a-f]+)\([^)]*$"
)  # a person cut the end: the number is whole
_CAUSE: Final = re.compile(rb"(?:Memory cgroup o|O)ut of memory: $")
_MOST_UNREAD: Final = 100
_NOT_OBSERVED: Final = 0  # a text has no observation time


class Unread(NamedTuple):
    """A kill line that does not begin with the kernel's words. number: of the line; head: what stands before it."""

    number: int
    head: bytes


class Feeder:
    """Feeds an assembler the lines of a window."""

    def __init__(self, window: Window, assembler: Assembler) -> None:
        self._window = window
        self._assembler = assembler
        self._marker_us = 0  # time of the last line with a marker
        self._has_clock = False  # whether that is the kernel's clock
        self._shape: re.Pattern[bytes] | None = None
        self.openers = 0
        """`invoked oom-killer` lines."""
        self.refused = 0
        """Kill lines that user space marked as its own."""
        self.unread: list[Unread] = []
        """Kill lines that are not read, the first 100."""

    def line(self, start: int) -> tuple[Finding, ...]:
        """Feed the record that a line begins, and move the window behind it; returns what is now certain."""
        window, assembler = self._window, self._assembler
        raw, end = window.line(start)
        line = parse_line(raw)
        around = LinesAround(window, start, end)
        if not line.is_known and line.record is None:
            line = self._shaped(line, raw, around)
        text, following = (line.record.text.encode(), 0) if line.record else joined(line, around)
        has_marker = b"ill" in text and OOM_MARKER.search(text) is not None  # `in` takes a tenth of the time
        us = self._time(line, around, has_marker=has_marker)
        has_marker = has_marker or text.startswith(GROUP_MARKER)
        for _ in range(following):
            end = window.line(end)[1]
        window.move_to(end)
        if line.priority >> 3 != FACILITY_KERNEL:
            self.refused += b"Killed process " in raw
            return ()
        offset = window.data_offset + start
        if not has_marker:
            if not assembler.is_open:
                return ()  # outside a report such a line has no meaning
            record = line.record or Record(line.priority, offset, us, "-", escape(text))  # made in half the time
            return assembler.feed(record, _NOT_OBSERVED)
        self.openers += b" invoked oom-killer" in text
        if OPENER in text:
            text = _CUT_MASK.sub(rb"\1,", text)
        if text != GROUP_MARKER:
            text = text.rstrip()
        record = text_record(line, text, offset, window.number(start), us)
        killed = KILLED_PID.search(raw)
        if killed and len(self.unread) < _MOST_UNREAD and parse_kill_line(record.text) is None:
            self.unread.append(Unread(record.number, _CAUSE.sub(b"", raw[: killed.start()])))
        return assembler.feed(record, _NOT_OBSERVED)

    def _shaped(self, line: Line, raw: bytes, around: LinesAround) -> Line:
        """The line without what begins in the same shape as the prefixes of the lines around it."""
        is_opener = OPENER in line.text
        if has_words(line) and not is_opener:
            self._shape = shape(line.head)
            return line
        begins = (next(around.shapes(), None) if is_opener else None) or self._shape
        head = begins.match(raw) if begins else None
        if head is None or head.end() <= (0 if is_opener else len(line.head)):
            return line
        return line._replace(head=head[0], text=raw[head.end() :].rstrip(b"\r\x1e"))

    def _time(self, line: Line, around: LinesAround, *, has_marker: bool) -> int:
        if has_marker:
            timed = next((one for one in itertools.chain((line,), around.following()) if one.us is not None), line)
            us, self._has_clock = timed.us, timed.has_clock
            self._marker_us = self._marker_us if us is None else us
        else:
            us = line.us if line.has_clock == self._has_clock else None
        if us is None:
            us = self._assembler.report_us
        return self._marker_us if us is None else us
