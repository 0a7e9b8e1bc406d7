"""The lines of a log out of texts whose lines are others: JSON documents, wrapped text, newest-first exports. No I/O.

Rules:
- Every other text passes unchanged, and a pipe's without waiting for its end.
- Text is turned only if its reports are the wrong way round.
- Memory is bounded: text of more than 1 MiB is not joined; newest-first text is turned in pieces of 4 MiB, and a
  report on the edge of a piece loses what the other piece holds.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from typing import Final

from otel_oom.parse.json_documents import Documents
from otel_oom.parse.structured_lines import ADDED
from otel_oom.parse.wrapped_text import unwrapped

_WHOLE: Final = 4 << 20
_KINDS: Final = tuple(
    map(re.compile, (rb" invoked oom-killer", rb"pid(?<=[\[ ]pid) *\]", rb"oom-kill:constraint", rb"Killed process \d"))
)
_FORWARD: Final = {(0, 1), (0, 2), (1, 2), (1, 3), (2, 3)}  # what follows what in a report


class RecoveredLines:
    """Reads a text, and gives the lines of its log.

    readinto: see `Window`; is_waiting: whether the next read would wait for a writer
    """

    def __init__(self, readinto: Callable[[memoryview], int], is_waiting: Callable[[], bool] = lambda: False) -> None:
        self._readinto = readinto
        self._is_waiting = is_waiting
        self._block = memoryview(bytearray(1 << 20))
        self._documents = Documents()
        self._text = b""
        self._is_first, self._is_last = True, False
        self._lines = 0
        self._turned: list[tuple[int, int]] = []
        self.is_newest_first = False

    def readinto(self, buffer: memoryview) -> int:
        """Put the next bytes into a buffer; returns how many, 0 at the end."""
        while not self._text and not self._is_last:
            self._text = (
                self._first() if self._is_first else self._turn(self._read()) if self.is_newest_first else self._read()
            )
        count = min(len(buffer), len(self._text))
        buffer[:count] = self._text[:count]
        self._text = self._text[count:]
        return count

    def number(self, line: int) -> int:
        """Number of a line in the text, by its number in what `readinto` gave."""
        first, count = next((piece for piece in reversed(self._turned) if piece[0] <= line), (0, 0))
        return max(1, 2 * first + count - 1 - line) if count else line

    def _read(self) -> bytes:
        count = self._readinto(self._block)
        self._is_last = not count
        return self._documents.lines(bytes(self._block[:count]), is_last=self._is_last)

    def _first(self) -> bytes:
        text, self._is_first = b"", False
        while not self._is_last and len(text) < _WHOLE and not (text and self._is_waiting()):
            text += self._read()
        if self._is_last:
            text = unwrapped(text)
        self.is_newest_first = _order(text) < 0
        return self._turn(text) if self.is_newest_first else text

    def _turn(self, text: bytes) -> bytes:
        """A text of whole lines, up to the size of a piece, in the opposite order."""
        while not self._is_last and len(text) < _WHOLE:
            text += self._read()
        lines = text.removesuffix(b"\n").split(b"\n")
        added = [False, *(line.endswith(ADDED) for line in lines)]
        self._turned.append((self._lines + 1, len(lines) - sum(added)))
        self._lines += len(lines) - sum(added)
        pairs = zip(reversed(lines), added[-2::-1], strict=True)
        return b"".join(line.removesuffix(ADDED) + (ADDED if is_added else b"") + b"\n" for line, is_added in pairs)


def _order(text: bytes) -> int:
    """More than 0 if the reports of a text are in order, less if they are the wrong way round."""
    places = [(found.start(), kind) for kind, one in enumerate(_KINDS) for found in one.finditer(text)]
    kinds = [kind for _, kind in sorted(places)]
    pairs = list(itertools.pairwise(kinds))
    return sum((pair in _FORWARD) - (pair[::-1] in _FORWARD) for pair in pairs)
