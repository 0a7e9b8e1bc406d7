"""Puts a new file in the place of `spool.db`. A file that is replaced is kept under another name, never deleted.

Rules:
- What was read of the old file is durable in the new one before the first rename.
- The new file has the kept file's name and `.new`, such as `spool.db.damaged.0.new`. The order of the renames is: the
  old file, its write-ahead log, the new file. After a crash in between the names show what is left to do (`finish`).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

from otel_oom.spool import store_tables
from otel_oom.spool.file_trust import create, open_file
from otel_oom.spool.sqlite_connection import connect
from otel_oom.spool.store_tables import Content
from otel_oom.spool.write_ahead_log import MODES, PAGE_BYTES, WAL_MODE

_NEW: Final = ".new"
_CLOSING: Final = ".closing"


def create_file(path: Path, content: Content) -> None:
    """Create the file under its name, with this content. Raises: OSError, sqlite3.Error."""
    _with_log(_new_file(path, content)).rename(path)


def first_page(path: Path) -> bytes:
    """The first page of an empty file. path: of the spool's file. Raises: OSError, sqlite3.Error."""
    part = _new_file(path, Content(store_tables.FORMAT))
    with open_file(part, "rb") as file:
        page = file.read(PAGE_BYTES)
    part.unlink()
    return page


def set_aside(path: Path, content: Content, why: str) -> Path:
    """Create a file with this content, and rename the present one. Returns the name that the present one has then.

    Call `finish` when SQLite has closed it. SQLite leaves the write-ahead log of a renamed file as it is.

    Raises: OSError, sqlite3.Error.
    """
    number = 0
    while os.path.lexists(kept := path.with_name(f"{path.name}.{why}.{number}")):
        number += 1
    _with_log(_new_file(path, content)).rename(kept.with_name(kept.name + _NEW))
    return path.rename(kept)


@contextmanager
def under_another_name(path: Path) -> Iterator[None]:
    """Rename the file for as long as SQLite closes it: then SQLite does not merge its write-ahead log, and keeps it.

    A merge deletes what lies behind a damaged frame. Where the file cannot be renamed, SQLite merges. Raises: OSError.
    """
    aside = path.with_name(path.name + _CLOSING)
    try:
        path.rename(aside)
    except OSError:
        yield
        return
    try:
        yield
    finally:
        aside.rename(path)


def finish(path: Path) -> None:
    """Do what is left of a replacement. A new file whose old one is still in its place is deleted. Raises: OSError."""
    aside = path.with_name(path.name + _CLOSING)
    if os.path.lexists(aside) and not os.path.lexists(path):
        aside.rename(path)
    for new in path.parent.glob(f"{path.name}.*{_NEW}"):
        if os.path.lexists(path):
            new.unlink()
            continue
        kept = new.with_suffix("")
        for tail in ("-wal", "-shm"):
            part = path.with_name(path.name + tail)
            if part.exists():
                part.rename(kept.with_name(kept.name + tail))
        new.rename(path)


def _new_file(path: Path, content: Content) -> Path:
    """Write a complete file under a name of its own, and return that. It needs no write-ahead log to be read."""
    part = path.with_name(f"{path.name}.part")
    part.with_name(f"{part.name}-journal").unlink(missing_ok=True)
    create(part).close()
    with closing(connect(part)) as database:
        store_tables.create(database, content)
    return part


def _with_log(part: Path) -> Path:
    """Let the next connection open a write-ahead log that exists already, as `file_trust` needs it."""
    with open_file(part, "r+b") as file:
        file.seek(MODES.start)
        file.write(WAL_MODE)
    return part
