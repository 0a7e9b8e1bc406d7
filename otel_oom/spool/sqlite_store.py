"""The spool on disk: undelivered events, refused events and the checkpoint, in one SQLite file.

Rules:
- Only the writer's thread uses it. Any call may block for as long as the disk hangs, mkdir and lock included.
- One commit contains new events, removals of delivered ones and the checkpoint. WAL with synchronous=FULL: a commit
  survives a crash of the machine.
- The format is versioned. A file of a newer version, or a damaged one, is renamed and never deleted.
- The directory is made 0700 and the files 0600: a command line may hold secrets.

Errors: StoreHeldError (another live agent uses it), OSError and sqlite3.Error (the disk).
"""

from __future__ import annotations

import fcntl
import logging
import os
import sqlite3
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from otel_oom.spool.checkpoint import Checkpoint
from otel_oom.spool.spool import Commit
from otel_oom.spool.stored_format import dump_checkpoint, dump_event, load_checkpoint, load_event
from otel_oom.telemetry.event import Event

log = logging.getLogger(__name__)

FORMAT: Final = 1
"""Version of what is stored: PRAGMA user_version. A file of a newer version is not read."""

FILE: Final = "spool.db"
LOCK: Final = "lock"
_MAX_REFUSED: Final = 1_000  # a collector that refuses everything must not fill the disk
_NAMES: Final = {"events", "refused", "checkpoint"}
_TABLES: Final = """
CREATE TABLE events (number INTEGER PRIMARY KEY, event TEXT NOT NULL);
CREATE TABLE refused (
    number INTEGER PRIMARY KEY AUTOINCREMENT, uid TEXT NOT NULL, why TEXT NOT NULL, event TEXT NOT NULL
);
CREATE TABLE checkpoint (one INTEGER PRIMARY KEY CHECK (one = 1), state TEXT NOT NULL);
"""


class StoreHeldError(Exception):
    """Another live agent holds the spool. pid: as it is written in the lock file."""

    def __init__(self, pid: str) -> None:
        super().__init__(f"process {pid} holds it")
        self.pid = pid


class _UnreadableError(Exception):
    """The file is there and cannot be read. `str()`: why, as a part of its new name."""


@dataclass(frozen=True, slots=True)
class Stored:
    """What the store held. events: undelivered, by number, oldest first."""

    events: tuple[tuple[int, Event], ...] = ()
    checkpoint: Checkpoint | None = None


class SqliteStore:
    """The file `spool.db` and a `lock` beside it. directory: the agent's own; made if it does not exist."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._path = directory / FILE
        self._lock = -1
        self._file: os.stat_result | None = None
        self._database: sqlite3.Connection | None = None
        self._known: set[tuple[int, int]] = set()
        """Lock files (device, inode) of directories whose content was returned by `open` before."""

    def open(self) -> Stored:
        """Lock the directory and read the file. A file that cannot be read is renamed, and replaced by an empty one.

        Opened again after a failure, it returns only what is new: nothing, unless another directory was mounted.

        Raises: StoreHeldError, OSError, sqlite3.Error.
        """
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._take_lock()
        try:
            stored = self._read()
        except _UnreadableError as error:
            new_path = self._keep_under_another_name(str(error))
            log.warning("the spool could not be read, and is kept as %s; an empty one takes its place", new_path)
            stored = self._read()
        lock = os.fstat(self._lock)
        is_known = (lock.st_dev, lock.st_ino) in self._known
        self._known.add((lock.st_dev, lock.st_ino))
        return Stored() if is_known else stored

    def commit(self, commit: Commit) -> None:
        """Make a commit durable. Raises: OSError, sqlite3.Error; then nothing of it is stored."""
        database = self._database
        if database is None:
            raise sqlite3.OperationalError("the spool is not open")
        if not self._is_in_place():
            raise FileNotFoundError("the spool was removed, or something else is in its place")
        with database:
            database.execute("BEGIN IMMEDIATE")
            if commit.replaces_all:
                database.execute("DELETE FROM events")
            database.executemany("DELETE FROM events WHERE number = ?", ((number,) for number in commit.removed))
            database.executemany(
                "INSERT OR REPLACE INTO events VALUES (?, ?)",
                ((number, dump_event(event)) for number, event in commit.added),
            )
            if commit.refused:
                database.executemany(
                    "INSERT INTO refused (uid, why, event) VALUES (?, ?, ?)",
                    ((event.uid, why, dump_event(event)) for event, why in commit.refused),
                )
                database.execute(
                    "DELETE FROM refused WHERE number <= (SELECT max(number) FROM refused) - ?", (_MAX_REFUSED,)
                )
            database.execute("INSERT OR REPLACE INTO checkpoint VALUES (1, ?)", (dump_checkpoint(commit.checkpoint),))

    def close(self, *, keep_lock: bool = False) -> None:
        """Close the file, and release the lock unless keep_lock."""
        if self._database is not None:
            database, self._database = self._database, None
            with suppress(sqlite3.Error):  # SQLite could not merge the WAL; the next `open` merges it
                database.close()
        if self._lock >= 0 and not keep_lock:
            os.close(self._lock)
            self._lock = -1

    def _is_in_place(self) -> bool:
        """Whether the open file is the one in the directory: SQLite in WAL mode would write into a removed file."""
        with suppress(FileNotFoundError):
            return self._is_locked() and self._file is not None and os.path.samestat(self._file, self._path.stat())
        return False

    def _is_locked(self) -> bool:
        return self._lock >= 0 and os.path.samestat(os.fstat(self._lock), (self._directory / LOCK).stat())

    def _take_lock(self) -> None:
        path = self._directory / LOCK
        if self._lock >= 0:
            with suppress(FileNotFoundError):
                if self._is_locked():
                    return
            self.close()  # another directory is here now: a disk was mounted or unmounted
        lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(lock, 0)
            os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
        except BlockingIOError as error:
            pid = os.pread(lock, 32, 0).decode("ascii", "replace").strip()
            os.close(lock)
            if _has_ended(pid):
                raise OSError(f"process {pid} has ended, but holds it until its disk answers") from error
            raise StoreHeldError(pid) from error
        except OSError:
            os.close(lock)
            raise
        self._lock = lock

    def _read(self) -> Stored:
        """Connect, create the tables if there are none, and read everything."""
        try:
            os.close(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))  # SQLite would make it wider
            self._file = self._path.stat()
            self._database = sqlite3.connect(self._path, isolation_level=None, timeout=1.0)
            return _read(self._database)
        except (sqlite3.OperationalError, OSError, _UnreadableError):  # the disk, or a file of a newer version
            self.close(keep_lock=True)
            raise
        except (sqlite3.DatabaseError, ValueError, LookupError, TypeError, AttributeError) as error:
            self.close(keep_lock=True)
            raise _UnreadableError("damaged") from error

    def _keep_under_another_name(self, what: str) -> Path:
        number = 0
        while (target := self._path.with_name(f"{FILE}.{what}.{number}")).exists():
            number += 1
        for tail in ("-wal", "-shm", ""):  # the file itself last: after a crash in between it is still found
            part = self._path.with_name(FILE + tail)
            if part.exists():
                part.rename(target.with_name(target.name + tail))
        return target


def _has_ended(pid: str) -> bool:
    """Whether a process has ended, although a thread of it that waits for a disk still exists and keeps the lock."""
    try:
        return Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(") ")[2][:1] in {"Z", "X"}
    except OSError:
        return False


def _read(database: sqlite3.Connection) -> Stored:
    (version,) = database.execute("PRAGMA user_version").fetchone()
    if version > FORMAT:
        raise _UnreadableError(f"version-{version}")
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = FULL")
    database.execute("PRAGMA journal_size_limit = 1048576")  # given back after an outage
    database.execute("PRAGMA cache_size = -256")  # KiB: a second read costs less than memory
    if version == 0:
        database.executescript(f"BEGIN; {_TABLES} PRAGMA user_version = {FORMAT}; COMMIT;")
    (verdict,) = database.execute("PRAGMA quick_check(1)").fetchone()
    tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if verdict != "ok" or not tables >= _NAMES:
        raise _UnreadableError("damaged")
    rows = database.execute("SELECT number, event FROM events ORDER BY number").fetchall()
    state = database.execute("SELECT state FROM checkpoint").fetchone()
    events = tuple((number, load_event(text)) for number, text in rows)
    return Stored(events, load_checkpoint(state[0]) if state else None)
