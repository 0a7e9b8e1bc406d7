"""The kills of a text: it is searched in large blocks, and only the lines that matter are parsed.

Rules:
- The search skips lines that hold no fact of a report. A test compares its result with that of parsing every line
  (`every_line`). One difference is accepted: the search ignores the clock of a skipped line, which can end a report.
- Kills come in the order of the text.
- Memory is that of one block and one report, whatever the text holds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from otel_oom.kernel.kill_assembler import Assembler
from otel_oom.kernel.oom_kill import Finding, Forged, NoVictim, OomKill, Repeat
from otel_oom.parse.feeder import Feeder, Unread
from otel_oom.parse.line_search import marker_lines, report_lines
from otel_oom.parse.other_killers import found_in
from otel_oom.parse.text_window import BLOCK, Window

_PIECE: Final = 64 << 10


class KillSearch:
    """Searches one text, once.

    readinto: see `Window`; page_size: of the machine that wrote the text, bytes
    number_of: number of a line in the text that a user named; every_line: parse each line, for tests
    """

    def __init__(
        self,
        readinto: Callable[[memoryview], int],
        page_size: int,
        *,
        number_of: Callable[[int], int] = int,
        every_line: bool = False,
        block: int = BLOCK,
    ) -> None:
        self._window = Window(readinto, block, number_of)
        self._assembler = Assembler("", page_size, is_excerpt=True)
        self._feeder = Feeder(self._window, self._assembler)
        self._search = self._every_line if every_line else self._marked_lines
        self._searched = 0  # up to which offset in the stream other killers were searched
        self._answered = 0
        self._forged = 0
        self.others: set[str] = set()
        """What else kills, in a text without a kill."""
        self.no_victim = 0
        """Times that the kernel found no process to kill."""
        self.kill_lines = 0
        """Kill lines, the repeats of groups included."""

    @property
    def refused(self) -> int:
        """Kill lines that user space marked as its own, or whose text it chose."""
        return self._feeder.refused + self._forged

    @property
    def unread(self) -> list[Unread]:
        """The first kill line that could not be read, and how many there are; empty if all were."""
        return self._feeder.unread

    @property
    def unanswered(self) -> int:
        """Reports that began and did not end in a kill, as far as the text says."""
        return max(0, self._feeder.openers - self._answered)

    def kills(self) -> Iterator[OomKill]:
        """The kills of the text; the record of each is a `TextRecord`."""
        for finding in self._findings():
            self.kill_lines += isinstance(finding, OomKill | Repeat)
            self._forged += isinstance(finding, Forged)
            if isinstance(finding, NoVictim):
                self._answered += 1
                self.no_victim += 1
            elif isinstance(finding, OomKill):
                self._answered += finding.context.trigger_comm is not None and finding.is_first
                yield finding

    def _findings(self) -> Iterator[Finding]:
        window = self._window
        while not window.is_last:
            window.slide()
            if not self.kill_lines:
                self._search_others()
            yield from self._search()
        yield from self._assembler.release_held()

    def _search_others(self) -> None:
        window = self._window
        begin, end = max(0, self._searched - window.data_offset), window.whole_lines()
        if begin < end:
            self.others |= found_in(window.data[begin:end])
            self._searched = window.data_offset + end

    def _every_line(self) -> Iterator[Finding]:
        while self._window.is_ready(self._window.at):
            yield from self._feeder.line(self._window.at)

    def _marked_lines(self) -> Iterator[Finding]:
        """The findings of this block, up to the first line whose continuation is not read yet."""
        window, assembler = self._window, self._assembler
        if not window.is_ready(window.at):
            return  # so that small blocks are not searched again and again
        end = window.whole_lines()
        for start in [*marker_lines(window.data, window.at, end), end]:
            if start < window.at:
                continue  # it was joined to the line before it
            yield from self._report(start)
            if window.at < start and assembler.is_open:
                return
            window.move_to(start)
            if start == end or not window.is_ready(start):
                return
            yield from self._feeder.line(start)

    def _report(self, end: int) -> Iterator[Finding]:
        """The findings of the open report up to an offset, or to the first line whose continuation is not read yet."""
        window, assembler, feeder = self._window, self._assembler, self._feeder
        while window.at < end and assembler.is_open:
            piece = window.data.rfind(b"\n", window.at, min(end, window.at + _PIECE)) + 1
            piece = piece or min(end, window.line(window.at)[1])
            for start in report_lines(window.data, window.at, piece):
                if start < window.at:
                    continue  # it was joined to the line before it
                if not window.is_ready(start):
                    window.move_to(start)
                    return
                yield from feeder.line(start)
            window.move_to(piece)
            feeder.pass_over(window.at)
