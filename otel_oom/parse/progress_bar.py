"""How far a large file has been read, as a bar on a terminal's standard error.

Rules:
- Nothing is drawn for a small file, a pipe, or when standard error is no terminal.
- The bar is gone before anything else is written.
"""

from __future__ import annotations

import shutil
import sys
import time
from typing import Final

from otel_oom.parse.input_files import Source

LARGE: Final = 32 << 20
_INTERVAL_S: Final = 0.1


class Progress:
    """Reads from a source and shows how far it came."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._is_shown = False
        self._drawn_s = time.monotonic()
        self._is_wanted = (source.size or 0) >= LARGE and sys.stderr.isatty()

    def readinto(self, buffer: memoryview) -> int:
        """Put the next bytes of the source into a buffer; returns how many."""
        count = self._source.readinto(buffer)
        if self._is_wanted and time.monotonic() - self._drawn_s >= _INTERVAL_S:
            self._draw()
        return count

    def hide(self) -> None:
        """Take the bar away."""
        if self._is_shown:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
            self._is_shown = False

    def _draw(self) -> None:
        self._drawn_s = time.monotonic()
        size = self._source.size or 1
        share = min(1.0, self._source.position() / size)
        columns = shutil.get_terminal_size().columns
        text = f" {share:4.0%} of {size / 2**20:.0f} MiB"
        room = max(0, min(60, columns - len(text) - 4))
        bar = ("#" * round(share * room)).ljust(room, ".")
        sys.stderr.write(f"\r[{bar}]{text}\x1b[K"[: columns + 8])
        sys.stderr.flush()
        self._is_shown = True
