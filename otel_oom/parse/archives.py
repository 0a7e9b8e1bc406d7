"""The members of zip and tar archives, read one after the other.

Rules:
- Nothing is written to a disk. The names of members are only shown.
- Bounded, because a few KiB can hold PiB: more than 1,000 members are an OSError.
"""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Iterator
from typing import BinaryIO, Final, cast

_MOST_MEMBERS: Final = 1_000


def zip_members(raw: io.BufferedIOBase) -> Iterator[tuple[str, io.BufferedIOBase]]:
    """Name and content of each file in a zip archive."""
    with zipfile.ZipFile(cast("BinaryIO", raw)) as archive:
        for count, member in enumerate(archive.infolist()):
            _check(count)
            if not member.is_dir():
                with archive.open(member) as content:
                    yield member.filename, cast("io.BufferedIOBase", content)


def tar_members(text: io.BufferedIOBase) -> Iterator[tuple[str, io.BufferedIOBase]]:
    """Name and content of each file in a tar archive, which may come through a pipe."""
    with tarfile.open(fileobj=text, mode="r|") as archive:
        for count, member in enumerate(archive):
            _check(count)
            if member.isfile() and (content := archive.extractfile(member)) is not None:
                yield member.name, cast("io.BufferedIOBase", content)


def _check(count: int) -> None:
    if count == _MOST_MEMBERS:
        raise OSError(f"it has more than {_MOST_MEMBERS:,} members: unpack it, and name its logs")
