"""One line of a text to the assembler: understood, joined to what belongs to it, stamped and placed.

Rules:
- A line without a time has that of the report that it stands in; an anchor that of a line soon after it, else that of
  the anchor before it.
- What user space marked as its own is refused; that a text says `kernel` proves nothing.
- Lines that were passed over say nothing, but are counted: the assembler gives up a report that is silent for long.
"""

from __future__ import annotations

import re
from typing import Final

from otel_oom.kernel.kill_assembler import Assembler
from otel_oom.kernel.kmsg_record import FACILITY_KERNEL, Record
from otel_oom.kernel.oom_kill import Finding
from otel_oom.parse import line_prefix, record_joining, structured_lines, table
from otel_oom.parse.line_prefix import Line
from otel_oom.parse.marker_search import AS_NUMBERS, GROUP, GROUP_HEAD, MarkerSearch
from otel_oom.parse.table import Row
from otel_oom.parse.text_record import NO_FIELDS, TextRecord, blank, plain_record, text_record
from otel_oom.parse.text_window import Window

_SILENCE: Final = 1_000  # lines passed over, from which on they are fed; the assembler waits for some thousands


class Feeder:
    """Feeds an assembler the lines of a window.

    anchors: told of each kill
    """

    def __init__(self, window: Window, assembler: Assembler, anchors: MarkerSearch) -> None:
        self._window = window
        self._assembler = assembler
        self._anchors = anchors
        self._here = (0, 0)  # where the line that is being understood starts and ends
        self._fed = 0  # up to where in the stream lines were fed, or counted as silent
        self._silent = 0  # lines of a report that were passed over since the last one that was fed
        self._last_us = 0  # time of that one
        self._us = 0  # time of the last anchor
        self._is_timeless = False
        self.head = b""
        """How the last plain line with an anchor began, up to the second of its clock."""
        self.second_us = 0
        self.is_plain = True
        """Whether the last line that was taken apart was text: no JSON, and no record of /dev/kmsg."""
        self.openers = 0
        """`invoked oom-killer` lines."""
        self.refused = 0
        """Kill lines that user space marked as its own."""

    def anchor(self, start: int) -> tuple[Finding, ...]:
        """Feed a line of which it is not known whether it holds an anchor."""
        plain = line_prefix.PLAIN.match(self._window.data, start)
        if plain is not None and (kind := record_joining.whole_anchor(plain["text"])) and self._is_alone(plain, kind):
            return self._plain_anchor(plain, kind)
        raw = self._window.line(start)[0]
        words = structured_lines.parse_line(raw).text if b"MESSAGE" in raw and AS_NUMBERS.search(raw) else raw
        if not record_joining.has_anchor(words) and not (GROUP_HEAD in words and self._anchors.is_group_near(start)):
            return self.line(start)
        return self.line(start, words)

    def plain(self, start: int) -> tuple[Finding, ...]:
        """Feed a line of a report; by a short way if nothing is special about it."""
        plain = line_prefix.PLAIN.match(self._window.data, start)
        if plain is None or not self._is_alone(plain) or record_joining.may_go_on(plain["text"]):
            return self.line(start)
        text, us = plain["text"], int(plain["s"]) * 1_000_000 + int(plain["us"])
        self.pass_over(start)
        self.fed(plain.end(), us)
        record = Record(6, self._window.base + start, us, "-", text.decode(), None, NO_FIELDS)
        return self._assembler.feed(record, 0)

    def _is_alone(self, line: re.Match[bytes], kind: record_joining.Kind | None = None) -> bool:
        """Whether a plain line is all of a record of the kernel's, and as it was written."""
        data, start, end, text = self._window.data, line.start(), line.end(), line["text"]
        head = data[start : end - len(text) - 1]
        if line["level"] is not None or structured_lines.is_escaped(text) or data.startswith(head, end):
            return False  # of the same microsecond, the next line may be more of it
        if kind == "opener":  # its name may have begun in the line before it
            return start == 0 or not data.startswith(head, self._window.start(start - 1))
        return kind != "kill" or data.startswith(head[:1], end)  # its end may be on a line of its own

    def _plain_anchor(self, plain: re.Match[bytes], kind: record_joining.Kind) -> tuple[Finding, ...]:
        window, assembler = self._window, self._assembler
        _, stamp, second, fraction, text = plain.groups()
        start, end = plain.span()
        self.second_us = int(second) * 1_000_000
        self.head = window.data[start : plain.end("s") + 1]
        us = self.second_us + int(fraction)
        self.is_plain = True
        if assembler.is_open:
            self.pass_over(start)
        self.fed(end, us)
        self._us, self._is_timeless = us, False
        self.openers += kind == "opener"
        words = text.rstrip().decode()
        if kind != "kill":
            return assembler.feed(Record(6, window.base + start, us, "-", words, None, NO_FIELDS), 0)
        self._anchors.killed(end)
        line = Line(window.data[start : end - len(text) - 1], text, us, True, stamp)
        number = window.number(start)
        return assembler.feed(TextRecord(6, window.base + start, us, "-", words, None, NO_FIELDS, line, number), 0)

    def table(self, rows: list[Row]) -> tuple[Finding, ...]:
        """Feed the rows of a task table that matter: at once if nothing is special about them."""
        some, last = table.top_of_one_origin(rows), rows[-1]
        line = structured_lines.parse_line(self._window.data[table.start(last) : last.end()])
        if some is None or line.priority >> 3 != FACILITY_KERNEL:
            some = rows
        elif line.text == last[0] and self._at_once(some, line):
            return ()
        for row in some:
            self.line(table.start(row))
        return ()

    def _at_once(self, rows: list[Row], last: Line) -> bool:
        data, end = self._window.data, rows[-1].end() + 1
        text = b"\n".join([row[0] for row in rows])
        may_go_on = any(data.startswith(table.prefix(row), row.end() + 1) for row in rows)  # by a line feed in the name
        if may_go_on or not structured_lines.is_plain(text):
            return False
        self.pass_over(table.start(rows[-1]))
        self.fed(end, self._time(last))
        self._assembler.feed_rows(rows, self._last_us)
        return True

    def fed(self, end: int, us: int) -> None:
        """All up to here was fed, with this time at last."""
        self._window.at = end
        self._fed, self._silent, self._last_us = self._window.base + end, 0, us

    def line(self, start: int, words: bytes | None = None) -> tuple[Finding, ...]:
        """Feed the record that a line begins. words: what it says, if there is an anchor in it."""
        window, assembler = self._window, self._assembler
        raw, end = window.line(start)
        line = structured_lines.parse_line(raw)
        self._here = (start, end)
        text, more = (b"", 0) if line.record else record_joining.whole(line, self)
        us = self._anchors_time(line) if words is not None else self._time(line)
        if assembler.is_open:
            self.pass_over(start)
        self.is_plain = line.record is None and line.head != b"{"
        for _ in range(more):
            end = window.end(end)
        self.fed(end, us)
        if line.priority >> 3 != FACILITY_KERNEL:
            self.refused += b"Killed process " in raw
        elif words is not None:
            return self._anchor(line, text, words, start, us)
        # Outside a report it says nothing; nor does a group's line without its end, far from any kill.
        elif assembler.is_open and not text.startswith(GROUP_HEAD):
            return assembler.feed(plain_record(line, text, window.base + start, us), 0)
        return ()

    def _anchor(self, line: Line, text: bytes, words: bytes, start: int, us: int) -> tuple[Finding, ...]:
        window = self._window
        found: tuple[Finding, ...] = ()
        if GROUP in words and GROUP_HEAD not in words:
            found = self._groups_beginning(us)
        if b"Killed process " in words:
            self._anchors.killed(window.at)
        self.openers += b" invoked oom-killer" in words
        record = text_record(line, text.rstrip(), window.base + start, window.number(start), us)
        return found + self._assembler.feed(record, 0)

    def pass_over(self, offset: int) -> None:
        """Feed empty lines for those of a report that were passed over before a line, if they are many."""
        window = self._window
        self._silent += window.data.count(b"\n", self._fed - window.base, offset)
        self._fed = window.base + offset
        if self._silent > _SILENCE:
            while self._silent and self._assembler.is_open:
                self._assembler.feed(blank(self._last_us), 0)
                self._silent -= 1

    def _time(self, line: Line) -> int:
        if line.us is not None:
            return line.us
        last_us = self._assembler.last_us
        return self._us if last_us is None else last_us

    def _anchors_time(self, line: Line) -> int:
        us = line.us
        if us is None and not self._is_timeless:
            following = (self.following(n) for n in range(1, record_joining.MOST_LINES))
            us = next((more.us for more in following if more and more.us is not None), None)
        self._is_timeless = us is None
        self._us = self._us if us is None else us
        return self._us

    def _groups_beginning(self, us: int) -> tuple[Finding, ...]:
        """Feed the beginning of a group's line again, whose long path put its end into another record."""
        for n in range(1, record_joining.MOST_LINES):
            line = self.before(n)
            if line is None:
                break
            words = line.text if line.record is None else line.record.text.encode()
            if words.startswith(GROUP_HEAD) and line.priority >> 3 == FACILITY_KERNEL:
                return self._assembler.feed(text_record(line, words, 0, 0, us), 0)
        return ()

    def repeats(self, head: bytes) -> bool:
        """Whether the line after the one that is being understood begins with these bytes."""
        return self._window.data.startswith(head, self._here[1])

    def following(self, n: int) -> Line | None:
        """The n-th line after the one that is being understood; None where there is none that may belong to it."""
        window = self._window
        start = self._here[1]
        for _ in range(n - 1):
            start = window.end(start)
        raw, _ = window.line(start)
        if start >= len(window.data) or len(raw) > record_joining.LONGEST or record_joining.has_anchor(raw):
            return None
        return structured_lines.parse_line(raw)

    def before(self, n: int) -> Line | None:
        """The n-th line before the one that is being understood; None where there is none that may belong to it."""
        data, end = self._window.data, self._here[0]
        last = end
        for _ in range(n):
            start = self._window.start(max(0, end - 1))
            if end == 0 or end - start > record_joining.LONGEST:
                return None
            end, last = start, end
        return structured_lines.parse_line(data[end : last - 1])
