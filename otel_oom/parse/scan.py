"""A text to what the kernel's OOM killer did: anchors are looked for in large blocks, what stands around is understood.

Rules:
- The result is that of feeding every line (`every_line`): what is passed over says nothing. A test compares the two.
  (One thing is not seen: that the clock of a line that says nothing has left the report's.)
- Outside a report only an anchor matters. Inside one, what `ReportLines` finds.
- Memory is that of one report, whatever comes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from otel_oom.kernel.kill_assembler import Assembler
from otel_oom.kernel.oom_kill import Finding
from otel_oom.parse.alike import Alike
from otel_oom.parse.feeder import Feeder
from otel_oom.parse.marker_search import MarkerSearch
from otel_oom.parse.report_lines import ReportLines
from otel_oom.parse.text_window import ENOUGH, Window

_PIECE: Final = 64 << 10


class Scanner:
    """Feeds an assembler what matters in a text.

    every_line: understand each line, the slow way
    """

    def __init__(self, window: Window, assembler: Assembler, *, every_line: bool = False) -> None:
        window.slide()
        self._window = window
        self._assembler = assembler
        self._every_line = every_line
        self._anchors = MarkerSearch(window)
        self.feeder = Feeder(window, assembler, self._anchors)
        self._alike = Alike(window, assembler, self.feeder)
        self._report_lines = ReportLines(is_plain=True)

    def findings(self) -> Iterator[Finding]:
        """What was found, in the order of the text."""
        window = self._window
        while window.at < len(window.data) or not window.is_last:
            yield from self._one_by_one() if self._every_line else self._fast()
            window.slide()
        yield from self._assembler.settle()

    def _one_by_one(self) -> Iterator[Finding]:
        while self._is_ready(self._window.at):
            yield from self.feeder.anchor(self._window.at)

    def _fast(self) -> Iterator[Finding]:
        window, assembler = self._window, self._assembler
        while True:
            anchor = self._anchors.next()
            end = window.whole_lines() if anchor is None else anchor
            was_open = assembler.is_open
            if was_open:
                if found := self._inside(end):
                    yield from found
                if window.at < end:
                    if self._is_given_up():
                        continue
                    return  # the rest of the report is in the next block
            else:
                window.at = max(window.at, end)
            if anchor is None or not self._is_ready(anchor):
                return
            opened = assembler.opened
            yield from self.feeder.anchor(anchor)
            if assembler.is_open and assembler.opened is not opened:  # another report
                self._report_lines = ReportLines(is_plain=self.feeder.is_plain)

    def _is_given_up(self) -> bool:
        return not self._assembler.is_open

    def _is_ready(self, start: int) -> bool:
        """Whether the line at an offset is there, and all that may belong to it."""
        window = self._window
        left = len(window.data) - start
        return left > ENOUGH or (left > 0 and window.has_after(window.end(start)))

    def _inside(self, end: int) -> list[Finding]:
        """Feed what a report says up to an offset, as long as it is open."""
        window, assembler, feeder, lines = self._window, self._assembler, self.feeder, self._report_lines
        found: list[Finding] = []
        if window.at < end < len(window.data) and feeder.head:
            alike = lines.alike(window.data, window.at, end, feeder.head)
            if alike is not None:
                found = self._alike.feed(*alike)
                if not assembler.is_open:
                    return found
                window.at = max(window.at, end)
        while window.at < end:
            piece = window.data.rfind(b"\n", window.at, min(end, window.at + _PIECE)) + 1
            piece = piece or min(end, window.end(window.at))
            for start, rows in lines.lines(window.data, window.at, piece):
                if start < window.at:
                    continue  # it was part of the line before it
                if not self._is_ready(rows[-1].start() if rows else start):
                    window.at = start
                    return found
                found += feeder.table(rows) if rows else feeder.plain(start)
                if not assembler.is_open:
                    return found
            window.at = max(window.at, piece)
            feeder.pass_over(window.at)
            if not assembler.is_open:
                break
        return found
