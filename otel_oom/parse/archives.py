"""The members of zip and tar archives, read one after the other.

Rules:
- Nothing is written to a disk. The names of members are only shown.
- Bounded, because a few KiB can hold PiB: 1,000 members, and 64 GiB of text in one archive. More is an OSError.
"""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Iterator
from typing import BinaryIO, Final, cast

_MOST_MEMBERS: Final = 1_000
_MOST_BYTES: Final = 64 << 30


def zip_members(raw: BinaryIO) -> Iterator[tuple[str, BinaryIO]]:
    """Name and content of each file in a zip archive."""
    with zipfile.ZipFile(raw) as archive:
        for count, member in enumerate(archive.infolist()):
            _check(count)
            if not member.is_dir():
                with archive.open(member) as content:
                    yield member.filename, cast("BinaryIO", content)


def tar_members(text: io.BufferedIOBase) -> Iterator[tuple[str, BinaryIO]]:
    """Name and content of each file in a tar archive, which may come through a pipe."""
    with tarfile.open(fileobj=text, mode="r|") as archive:
        for count, member in enumerate(archive):
            _check(count)
            if member.isfile() and (content := archive.extractfile(member)) is not None:
                yield member.name, cast("BinaryIO", content)


def _check(count: int) -> None:
    if count == _MOST_MEMBERS:
        raise OSError(f"it has more than {_MOST_MEMBERS:,} members: unpack it, and name its logs")


class Size:
    """What was read of an archive."""

    def __init__(self) -> None:
        self._left = _MOST_BYTES

    def counted(self, text: io.BufferedIOBase) -> io.BufferedIOBase:
        """The text of a member, whose size counts."""
        return cast("io.BufferedIOBase", _Counted(text, self))

    def count(self, size: int) -> None:
        """Count bytes. Raises OSError if the archive holds too many."""
        self._left -= size
        if self._left < 0:
            raise OSError(f"its members have more than {_MOST_BYTES >> 30} GiB: unpack it, and name its logs")


class _Counted:
    def __init__(self, text: io.BufferedIOBase, size: Size) -> None:
        self._text = text
        self._size = size

    def readinto1(self, buffer: memoryview) -> int:
        count = self._text.readinto1(buffer)
        self._size.count(count)
        return count
