"""Opening what a user names: plain text, gzip, xz or bzip2 by their first bytes, standard input, /dev/kmsg.

Rules:
- The name of a file says nothing about what is in it.
- Each failure is an `UnreadableError`: one line with its mend. What was read before it counts.
- Reads are of the size that is asked for, or of what a pipe has: nothing is held back.
"""

from __future__ import annotations

import bz2
import contextlib
import errno
import gzip
import io
import lzma
import os
import stat
import sys
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, cast

from otel_oom.errors import OtelOomError

STDIN: Final = "-"

_GZIP: Final = b"\x1f\x8b"
_XZ: Final = b"\xfd7zXZ\x00"
_BZIP2: Final = b"BZh"
_ZSTD: Final = b"\x28\xb5\x2f\xfd"


class UnreadableError(OtelOomError):
    """An input of `parse` cannot be opened, or not be read to its end."""

    exit_code = 66  # EX_NOINPUT


@dataclass(frozen=True, slots=True)
class Source:
    """An input that is open.

    name: as the user wrote it; readinto: puts the next bytes of the text into a buffer, returns how many, 0 at the end
    size: of the file in bytes, None where it is unknown; position: bytes of the file that were read
    """

    name: str
    readinto: Callable[[memoryview], int]
    size: int | None
    position: Callable[[], int]


@contextlib.contextmanager
def opened(name: str) -> Iterator[Source]:
    """An input by its name; `-` is standard input."""
    with contextlib.ExitStack() as stack:
        try:
            if name == STDIN:
                raw: BinaryIO = sys.stdin.buffer
                mode = os.fstat(sys.stdin.fileno()).st_mode
            else:
                mode = Path(name).stat().st_mode
                # /dev/kmsg has no end: what it holds now is read, and nothing is waited for.
                flags = os.O_NONBLOCK if stat.S_ISCHR(mode) else 0
                raw = stack.enter_context(open(name, "rb", opener=lambda path, given: os.open(path, given | flags)))
            size = os.fstat(raw.fileno()).st_size if stat.S_ISREG(mode) else None
        except (OSError, ValueError, io.UnsupportedOperation) as error:
            raise _unreadable(name, error) from error
        yield Source(shown(name), _guarded(name, _text(name, raw)), size, raw.tell if size is not None else lambda: 0)


def shown(name: str) -> str:
    """A file's name for people: it may hold anything too."""
    text = "standard input" if name == STDIN else name
    return "".join(
        letter
        if letter.isprintable()
        else "".join(f"\\x{byte:02x}" for byte in letter.encode(errors="surrogateescape"))
        for letter in text
    )


def _text(name: str, raw: BinaryIO) -> io.BufferedIOBase:
    """The text behind a stream."""
    try:
        magic = raw.peek(6)[:6] if isinstance(raw, io.BufferedReader) else b""
    except OSError as error:
        raise _unreadable(name, error) from error
    if magic.startswith(_GZIP):
        return gzip.GzipFile(fileobj=raw)
    if magic.startswith(_XZ):
        return lzma.LZMAFile(raw)
    if magic.startswith(_BZIP2):
        return bz2.BZ2File(raw)
    if magic.startswith(_ZSTD):
        raise UnreadableError(f"{shown(name)} is compressed with zstd", "use: zstd -dc FILE | otel-oom parse -")
    return cast("io.BufferedIOBase", raw)


def _guarded(name: str, text: io.BufferedIOBase) -> Callable[[memoryview], int]:
    def guarded(buffer: memoryview) -> int:
        while True:
            try:
                return text.readinto1(buffer) or 0
            except (OSError, EOFError, lzma.LZMAError, zlib.error) as error:  # noqa: PERF203 one read is not another
                if isinstance(error, OSError) and error.errno == errno.EPIPE:
                    continue  # /dev/kmsg: records were overwritten; the next read goes on behind them
                raise _unreadable(name, error) from error

    return guarded


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
