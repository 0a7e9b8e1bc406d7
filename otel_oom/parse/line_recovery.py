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
from collections.abc import Callable, Iterator
from typing import Final

from otel_oom.parse.json_documents import Documents
from otel_oom.parse.structured_lines import ADDED
from otel_oom.parse.wrapped_text import unwrapped

BLOCK: Final = 1 << 20  # several reports are parsed in a row, which keeps the code for them in the processor's cache
_PIECE: Final = 4 << 20
_KINDS: Final = tuple(
    map(re.compile, (rb" invoked oom-killer", rb"pid(?<=[\[ ]pid) *\]", rb"oom-kill:constraint", rb"Killed process \d"))
)
_FORWARD: Final = {(0, 1), (0, 2), (1, 2), (1, 3), (2, 3)}  # what follows what in a report


class RecoveredLines:
    """The lines of the log in a text, as blocks of at most 1 MiB.

    read: returns the next bytes of the text, none at its end
    is_waiting: whether the next read would wait for a writer
    """

    def __init__(self, read: Callable[[], bytes], is_waiting: Callable[[], bool] = lambda: False) -> None:
        self._read_text = read
        self._is_waiting = is_waiting
        self._documents = Documents()
        self._is_last = False
        self._lines = 0
        self._turned: list[tuple[int, int]] = []
        self.is_newest_first = False

    def __iter__(self) -> Iterator[bytes]:
        text = b""
        while not self._is_last and len(text) < _PIECE and not (text and self._is_waiting()):
            text += self._read()
        if self._is_last:
            text = unwrapped(text)
        self.is_newest_first = _order(text) < 0
        while text or not self._is_last:
            if self.is_newest_first:
                text = self._turn(text)
            yield from (text[at : at + BLOCK] for at in range(0, len(text), BLOCK))
            text = b"" if self._is_last else self._read()

    def number(self, line: int) -> int:
        """Number of a line in the text, by its number in the blocks."""
        first, count = next((piece for piece in reversed(self._turned) if piece[0] <= line), (0, 0))
        return max(1, 2 * first + count - 1 - line) if count else line

    def _read(self) -> bytes:
        block = self._read_text()
        self._is_last = not block
        return self._documents.lines(block, is_last=self._is_last)

    def _turn(self, text: bytes) -> bytes:
        """A text of whole lines, up to the size of a piece, in the opposite order."""
        while not self._is_last and len(text) < _PIECE:
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
    pairs = list(itertools.pairwise(kind for _, kind in sorted(places)))
    return sum((pair in _FORWARD) - (pair[::-1] in _FORWARD) for pair in pairs)
