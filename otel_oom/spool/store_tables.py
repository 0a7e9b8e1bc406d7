"""The tables of `spool.db`: created, and written in one commit.

Rules:
- Each event and each checkpoint has a checksum.
- Commits are numbered. Even ones write the checkpoint to `checkpoint_even`, odd ones to `checkpoint_odd`: two pages of
  the file. If one is damaged, the other is used, and the kernel log is read again from there.
- A checkpoint says how many events its commit left in the table, so a missing event is noticed.

Format 2. Format 1 had no checksums, and one table `checkpoint`; it is read, and written again as format 2.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from otel_oom.spool.checkpoint import Checkpoint
from otel_oom.spool.spool import Commit
from otel_oom.spool.stored_format import checksum, dump_checkpoint, dump_event
from otel_oom.telemetry.event import Event

FORMAT: Final = 2
"""Version of what is stored: PRAGMA user_version. A file of a newer version is not read."""

APPLICATION_ID: Final = 0x4F4F4D00
"""PRAGMA application_id is this (`OOM`) plus the version: a second copy of the version, because one may be damaged."""

CHECKPOINTS: Final = ("checkpoint_even", "checkpoint_odd")
_MAX_REFUSED: Final = 1_000  # a collector that refuses everything must not fill the disk
_TABLES: Final = (
    "CREATE TABLE events (number INTEGER PRIMARY KEY, event TEXT NOT NULL, checksum INTEGER NOT NULL)",
    *(
        f"CREATE TABLE {name} (one INTEGER PRIMARY KEY CHECK (one = 1), number INTEGER NOT NULL, "
        "events INTEGER NOT NULL, state TEXT NOT NULL, checksum INTEGER NOT NULL)"
        for name in CHECKPOINTS
    ),
    f"PRAGMA user_version = {FORMAT}",
    f"PRAGMA application_id = {APPLICATION_ID + FORMAT}",
)
_REFUSED_COLUMNS: Final = (
    "number INTEGER PRIMARY KEY AUTOINCREMENT, uid TEXT NOT NULL, why TEXT NOT NULL, event TEXT NOT NULL"
)
_REFUSED: Final = f"CREATE TABLE refused ({_REFUSED_COLUMNS})"
OWN_TABLES: Final = frozenset(
    (statement.split()[2].partition("(")[0].encode(), statement.encode())
    for statement in (
        *_TABLES[:3],
        _REFUSED,
        "CREATE TABLE sqlite_sequence(name,seq)",  # SQLite makes it for AUTOINCREMENT
        # of format 1
        "CREATE TABLE events (number INTEGER PRIMARY KEY, event TEXT NOT NULL)",
        "CREATE TABLE checkpoint (one INTEGER PRIMARY KEY CHECK (one = 1), state TEXT NOT NULL)",
        f"CREATE TABLE refused (\n    {_REFUSED_COLUMNS}\n)",
    )
)
"""Name and text of each table in `sqlite_master` that an agent made. Nothing else is read: a trigger, a view or an
expression in a table that another user made would run."""


@dataclass(frozen=True, slots=True)
class Content:
    """What could be read.

    version: of the format
    events: undelivered, by number, oldest first; checkpoint: the newest that can be read
    commit: number of the checkpoint's commit, 0 without one
    event_count: how many events the last commit left, None if it is not known
    damage: what is wrong, one phrase each; empty if nothing is
    lost: events that are known to be missing, None if there is no sign of how many
    """

    version: int
    events: tuple[tuple[int, Event], ...] = ()
    checkpoint: Checkpoint | None = None
    commit: int = 0
    event_count: int | None = None
    damage: tuple[str, ...] = ()
    lost: int | None = 0

    @property
    def is_complete(self) -> bool:
        """Whether all events of the last commit are here, and its checkpoint."""
        return self.event_count == len(self.events)


def create(database: sqlite3.Connection, content: Content) -> Content:
    """Create the tables in an empty file, with what was read from another one. Returns what is stored then."""
    with database:
        database.execute("BEGIN IMMEDIATE")
        database.execute(_REFUSED)
        return _create_format_2(database, content)


def upgrade(database: sqlite3.Connection, content: Content) -> Content:
    """Replace the tables of format 1, except `refused`. content: of these tables. Returns what is stored then."""
    with database:
        database.execute("BEGIN IMMEDIATE")
        database.execute("DROP TABLE events")
        database.execute("DROP TABLE checkpoint")
        return _create_format_2(database, content)


def write_commit(database: sqlite3.Connection, commit: Commit, number: int, events: int) -> int:
    """Write a commit, in one transaction. Returns how many events are stored after it.

    number: of this commit; events: how many are stored before it. Raises: sqlite3.Error.
    """
    with database:
        database.execute("BEGIN IMMEDIATE")
        if commit.replaces_all:
            database.execute("DELETE FROM events")
            events = 0
        for removed in commit.removed:
            events -= database.execute("DELETE FROM events WHERE number = ?", (removed,)).rowcount
        _insert_events(database, commit.added)
        events += len(commit.added)
        if commit.refused:
            database.executemany(
                "INSERT INTO refused (uid, why, event) VALUES (?, ?, ?)",
                ((event.uid, why, dump_event(event)) for event, why in commit.refused),
            )
            database.execute(
                "DELETE FROM refused WHERE number <= (SELECT max(number) FROM refused) - ?", (_MAX_REFUSED,)
            )
        _write_checkpoint(database, commit.checkpoint, number, events)
    return events


def _create_format_2(database: sqlite3.Connection, content: Content) -> Content:
    """Create the tables and fill them, in the open transaction. Events get new numbers, without gaps."""
    for statement in _TABLES:
        database.execute(statement)
    events = tuple(enumerate((event for _, event in content.events), start=1))
    _insert_events(database, events)
    commit = 0
    if content.checkpoint is not None:
        commit = 1
        _write_checkpoint(database, content.checkpoint, commit, len(events))
    return replace(content, version=FORMAT, events=events, commit=commit)


def _insert_events(database: sqlite3.Connection, events: Sequence[tuple[int, Event]]) -> None:
    texts = ((number, dump_event(event)) for number, event in events)
    database.executemany(
        "INSERT INTO events VALUES (?, ?, ?)",
        ((number, text, checksum(text.encode(), number)) for number, text in texts),
    )


def _write_checkpoint(database: sqlite3.Connection, checkpoint: Checkpoint, number: int, events: int) -> None:
    text = dump_checkpoint(checkpoint)
    database.execute(
        f"INSERT OR REPLACE INTO {CHECKPOINTS[number % 2]} VALUES (1, ?, ?, ?, ?)",  # noqa: S608 one of two names
        (number, events, text, checksum(text.encode(), number, events)),
    )
