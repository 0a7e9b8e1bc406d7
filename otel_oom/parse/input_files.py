"""Opens the inputs that a user names: text, plain or compressed, archives of it, standard input, /dev/kmsg.

Rules:
- The name of a file says nothing about its format: its first bytes do. Nothing of an archive is written to a disk.
- gzip, xz, bzip2, zip, tar and UTF-16 are read. For lz4, zstd and others the standard library has no reader, and a
  dependency is not worth it: the error names the command that unpacks them.
- Memory is bounded for every input, and an archive's size: 1,000 members, 64 GiB.
- Each failure is an `UnreadableError`: one line with its remedy. Text that was read before the failure counts.
- A read returns at most the size asked for, or what a pipe has now: no text is held back.
- A bar on standard error shows the progress in a large file. It is removed before other output is written.
"""

from __future__ import annotations

import bz2
import codecs
import contextlib
import errno
import gzip
import io
import logging
import lzma
import math
import os
import select
import shutil
import stat
import sys
import tarfile
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, Final, cast

from otel_oom.errors import OtelOomError
from otel_oom.parse import archives
from otel_oom.printable_text import printable_text

log = logging.getLogger(__name__)

STDIN: Final = "-"
LARGE: Final = 32 << 20  # bytes of a file from which on the bar is shown

_BAR_INTERVAL_S: Final = 0.1
_BLOCK: Final = 1 << 20  # bytes
_MOST_OF_ARCHIVE: Final = 64 << 30  # bytes
_PAUSE_S: Final = 0.3  # of a pipe
_READERS: Final[dict[bytes, Callable[[BinaryIO], io.BufferedIOBase]]] = {
    b"\x1f\x8b": lambda raw: gzip.GzipFile(fileobj=raw),
    b"\xfd7zXZ\x00": lzma.LZMAFile,
    b"BZh": bz2.BZ2File,
}
_UNPACK: Final = {
    b"\x28\xb5\x2f\xfd": ("is compressed with zstd", "use: zstd -dc FILE | otel-oom parse -"),
    b"\x04\x22\x4d\x18": ("is compressed with lz4", "use: lz4 -dc FILE | otel-oom parse -"),
    b"7z\xbc\xaf\x27\x1c": ("is a 7-Zip archive", "use: 7z x -so FILE | otel-oom parse -"),
    b"Rar!": ("is a RAR archive", "use: unrar p -inul FILE | otel-oom parse -"),
    b"LPKSHHRH": ("is a journal file", "use: journalctl --file=FILE -k | otel-oom parse -"),
}
_ZIP: Final = b"PK\x03\x04"
_TAR: Final = slice(257, 262)
_UTF16: Final = {codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
_BINARY: Final = bytes(byte for byte in range(32) if byte not in b"\0\a\b\t\n\v\f\r\x1b\x1e")
_DAMAGE: Final = (EOFError, lzma.LZMAError, zlib.error, gzip.BadGzipFile, zipfile.BadZipFile, tarfile.TarError)


class UnreadableError(OtelOomError):
    """An input of `parse` cannot be opened, or cannot be read to its end."""

    exit_code = 66  # EX_NOINPUT


class Input:
    """An open input.

    name: printable; raw: the file; size: of the file in bytes, None where it is unknown
    text: the file without its compression; most: bytes that may be read
    Raises UnreadableError if it cannot be text.
    """

    def __init__(
        self, name: str, raw: io.BufferedIOBase, size: int | None, text: io.BufferedIOBase, most: float = math.inf
    ) -> None:
        self.name = name
        self.left = most
        """Bytes that may still be read."""
        self._raw = raw
        self._text = text
        encoding = _encoding_of(name, _begin(text))
        self._decoder = codecs.getincrementaldecoder(encoding)("replace") if encoding else None
        self._is_pipe = size is None
        self._size = size or 0
        self._has_bar = self._size >= LARGE and sys.stderr.isatty()
        self._is_drawn = False
        self._drawn_s = time.monotonic()

    def read(self) -> bytes:
        """The next bytes of the text, none at its end. Raises UnreadableError."""
        while True:
            try:
                data = self._text.read1(_BLOCK)
            except (OSError, *_DAMAGE) as error:
                if isinstance(error, OSError) and error.errno == errno.EPIPE:
                    continue  # /dev/kmsg: records were overwritten; the next read returns the oldest one left
                raise _unreadable(self.name, error) from error
            self.left -= len(data)
            if self.left < 0:
                what = f"{self.name} cannot be read: its archive has more than {_MOST_OF_ARCHIVE >> 30} GiB"
                raise UnreadableError(what, "unpack it, and name its logs")
            if self._has_bar and time.monotonic() - self._drawn_s >= _BAR_INTERVAL_S:
                self._draw_bar()
            text = self._decoder.decode(data).encode("utf-8", "surrogatepass") if self._decoder else data
            if text or not data:
                return text

    def is_waiting(self) -> bool:
        """Whether the next read would wait for a writer."""
        try:
            return self._is_pipe and not select.select([self._raw], [], [], _PAUSE_S)[0]
        except (OSError, ValueError):
            return False

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


def opened(given: str) -> Iterator[Input]:
    """The inputs of a name, one after the other: the members of an archive, else one. `-` is standard input.

    Raises UnreadableError.
    """
    name = shown(given)
    with contextlib.ExitStack() as stack:
        try:
            if given == STDIN:
                raw = cast("io.BufferedIOBase", sys.stdin.buffer)
                mode = os.fstat(sys.stdin.fileno()).st_mode
            else:
                mode = Path(given).stat().st_mode
                # /dev/kmsg has no end: its current records are read, without waiting for new ones.
                # A terminal must not control this process: its hang-up would end it.
                flags = os.O_NONBLOCK | os.O_NOCTTY if stat.S_ISCHR(mode) else 0
                raw = stack.enter_context(open(given, "rb", opener=lambda path, usual: os.open(path, usual | flags)))
            size = os.fstat(raw.fileno()).st_size if stat.S_ISREG(mode) else None
            text = _decompressed(name, raw)
            begin = _begin(text)
            if begin[_TAR] == b"ustar":
                yield from _of_archive(name, archives.tar_members(text))
            elif not begin.startswith(_ZIP):
                yield Input(name, raw, size, text)
            elif size is None:
                raise UnreadableError(f"{name} is a zip archive in a pipe", "name the file, or use: unzip -p FILE")
            else:
                yield from _of_archive(name, archives.zip_members(raw))
        except (OSError, ValueError, *_DAMAGE) as error:
            raise _unreadable(name, error) from error


def _of_archive(name: str, members: Iterator[tuple[str, io.BufferedIOBase]]) -> Iterator[Input]:
    """The members of an archive that are text."""
    unread, left = 0, float(_MOST_OF_ARCHIVE)
    for member, raw in members:
        label = f"{name}/{printable_text(member)}"
        try:
            source = Input(label, raw, 0, _decompressed(label, raw), left)
        except (UnreadableError, OSError, *_DAMAGE):
            unread += 1
            continue
        yield source
        left = source.left
    if unread:
        log.warning("%s: members that are no text, not read: %d", name, unread)


def shown(name: str) -> str:
    r"""A file's name for people: bytes that are not printable are shown as `\xNN`."""
    return "standard input" if name == STDIN else printable_text(name)


def _begin(text: io.BufferedIOBase) -> bytes:
    peek = getattr(text, "peek", None)  # each has it, but its type does not say so
    return peek(1)[:8192] if peek else b""


def _decompressed(name: str, raw: io.BufferedIOBase) -> io.BufferedIOBase:
    """What a file holds, without its compression."""
    begin = _begin(raw)
    for magic, reader in _READERS.items():
        if begin.startswith(magic):
            return reader(cast("BinaryIO", raw))
    for magic, (what, remedy) in _UNPACK.items():
        if begin.startswith(magic):
            raise UnreadableError(f"{name} {what}", remedy)
    return raw


def _encoding_of(name: str, begin: bytes) -> str | None:
    """The encoding of a text that has no ASCII in it, by its first bytes. Raises UnreadableError if it is no text."""
    for end, odd in (("le", 1), ("be", 0)):
        if begin[odd::2].count(0) > 0.45 * len(begin) > 20 * begin[1 - odd :: 2].count(0):
            return _UTF16.get(begin[:2], f"utf-16-{end}")
    is_binary = len(begin.translate(None, _BINARY)) < 0.97 * len(begin) or begin.count(0) > len(begin) // 2
    if begin[:2] not in _UTF16 and (is_binary or begin.startswith(_ZIP)):
        raise UnreadableError(f"{name} is no text", "name a log; unpack an archive first")
    return _UTF16.get(begin[:2])


def _unreadable(what: str, error: Exception) -> UnreadableError:
    if isinstance(error, FileNotFoundError):
        return UnreadableError(f"there is no {what}", "check its name")
    if isinstance(error, PermissionError):
        return UnreadableError(f"{what} may not be read", "run as root, or as a user of its group (adm)")
    if isinstance(error, IsADirectoryError):
        return UnreadableError(f"{what} is a directory", "name the files in it")
    if isinstance(error, _DAMAGE):
        return UnreadableError(f"{what} is damaged: {error}", "what was read before the damage is shown")
    return UnreadableError(f"{what} cannot be read: {getattr(error, 'strerror', None) or error}", "check the file")
