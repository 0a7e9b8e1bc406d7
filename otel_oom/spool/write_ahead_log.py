"""The frames of SQLite's write-ahead log: which end a commit, which SQLite accepts, and what they contain.

SQLite reads a log up to the first frame whose checksum is wrong, and says nothing of what follows. That is right for a
commit that a crash cut off. If a frame of an earlier commit is damaged, committed data is lost.

Format: https://www.sqlite.org/fileformat2.html#walformat, all numbers big-endian, 32 bits.
Header: magic, version, page size, sequence, two salts, two checksums. Then frames: page number, size of the database in
pages (0: the commit goes on), the two salts, two checksums, the page. Each reuse of the file changes the salts, so that
frames of earlier uses can be told apart.

The index beside it (`-shm`) names the last frame of the last commit. A process that was killed leaves it behind.
Format: https://www.sqlite.org/walformat.html#walidxfmt, in the byte order of the machine.
SQLite maps it into memory, and allocates one byte of each 4 KiB. On a disk with smaller blocks the rest is a hole. If
the disk is full, a write to a hole ends the process with SIGBUS. So there must be room before SQLite opens the log
(`check_room`), and all of it is allocated afterwards (`allocate_index`).
"""

from __future__ import annotations

import errno
import os
import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

from otel_oom.spool.file_trust import create, open_file

_HEADER: Final = struct.Struct(">8I")
_FRAME: Final = struct.Struct(">6I")
_HEAD_BYTES: Final = _HEADER.size + _FRAME.size
_INDEX: Final = struct.Struct("=16x I 12x 8s 2I")
_MAGIC: Final = {0x377F0682: "<", 0x377F0683: ">"}  # with the byte order of the checksums
_MASK: Final = 0xFFFFFFFF
_MAX_FRAMES: Final = 1 << 16  # 256 MiB: a damaged size must not cost hours
_INDEX_BYTES: Final = 64 << 10  # of 8,158 frames: 32 MiB of log, more than the largest commit
MODES: Final = slice(18, 20)
ROLLBACK_MODE: Final = b"\1\1"
WAL_MODE: Final = b"\2\2"
"""In the header of the database: whether it has a write-ahead log."""
PAGE_BYTES: Final = 4096
"""Size of a page of the database: SQLite's default since 3.12.0."""


class Frame(NamedTuple):
    """A frame of the log.

    number: its place in the log, from 1 on; page: number of the page of the database that it holds
    is_commit: it ends a commit; offset: of the page's content in the log, bytes
    """

    number: int
    page: int
    is_commit: bool
    offset: int


def frames(database: Path) -> Iterator[Frame]:
    """All frames of the current use of the log, also those behind a damaged one; of a longer log its first 256 MiB.

    A log that is missing has none. Raises: OSError.
    """
    log = _beside(database, "-wal")
    if not log.exists():
        return
    salts = _salts(database)
    step = _FRAME.size + PAGE_BYTES
    with open_file(log, "rb") as file:
        count = (os.fstat(file.fileno()).st_size - _HEADER.size) // step
        for number in range(1, min(count, _MAX_FRAMES) + 1):
            offset = _HEADER.size + (number - 1) * step
            file.seek(offset)
            head = file.read(_FRAME.size)
            page, pages = _FRAME.unpack(head)[:2]
            if head[8:16] == salts:
                yield Frame(number, page, bool(pages), offset + _FRAME.size)


def commits(database: Path) -> list[int]:
    """Numbers of the frames that end a commit, before SQLite opens the file: at least one if the header is damaged.

    Raises: OSError.
    """
    found = [frame.number for frame in frames(database) if frame.is_commit]
    last, salts = _index(database)
    if last and last not in found and _salts(database) in {b"", salts}:
        found.append(last)
    head = _head(_beside(database, "-wal"))
    return found or ([1] if head and not _is_header(head) else [])


def open_index(database: Path) -> BinaryIO | None:
    """The index file, None if it is missing. Raises: OSError.

    Close it after SQLite's connection: closing any descriptor of a file takes away all locks that this process has on
    it (POSIX, fcntl(2)). Another process would then cut off the index, and a write to it ends this one with SIGBUS.
    """
    path = _beside(database, "-shm")
    return open_file(path, "r+b") if path.exists() else None


def check_room(database: Path) -> None:
    """Check that the disk has room for the index. Raises: OSError (ENOSPC)."""
    index = _beside(database, "-shm")
    if index.exists() and index.stat().st_blocks * 512 >= _INDEX_BYTES:  # SQLite gives them back before it takes others
        return
    room = _beside(database, "-room")
    try:
        with create(room) as file:
            if os.write(file.fileno(), bytes(_INDEX_BYTES)) < _INDEX_BYTES:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    finally:
        room.unlink(missing_ok=True)


def allocate_index(index: BinaryIO) -> None:
    """Allocate the blocks of the index, as far as the file system can. Raises: OSError (ENOSPC)."""
    try:
        os.posix_fallocate(index.fileno(), 0, _INDEX_BYTES)
    except OSError as error:
        if error.errno not in {errno.EOPNOTSUPP, errno.EINVAL}:  # the second: musl on some file systems
            raise


def accepted_frames(index: BinaryIO | None) -> int:
    """How many frames SQLite accepts, after it has read from the file. Raises: OSError."""
    return _parse_index(b"" if index is None else index.read(_HEAD_BYTES))[0]


def _beside(database: Path, tail: str) -> Path:
    return database.with_name(database.name + tail)


def _head(path: Path) -> bytes:
    """The first bytes of a file, none if it is missing."""
    if not path.exists():
        return b""
    with open_file(path, "rb") as file:
        return file.read(_HEAD_BYTES)


def _is_header(head: bytes) -> bool:
    if len(head) < _HEADER.size:
        return False
    magic, *_, first, second = _HEADER.unpack_from(head)
    return magic in _MAGIC and _checksum(head[:24], _MAGIC[magic]) == (first, second)


def _salts(database: Path) -> bytes:
    """The salts of this use of the log: by its header, else by the index, else by the first frame."""
    head = _head(_beside(database, "-wal"))
    if _is_header(head):
        return head[16:24]
    return _index(database)[1] or head[_HEADER.size + 8 : _HEADER.size + 16]


def _index(database: Path) -> tuple[int, bytes]:
    """The last frame of the last commit, and the salts of its log. 0: the index is missing, or damaged."""
    return _parse_index(_head(_beside(database, "-shm")))


def _parse_index(head: bytes) -> tuple[int, bytes]:
    if len(head) < _INDEX.size:
        return 0, b""
    last, salts, *sums = _INDEX.unpack_from(head)
    is_whole = _checksum(head[:40], "<" if sys.byteorder == "little" else ">") == tuple(sums)
    return (last, salts) if is_whole else (0, b"")


def _checksum(data: bytes, order: str) -> tuple[int, int]:
    first = second = 0
    for even, odd in struct.iter_unpack(f"{order}II", data):
        first = (first + even + second) & _MASK
        second = (second + odd + first) & _MASK
    return first, second
