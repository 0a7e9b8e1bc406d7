"""A stream of text as a window that slides over it: lines at offsets, with a margin on both sides. I/O: `readinto`.

Rules:
- Memory is flat: a block, and the margins around the place that is being read.
- What is seen does not depend on where blocks end. Of a line, the first 64 KiB count.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

BLOCK: Final = 1 << 20  # several reports are understood in a row: that keeps their code in the processor's cache
LINE: Final = 1 << 16
_BEFORE: Final = 20 << 10  # 16 lines of 1 KiB
_AFTER: Final = 40 << 10  # 16 lines of 1 KiB and the longest line that is no single name
ENOUGH: Final = _AFTER + LINE


class Window:
    """Text around a place in it.

    readinto: puts the next bytes of the stream into a buffer and returns how many, 0 at its end
    counts: whether lines are numbered: it costs a pass over the text
    """

    def __init__(self, readinto: Callable[[memoryview], int], block: int = BLOCK, *, counts: bool = True) -> None:
        self._readinto = readinto
        self._buffer = memoryview(bytearray(block))  # one for all: fresh memory is paid for page by page
        self._counts = counts
        self._is_cutting = False
        self._counted = self._lines = 0
        self.data = b""
        self.base = 0
        """Offset in the stream of `data[0]`."""
        self.at = 0
        """Offset in `data` of the line that is next: always the start of a line."""
        self.is_last = False
        """Whether the stream has ended: `data` holds all that is left."""

    def number(self, offset: int) -> int:
        """Number of the line at an offset that is not before the last one asked for; from 1 on, 0 if none counts."""
        if not self._counts:
            return 0
        self._lines += self.data.count(b"\n", self._counted, offset)
        self._counted = offset
        return self._lines + 1

    def line(self, start: int) -> tuple[bytes, int]:
        """The line that starts at an offset, without its end, and where the next one starts."""
        end = self.data.find(b"\n", start)
        if end < 0:
            end = len(self.data)
            return self.data[start : min(end, start + LINE)], end
        return self.data[start : min(end, start + LINE)], end + 1

    def start(self, offset: int) -> int:
        """Where the line of an offset starts."""
        return self.data.rfind(b"\n", 0, offset) + 1

    def end(self, start: int) -> int:
        """Where the line after the one at an offset starts."""
        return self.data.find(b"\n", start) + 1 or len(self.data)

    def whole_lines(self) -> int:
        """Where the last line that has an end ends."""
        return len(self.data) if self.is_last else max(self.at, self.data.rfind(b"\n") + 1)

    def has_after(self, offset: int) -> bool:
        """Whether enough is there behind an offset to know what belongs to the line before it."""
        return self.is_last or len(self.data) - offset >= _AFTER

    def slide(self) -> bool:
        """Read on; returns whether anything came. Offsets change: only `at` is kept."""
        if self.is_last:
            return False
        block = self._buffer[: self._readinto(self._buffer)]
        shift = max(0, self.at - _BEFORE)
        self.number(self.at)
        self._counted -= shift
        self.at -= shift
        self.base += shift
        if not block:
            self.is_last = True
            self.data = self.data[shift:]
            return False
        if self._is_cutting:
            end = bytes(block).find(b"\n")
            block, self._is_cutting = (block[:0], True) if end < 0 else (block[end:], False)
        left = self.data[shift:]
        self.data = b""  # its memory becomes that of the next
        self.data = left + block
        begun = self.data.rfind(b"\n") + 1  # of the last line, which has no end yet
        if len(self.data) - begun > 2 * LINE:
            self.data, self._is_cutting = self.data[: begun + LINE], True
        return True
