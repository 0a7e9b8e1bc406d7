"""The kills of a text: it is searched in large blocks. Only the lines of reports, and lines with a marker, are parsed.

Rules:
- A test compares the result with that of parsing every line (`every_line`).
- Kills come in the order of the text.
- Memory is that of one block and one report, whatever the text holds.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator

from otel_oom.kernel.kill_assembler import Assembler
from otel_oom.kernel.oom_kill import Finding, Forged, NoVictim, OomKill, Repeat
from otel_oom.parse.feeder import Feeder
from otel_oom.parse.line_search import marker_lines
from otel_oom.parse.other_killers import found_in
from otel_oom.parse.text_window import Window


class KillSearch:
    """Searches one text, once.

    blocks, number_of: see `Window`; page_size: of the machine that wrote the text, bytes
    every_line: parse each line, for tests
    """

    def __init__(
        self,
        blocks: Iterable[bytes],
        page_size: int,
        *,
        number_of: Callable[[int], int] = int,
        every_line: bool = False,
    ) -> None:
        self._window = Window(blocks, number_of)
        self._assembler = Assembler("", page_size, is_excerpt=True)
        self._feeder = Feeder(self._window, self._assembler)
        self._every_line = every_line
        self._searched = 0  # up to which offset in the stream other killers were searched
        self._answered = 0
        self._forged = 0
        self.unread = self._feeder.unread
        """Kill lines that are not read, the first 100."""
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
                begin, end = max(0, self._searched - window.data_offset), window.whole_lines()
                self.others |= found_in(window.data[begin:end])
                self._searched = window.data_offset + end
            yield from self._findings_of_block()
        yield from self._assembler.release_held()

    def _findings_of_block(self) -> Iterator[Finding]:
        """The findings up to the first line whose continuation is not read yet."""
        window = self._window
        if not window.is_ready(window.at):
            return  # so that small blocks are not searched again and again
        end = window.whole_lines()
        marked = [*marker_lines(window.data, window.at, end), end]
        while True:
            if not (self._every_line or self._assembler.is_open):
                window.move_to(marked[bisect_left(marked, window.at)])
            if window.at >= end or not window.is_ready(window.at):
                return
            yield from self._feeder.line(window.at)
