"""Opens SQLite files with bounded memory, and tells errors of the disk from errors of the content."""

from __future__ import annotations

import sqlite3
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final

from otel_oom.spool.event_queue import MAX_BYTES

# SQLite's messages about the disk and about other processes (sqlite3ErrStr in its src/main.c). The class of the error
# is not enough: OperationalError is raised for a full disk, and also for a table that is missing.
_OF_THE_DISK: Final = (
    "access permission denied",
    "attempt to write a readonly database",
    "database is locked",
    "database or disk is full",
    "database table is locked",
    "disk I/O error",
    "locking protocol",
    "unable to open database file",
)


def connect(path: Path) -> sqlite3.Connection:
    """Open the file with bounded memory. Raises: sqlite3.Error, the disk fails."""
    database = sqlite3.connect(path, isolation_level=None, timeout=1.0)
    if sys.version_info >= (3, 11):
        database.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MAX_BYTES)
    with suppress(sqlite3.DatabaseError, UnicodeDecodeError):  # damage, which the reading finds as well
        database.execute("PRAGMA cache_size = -256")  # KiB: a second read costs less than memory
    return database


def is_of_the_disk(error: Exception) -> bool:
    """Whether an error of SQLite is about the disk or another process, not about the content of the file."""
    return str(error).startswith(_OF_THE_DISK)
