"""A text and its kills.

Rules:
- Kills come in the order of the text.
- A text proves nothing about who wrote it, and says no boot and no sequence unless it is a capture of /dev/kmsg.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from otel_oom.kernel.kill_assembler import Assembler
from otel_oom.kernel.oom_kill import NoVictim, OomKill, Repeat
from otel_oom.parse.scan import Scanner
from otel_oom.parse.text_record import TextRecord
from otel_oom.parse.text_window import BLOCK, Window


class LogText:
    """One text, read once.

    readinto: gives the next bytes (see `Window`); page_size: of the machine that wrote it, bytes
    counts: whether lines are numbered; every_line: understand each line, the slow way
    """

    def __init__(
        self,
        readinto: Callable[[memoryview], int],
        page_size: int,
        *,
        counts: bool = True,
        every_line: bool = False,
        block: int = BLOCK,
    ) -> None:
        self._assembler = Assembler("", page_size)
        self._window = Window(readinto, block, counts=counts)
        self._every_line = every_line
        self._answered = self._openers = 0
        self.refused = 0
        """Kill lines that user space marked as its own."""
        self.kill_lines = 0
        """Kill lines, the repeats of groups included."""

    @property
    def unanswered(self) -> int:
        """Reports that began and did not end in a kill, as far as the text says."""
        return max(0, self._openers - self._answered)

    def kills(self) -> Iterator[OomKill]:
        """The kills; each one's record is a `TextRecord`."""
        scanner = Scanner(self._window, self._assembler, every_line=self._every_line)
        for finding in scanner.findings():
            self.kill_lines += isinstance(finding, OomKill | Repeat)
            if isinstance(finding, NoVictim):
                self._answered += 1
            elif isinstance(finding, OomKill):
                self._answered += finding.context.trigger_comm is not None and finding.is_first
                yield finding
        self._openers, self.refused = scanner.feeder.openers, scanner.feeder.refused


def where(kill: OomKill) -> TextRecord:
    """The record of a kill that was found in a text."""
    record = kill.record
    assert isinstance(record, TextRecord), record
    return record
