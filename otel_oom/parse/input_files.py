"""Opens the inputs that a user names: plain text, gzip, xz or bzip2 by their first bytes, standard input, /dev/kmsg.

Rules:
- The name of a file says nothing about its format.
- Each failure is an `UnreadableError`: one line with its remedy. Text that was read before the failure counts.
- A read returns at most the size asked for, or what a pipe has now: no text is held back.
- A bar on standard error shows the progress in a large file. It is removed before other output is written.
"""

from __future__ import annotations

import bz2
import contextlib
import errno
import gzip
import io
import lzma
import os
import shutil
import stat
import sys
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final, cast

from otel_oom.errors import OtelOomError
from otel_oom.printable_text import printable_text

STDIN: Final = "-"
LARGE: Final = 32 << 20  # bytes of a file from which on the bar is shown

_BAR_INTERVAL_S: Final = 0.1
_GZIP: Final = b"\x1f\x8b"
_XZ: Final = b"\xfd7zXZ\x00"
_BZIP2: Final = b"BZh"
_ZSTD: Final = b"\x28\xb5\x2f\xfd"


class UnreadableError(OtelOomError):
    """An input of `parse` cannot be opened, or cannot be read to its end."""

    exit_code = 66  # EX_NOINPUT


class Input:
    """An open input.

    name: as it was given to `opened`; raw: the file; size: of the file in bytes, None where it is unknown
    """

    def __init__(self, name: str, raw: BinaryIO, size: int | None) -> None:
        self.name = shown(name)
        """The name, printable."""
        self._given = name
        self._raw = raw
        self._text = _decompressed(name, raw)
        self._size = size or 0
        self._has_bar = self._size >= LARGE and sys.stderr.isatty()
        self._is_drawn = False
        self._drawn_s = time.monotonic()

    def readinto(self, buffer: memoryview) -> int:
        """Put the next bytes of the text into a buffer; returns how many, 0 at the end. Raises UnreadableError."""
        while True:
            try:
                count = self._text.readinto1(buffer) or 0
            except (OSError, EOFError, lzma.LZMAError, zlib.error) as error:
                if isinstance(error, OSError) and error.errno == errno.EPIPE:
                    continue  # /dev/kmsg: records were overwritten; the next read returns the oldest one left
                raise _unreadable(self._given, error) from error
            if self._has_bar and time.monotonic() - self._drawn_s >= _BAR_INTERVAL_S:
                self._draw_bar()
            return count

    def hide_bar(self) -> None:
        """Remove the bar from the terminal."""
        if self._is_drawn:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
            self._is_drawn = False

    def _draw_bar(self) -> None:
        self._drawn_s = time.monotonic()
        share = min(1.0, self._raw.tell() / self._size)
        columns = shutil.get_terminal_size().columns
        text = f" {share:4.0%} of {self._size / 2**20:.0f} MiB"
        room = max(0, min(60, columns - len(text) - 4))
        bar = ("#" * round(share * room)).ljust(room, ".")
        sys.stderr.write(f"\r[{bar}]{text}\x1b[K"[: columns + 8])
        sys.stderr.flush()
        self._is_drawn = True


@contextlib.contextmanager
def opened(name: str) -> Iterator[Input]:
    """The input of a name; `-` is standard input. Raises UnreadableError."""
    with contextlib.ExitStack() as stack:
        try:
            if name == STDIN:
                raw: BinaryIO = sys.stdin.buffer
                mode = os.fstat(sys.stdin.fileno()).st_mode
            else:
                mode = Path(name).stat().st_mode
                # /dev/kmsg has no end: its current records are read, without waiting for new ones.
                # A terminal must not control this process: its hang-up would end it.
                flags = os.O_NONBLOCK | os.O_NOCTTY if stat.S_ISCHR(mode) else 0
                raw = stack.enter_context(open(name, "rb", opener=lambda path, given: os.open(path, given | flags)))
            size = os.fstat(raw.fileno()).st_size if stat.S_ISREG(mode) else None
            source = Input(name, raw, size)
        except (OSError, ValueError, io.UnsupportedOperation) as error:
            raise _unreadable(name, error) from error
        yield source


def shown(name: str) -> str:
    r"""A file's name for people: bytes that are not printable are shown as `\xNN`."""
    return "standard input" if name == STDIN else printable_text(name)


def _decompressed(name: str, raw: BinaryIO) -> io.BufferedIOBase:
    magic = raw.peek(6)[:6] if isinstance(raw, io.BufferedReader) else b""
    if magic.startswith(_GZIP):
        return gzip.GzipFile(fileobj=raw)
    if magic.startswith(_XZ):
        return lzma.LZMAFile(raw)
    if magic.startswith(_BZIP2):
        return bz2.BZ2File(raw)
    if magic.startswith(_ZSTD):
        raise UnreadableError(f"{shown(name)} is compressed with zstd", "use: zstd -dc FILE | otel-oom parse -")
    return cast("io.BufferedIOBase", raw)


def _unreadable(name: str, error: Exception) -> UnreadableError:
    what = shown(name)
    if isinstance(error, FileNotFoundError):
        return UnreadableError(f"there is no {what}", "check its name")
    if isinstance(error, PermissionError):
        return UnreadableError(f"{what} may not be read", "run as root, or as a user of its group (adm)")
    if isinstance(error, IsADirectoryError):
        return UnreadableError(f"{what} is a directory", "name the files in it")
    if isinstance(error, EOFError | lzma.LZMAError | zlib.error | gzip.BadGzipFile):
        return UnreadableError(f"{what} is damaged: {error}", "what was read before the damage is shown")
    return UnreadableError(f"{what} cannot be read: {getattr(error, 'strerror', None) or error}", "check the file")
