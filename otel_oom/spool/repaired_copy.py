"""Copies a damaged file so that SQLite can read more of it. Each row has a checksum, so no damaged row is used.

- The pages of the write-ahead log are written into the copy, also those behind a damaged frame. In most cases a later
  commit wrote the damaged page again.
- The header of the file is replaced, with the real number of pages: SQLite reads nothing of a file that is too short.
- Only the first 64 MiB are copied. A damaged size must not fill the disk: a sparse file can have 16 TiB.
- The first page holds the names of the tables. It is the same in all files of one format that this version made.

Format: https://www.sqlite.org/fileformat2.html
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from otel_oom.spool import write_ahead_log
from otel_oom.spool.file_trust import open_file
from otel_oom.spool.write_ahead_log import PAGE_BYTES

_HEADER_BYTES: Final = 100
_PAGE_COUNT: Final = slice(28, 32)
_MAX_BYTES: Final = 64 << 20  # of queue and quarantine, as in `machine.process_limits`
_COPIED_BYTES: Final = 1 << 20
_LEAF: Final = b"\x0d"  # a leaf page of a table


def repaired_copies(path: Path, copy: Path, first_page: bytes) -> Iterator[Path]:
    """Write one copy after the other into the empty file `copy`. The caller may stop when one is good.

    The first copy has a new header, the second one a new first page. first_page: of an empty file of this format.

    Raises: OSError.
    """
    with open_file(path, "rb") as source, open_file(copy, "r+b") as target:
        for _ in range(_MAX_BYTES // _COPIED_BYTES):
            target.write(source.read(_COPIED_BYTES))
    _merge_log(path, copy)
    with open_file(copy, "r+b") as file:
        theirs = file.read(PAGE_BYTES).ljust(PAGE_BYTES, b"\0")
        file.seek(0, os.SEEK_END)
        pages = -(-file.tell() // PAGE_BYTES)
        file.truncate(pages * PAGE_BYTES)
    header = bytearray(first_page[:_HEADER_BYTES])
    header[_PAGE_COUNT] = pages.to_bytes(4, "big")
    for rest in (theirs, first_page):
        with open_file(copy, "r+b") as file:
            file.write(header + rest[_HEADER_BYTES:])
        yield copy


def leaf_pages(copy: Path) -> list[int]:
    """Numbers of the pages that hold rows, also free ones. The first page holds the names of the tables."""
    pages = []
    with open_file(copy, "rb") as file:
        for page in range(2, copy.stat().st_size // PAGE_BYTES + 1):
            file.seek((page - 1) * PAGE_BYTES)
            if file.read(1) == _LEAF:
                pages.append(page)
    return pages


def _merge_log(path: Path, copy: Path) -> None:
    """Write all pages of the write-ahead log, up to its last commit, into the copy."""
    frames = list(write_ahead_log.frames(path))
    last = max((frame.number for frame in frames if frame.is_commit), default=0)
    most_pages = copy.stat().st_size // PAGE_BYTES + last
    if not last:
        return
    with open_file(path.with_name(f"{path.name}-wal"), "rb") as log, open_file(copy, "r+b") as file:
        for frame in frames:
            if frame.number <= last and 0 < frame.page <= most_pages:
                log.seek(frame.offset)
                page = log.read(PAGE_BYTES)
                file.seek((frame.page - 1) * PAGE_BYTES)
                file.write(page)
