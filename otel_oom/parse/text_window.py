"""A stream of text as a window that slides over it, with a margin on both sides of the line that is read next.

Rules:
- The only I/O is that of the iterator of blocks that the caller passes in.
- Memory is flat: one block, and the two margins.
- The lines that a caller sees do not depend on where blocks end. Of a line, only the first 64 KiB count.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from otel_oom.parse.structured_lines import ADDED

LINE: Final = 1 << 16
_BEFORE: Final = 20 << 10  # 16 lines of 1 KiB
_AFTER: Final = LINE + (40 << 10)  # the line itself; 16 lines of 1 KiB and one that holds two paths


class Window:
    """The text around one place of a stream.

    blocks: the bytes of the stream, in pieces of any size
    number_of: number of a line in the text that a user named, by its number here
    """

    def __init__(self, blocks: Iterable[bytes], number_of: Callable[[int], int] = int) -> None:
        self._blocks = iter(blocks)
        self._number_of = number_of
        self._is_cutting = self._has_added = False
        self._counted = self._lines = 0
        self.data = b""
        self.data_offset = 0
        """Offset of `data[0]` in the stream."""
        self.at = 0
        """Offset in `data` of the next line: always the start of a line."""
        self.is_last = False
        """Whether the stream has ended: `data` holds the rest of it."""

    def move_to(self, offset: int) -> None:
        """Make the line that starts at an offset the next one. Offsets before `at` change nothing."""
        self.at = max(self.at, offset)

    def number(self, offset: int) -> int:
        """Number of the line at an offset, from 1 on. Offsets must not decrease."""
        self._lines += self.data.count(b"\n", self._counted, offset)
        if self._has_added:
            self._lines -= self.data.count(ADDED + b"\n", self._counted, offset)
        self._counted = offset
        return self._number_of(self._lines + 1)

    def line(self, start: int) -> tuple[bytes, int]:
        """The line that starts at an offset, without its line feed, and where the next line starts."""
        end = self.data.find(b"\n", start)
        if end < 0:
            end = len(self.data)
            return self.data[start : min(end, start + LINE)], end
        return self.data[start : min(end, start + LINE)], end + 1

    def whole_lines(self) -> int:
        """Where the last line that is complete ends."""
        return len(self.data) if self.is_last else max(self.at, self.data.rfind(b"\n") + 1)

    def is_ready(self, start: int) -> bool:
        """Whether the line at an offset is there, and every line after it that may belong to it."""
        left = len(self.data) - start
        return left >= _AFTER or (left > 0 and self.is_last)

    def slide(self) -> None:
        """Read the next block. Offsets into `data` change; `at` stays at its line."""
        block = next(self._blocks, b"")
        self.is_last = not block
        shift = max(0, self.at - _BEFORE)
        self.number(self.at)
        self._counted -= shift
        self.at -= shift
        self.data_offset += shift
        self._has_added = self._has_added or ADDED in block
        if self._is_cutting and block:
            end = block.find(b"\n")
            block, self._is_cutting = (b"", True) if end < 0 else (block[end:], False)
        left = self.data[shift:]
        self.data = b""  # frees its memory before the next `data` needs some
        self.data = left + block
        begun = self.data.rfind(b"\n") + 1  # the last line, which is not complete yet
        if len(self.data) - begun > 2 * LINE:
            self.data, self._is_cutting = self.data[: begun + LINE], True
