"""One line of a text to the assembler: understood, joined to what belongs to it, stamped and placed.

Rules:
- A line without a time has that of a line soon after it, else that of the anchor before it.
- What user space marked as its own is refused; that a text says `kernel` proves nothing.
- Lines that were passed over say nothing, but are counted: the assembler gives up a report that is silent for long.
"""

from __future__ import annotations

from typing import Final

from otel_oom.kmsg import FACILITY_KERNEL, Record
from otel_oom.oom import Assembler, Finding
from otel_oom.parse import entries, joined
from otel_oom.parse.anchors import AS_NUMBERS, GROUP, GROUP_HEAD, Anchors
from otel_oom.parse.prefix import Line
from otel_oom.parse.record import blank, plain_record, text_record
from otel_oom.parse.window import Window

_SILENCE: Final = 1_000  # lines passed over, from which on they are fed; the assembler waits for some thousands
_DIGITS: Final = b"0123456789 "


class Feeder:
    """Feeds an assembler the lines of a window.

    anchors: told of each kill; counts: whether lines are numbered
    """

    def __init__(self, window: Window, assembler: Assembler, anchors: Anchors, *, counts: bool) -> None:
        self._window = window
        self._assembler = assembler
        self._anchors = anchors
        self._counts = counts
        self._here = (0, 0)  # where the line that is being understood starts and ends
        self._head = b""  # prefix of the last line that was fed, without digits, and what of it says who wrote it
        self._origin = b""
        self._last = (0, 0)  # number and time of the last line that was fed
        self._us = 0  # time of the last anchor
        self._is_timeless = False
        self.is_plain = True
        """Whether the last line outside a report was text: no JSON, and no record of /dev/kmsg."""
        self.openers = 0
        """`invoked oom-killer` lines."""
        self.refused = 0
        """Kill lines that user space marked as its own."""

    def anchor(self, start: int) -> tuple[Finding, ...]:
        """Feed a line of which it is not known whether it holds an anchor."""
        raw = _words(self._window.line(start)[0])
        is_anchor = joined.has_anchor(raw) or (GROUP_HEAD in raw and self._anchors.is_group_near(start))
        return self.line(start, is_anchor=is_anchor)

    def line(self, start: int, *, is_anchor: bool = False) -> tuple[Finding, ...]:
        """Feed the record that a line begins."""
        window = self._window
        raw, end = window.line(start)
        line = entries.understand(raw)
        self._here = (start, end)
        text, more = (b"", 0) if line.record else joined.whole(line, self)
        us = self._anchors_time(line) if is_anchor else self._us if line.us is None else line.us
        found: tuple[Finding, ...] = ()
        if self._assembler.is_open:
            number = window.number(start)
            found = self.pass_over(number)
        else:
            window.is_counting = self._counts
            number = window.number(start)
            window.is_counting = True
            self.is_plain = line.record is None and line.head != b"{"
        for _ in range(more):
            end = window.end(end)
        window.at = end
        self._last = (number + more, us)
        self._head, self._origin = line.head.translate(None, _DIGITS), line.head.partition(b"[")[0]
        if line.priority >> 3 != FACILITY_KERNEL:
            self.refused += b"Killed process " in raw
            return found
        if not is_anchor:
            # Outside a report it says nothing; nor does a group's line without its end, far from any kill.
            if not self._assembler.is_open or text.startswith(GROUP_HEAD):
                return found
            return found + self._assembler.feed(plain_record(line, text, window.base + start, us), 0)
        raw = _words(raw)
        if GROUP in raw and GROUP_HEAD not in raw:
            found += self._groups_beginning(us)
        if b"Killed process " in raw:
            self._anchors.killed(end)
        self.openers += b" invoked oom-killer" in raw
        return found + self._assembler.feed(text_record(line, text.rstrip(), window.base + start, number, us), 0)

    def row(self, start: int, row: int) -> bool:
        """Feed a row of a task table by the shortest way; returns whether that was possible.

        row: where in its line it starts
        """
        window, data = self._window, self._window.data
        head = data[start:row]
        if head.translate(None, _DIGITS) != self._head or not head.startswith(self._origin):
            return False  # another kind of prefix, which must be understood
        end = data.find(b"\n", row)
        if end < 0 or end - row > joined.LONGEST or data.startswith(data[start:row], end + 1):
            return False  # the line after it may belong to its name
        text = data[row:end]
        if b"#" in text or b"\\" in text or not text.isascii() or b"\r" in text:
            return False
        us = self._last[1]
        window.at, self._last = end + 1, (window.number(start), us)
        self._assembler.feed(Record(6, window.base + start, us, "-", text.decode(), None, {}), 0)
        return True

    def pass_over(self, number: int) -> tuple[Finding, ...]:
        """Feed empty lines for those of a report that were passed over before a line, if they are many."""
        found: tuple[Finding, ...] = ()
        last, us = self._last
        if number - last > _SILENCE:
            while last < number - 1 and self._assembler.is_open:
                last += 1
                found += self._assembler.feed(blank(last, us), 0)
            self._last = last, us
        return found

    def _anchors_time(self, line: Line) -> int:
        us = line.us
        if us is None and not self._is_timeless:
            following = (self.following(n) for n in range(1, joined.MOST_LINES))
            us = next((more.us for more in following if more and more.us is not None), None)
        self._is_timeless = us is None
        self._us = self._us if us is None else us
        return self._us

    def _groups_beginning(self, us: int) -> tuple[Finding, ...]:
        """Feed the beginning of a group's line again, whose long path put its end into another record."""
        for n in range(1, joined.MOST_LINES):
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
        if start >= len(window.data) or len(raw) > joined.LONGEST or joined.has_anchor(raw):
            return None
        return entries.understand(raw)

    def before(self, n: int) -> Line | None:
        """The n-th line before the one that is being understood; None where there is none that may belong to it."""
        data, end = self._window.data, self._here[0]
        last = end
        for _ in range(n):
            start = data.rfind(b"\n", 0, max(0, end - 1)) + 1
            if end == 0 or end - start > joined.LONGEST:
                return None
            end, last = start, end
        return entries.understand(data[end : last - 1])


def _words(raw: bytes) -> bytes:
    """A line with its words in it: JSON may hold them as numbers."""
    return entries.understand(raw).text if any(mark in raw for mark in AS_NUMBERS) else raw
