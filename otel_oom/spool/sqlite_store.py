"""The spool on disk: undelivered events, refused events and the checkpoint, in one SQLite file.

Rules:
- Only the writer's thread uses it. Any call may block for as long as the disk hangs, mkdir and lock included.
- One commit contains new events, removals of delivered ones and the checkpoint. WAL with synchronous=FULL: a commit
  survives a crash of the machine.
- A file that is damaged, or of a newer version, is renamed and never deleted. What can be read of a damaged one is
  durable in the file that takes its place before the damaged one is renamed.
- The directory is made 0700 and the files 0600: a command line may hold secrets. `file_trust` decides which directories
  and files are used at all.

Errors: StoreHeldError (another live agent uses it), OSError and sqlite3.Error (the disk, or a file of another user).
"""

from __future__ import annotations

import logging
import os
import sqlite3
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, Final

from otel_oom.spool import file_trust, replacement, store_tables, write_ahead_log
from otel_oom.spool.checkpoint import NOT_KNOWN, Checkpoint
from otel_oom.spool.damaged_file import rescue
from otel_oom.spool.directory_lock import DirectoryLock
from otel_oom.spool.spool import Commit
from otel_oom.spool.sqlite_connection import connect
from otel_oom.spool.store_reading import read_content
from otel_oom.spool.store_tables import FORMAT, Content
from otel_oom.spool.write_ahead_log import MODES, ROLLBACK_MODE, WAL_MODE
from otel_oom.telemetry.event import Event

log = logging.getLogger(__name__)

FILE: Final = "spool.db"
_SMALLEST_BYTES: Final = 512  # of SQLite's smallest page
_NEWER: Final = (
    "the spool was written by a newer version (format %d, this one reads up to %d), and is kept as %s; an empty one "
    "takes its place; to deliver its events, install the newer version and rename it back"
)


@dataclass(frozen=True, slots=True)
class Stored:
    """What the store held.

    events: undelivered, by number, oldest first
    damage: what was wrong with the file and what became of it, for a log line; empty: nothing was wrong
    lost: number of events that are known to be lost by the damage
    """

    events: tuple[tuple[int, Event], ...] = ()
    checkpoint: Checkpoint | None = None
    damage: str = ""
    lost: int = 0


class SqliteStore:
    """The file `spool.db` and a `lock` beside it. directory: the agent's own; made if it does not exist."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._path = directory / FILE
        self._log_paths = (directory / f"{FILE}-wal", directory / f"{FILE}-shm")
        self._lock = DirectoryLock(directory)
        self._files: dict[Path, os.stat_result] = {}
        """The database, its write-ahead log and the log's index, as they were before SQLite opened them."""
        self._database: sqlite3.Connection | None = None
        self._index: BinaryIO | None = None
        """Of the write-ahead log: open as long as the database."""
        self._last_commit = 0
        self._event_count = 0
        """How many events the last commit left."""
        self._known: set[tuple[int, int]] = set()
        """Lock files (device, inode) of directories whose content was returned by `open` before."""

    def open(self) -> Stored:
        """Lock the directory and read the file. A file that cannot be used is renamed, and another takes its place.

        Opened again after a failure, it returns only what is new: nothing, unless another directory was mounted.

        Raises: StoreHeldError, OSError, sqlite3.Error.
        """
        file_trust.check_links(self._directory)
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock.take()
        directory = self._lock.key
        is_known = directory in self._known
        try:
            if not is_known and (warning := file_trust.warning(self._directory)):
                log.warning(warning)
            file_trust.check_files(self._directory, FILE)
            stored = self._open(is_known=is_known)
        except BaseException:
            if self._database is not None:  # what could not be read yet is read by the next `open`
                with replacement.under_another_name(self._path):
                    self.close(keep_lock=True)
            raise
        self._known.add(directory)
        return Stored(damage=stored.damage) if is_known else stored

    def commit(self, commit: Commit) -> None:
        """Make a commit durable. Raises: OSError, sqlite3.Error; then nothing of it is stored."""
        if self._database is None:
            raise sqlite3.OperationalError("the spool is not open")
        if not self._is_in_place():
            raise FileNotFoundError("the spool was removed, or something else is in its place")
        self._event_count = store_tables.write_commit(self._database, commit, self._last_commit + 1, self._event_count)
        self._last_commit += 1

    def close(self, *, keep_lock: bool = False) -> None:
        """Close the file, and release the lock unless keep_lock."""
        if self._database is not None:
            database, self._database = self._database, None
            with suppress(sqlite3.Error):  # SQLite could not merge the WAL; the next `open` merges it
                database.close()
        if self._index is not None:
            self._index.close()
            self._index = None
        if not keep_lock:
            self._lock.release()

    def _is_in_place(self) -> bool:
        """Whether the open files are those in the directory: SQLite in WAL mode would write into removed ones."""
        with suppress(FileNotFoundError):
            return self._lock.is_in_place() and all(
                os.path.samestat(status, path.lstat()) for path, status in self._files.items()
            )
        return False

    def _open(self, *, is_known: bool) -> Stored:
        """Open or create the file. is_known: its content was returned before, and is in memory."""
        replacement.finish(self._path)
        if not any(self._path.with_name(FILE + tail).exists() for tail in ("", "-wal")):
            replacement.create_file(self._path, Content(FORMAT))
        content, cut_off = self._read()
        damage, lost = "", None
        if content.version > FORMAT:
            kept_path = self._replace(Content(FORMAT), f"version-{content.version}")
            log.warning(_NEWER, content.version, FORMAT, kept_path)
            content, _ = self._read()
        elif content.damage or cut_off:
            content = rescue(self._path, content, cut_off, replacement.first_page(self._path))
            kept_path = self._replace(content, "damaged")
            lost = content.lost
            damage = _describe_damage(content, cut_off, kept_path)
            damage += "; its events are in memory" if is_known else f"; {_describe_rescue(content)}"
            content, _ = self._read()
        database = self._configured()
        if content.version < FORMAT:
            content = store_tables.upgrade(database, content)
        self._last_commit, self._event_count = content.commit, len(content.events)
        return Stored(content.events, content.checkpoint, damage, lost or 0)

    def _read(self) -> tuple[Content, int]:
        """Connect to the file and read it. Returns its content, and how many commits SQLite does not accept."""
        if not self._path.exists():
            file_trust.create(self._path).close()  # SQLite would make it wider
        file = file_trust.checked(self._path)
        self._files = {self._path: file}
        commits = write_ahead_log.commits(self._path)
        if file.st_size < _SMALLEST_BYTES:  # SQLite takes it for a new file, and would delete its log
            return Content(FORMAT, damage=("the file is empty",), lost=None), len(commits)
        write_ahead_log.check_room(self._path)
        # Before SQLite connects: closing the file later would take away SQLite's locks, see `open_index`.
        with file_trust.open_file(self._path, "rb") as header:
            modes = header.read(MODES.stop)[MODES]
        if modes == WAL_MODE:
            self._files |= {path: _made(path) for path in self._log_paths}
        self._database = connect(self._path)
        content = read_content(self._database)
        for path, status in self._files.items():
            if path == self._path or not content.damage:  # else SQLite may have given up before it opened the log
                file_trust.check_is_open(path, status)
        if modes not in {WAL_MODE, ROLLBACK_MODE}:  # SQLite takes the file for read-only, and says nothing else
            content = replace(content, damage=(*content.damage, "its header names unknown versions of SQLite's format"))
        self._index = write_ahead_log.open_index(self._path)
        accepted = write_ahead_log.accepted_frames(self._index)
        return content, sum(frame > accepted for frame in commits)

    def _configured(self) -> sqlite3.Connection:
        """The connection that `_read` opened, ready for commits."""
        database = self._database
        assert database is not None
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = FULL")
        database.execute("BEGIN IMMEDIATE").execute("COMMIT")  # a file of another maker has a log only now
        self._files |= {path: file_trust.checked(path) for path in self._log_paths}
        self._index = self._index or write_ahead_log.open_index(self._path)
        if self._index is not None:
            write_ahead_log.allocate_index(self._index)
        database.execute("PRAGMA journal_size_limit = 1048576")  # given back after an outage
        return database

    def _replace(self, content: Content, why: str) -> Path:
        """Rename the open file, and put one with this content in its place. Returns the path of the renamed one."""
        kept_path = replacement.set_aside(self._path, content, why)
        self.close(keep_lock=True)
        replacement.finish(self._path)
        return kept_path


def _made(path: Path) -> os.stat_result:
    """Create the file if it is missing. Returns its checked status."""
    if not os.path.lexists(path):
        file_trust.create(path).close()
    return file_trust.checked(path)


def _describe_damage(content: Content, cut_off: int, kept_path: Path) -> str:
    what = [*content.damage[:1]]
    if cut_off:
        what.append(f"SQLite does not accept the last {cut_off} or more commit(s) of its write-ahead log")
    return f"the spool is damaged ({', '.join(what)}), and is kept as {kept_path}"


def _describe_rescue(content: Content) -> str:
    if content.event_count is not None:
        lost = f"{content.lost} are lost"
    else:
        lost = f"{content.lost} or more are lost" if content.lost else "it is not known how many are lost"
    is_reset = content.checkpoint is None or content.checkpoint.totals == NOT_KNOWN
    totals = "; totals begin again at 0" if is_reset else ""
    return f"{len(content.events)} undelivered event(s) of it are saved, {lost}{totals}"
