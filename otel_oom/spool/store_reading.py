"""Reads what the file of a spool contains, row by row, also out of a damaged file.

Rules:
- The content of the file is not trusted: each part is read, or reported as damage. Damage causes no exception.
- Texts are read as bytes, because a damaged text may be no UTF-8.
- Only tables that an agent made are read, by their text in `sqlite_master`. A trigger, a view, an index or another
  table is damage: the file is set aside, and nothing in it is run.
- A row is used only if its checksum is right. Rows of format 1 have none: there the form of the text decides.
- The memory is bounded as that of the queue, although a size in the file may be damaged. A longer row is damage: from
  Python 3.11 on SQLite does not read it, before it does for a moment. Events beyond the limit are damage.
- Rows are read from both ends. Where SQLite cannot go on, each row in between is asked for by its number.
- An error of SQLite is about the disk or about the content. An error of the disk is raised: the caller tries again
  later. An error of the content is damage.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Final, TypeAlias

from otel_oom.spool.checkpoint import Checkpoint
from otel_oom.spool.event_queue import MAX_BYTES, MAX_EVENTS
from otel_oom.spool.sqlite_connection import is_of_the_disk
from otel_oom.spool.store_tables import APPLICATION_ID, CHECKPOINTS, FORMAT, OWN_TABLES, Content
from otel_oom.spool.stored_format import NOT_UNDERSTOOD, checksum, load_checkpoint, load_event
from otel_oom.telemetry.event import Event

_Row: TypeAlias = tuple[Any, ...]

_MAX_ROWS: Final = 2 * MAX_EVENTS  # a damaged tree can name one page many times
_MAX_STOPS_KEPT: Final = 3
_EVENT, _STATE = (
    f"CASE WHEN length({column}) <= {MAX_BYTES} THEN CAST({column} AS BLOB) END" for column in ("event", "state")
)
"""Columns in SQL, NULL if they are too long."""


class _WrongChecksumError(ValueError):
    """A row is not as it was written."""


def read_content(database: sqlite3.Connection) -> Content:
    """Read everything.

    Raises: sqlite3.OperationalError, the disk fails or another process has locked the file.
    """
    reading = _Reading(database)
    version = reading.number("PRAGMA user_version")
    if version is not None and version > FORMAT and reading.number("PRAGMA application_id") == APPLICATION_ID + version:
        return Content(version)
    if version is not None and version not in {1, FORMAT}:
        reading.damage.append("its version is damaged")
    if reading.has_own_tables_only():  # the check evaluates expressions in tables
        verdict = next(reading.rows("PRAGMA quick_check(1)"), ("nothing",))[0]
        if verdict != "ok" and not reading.damage:
            reading.damage.append("SQLite's quick_check finds errors")
    return reading.format_1() if version == 1 else reading.format_2()


def read_leaf_pages(
    database: sqlite3.Connection, pages: Sequence[int], known: Mapping[int, Event]
) -> Mapping[int, Event]:
    """Return events by number. Each page is read as a table of its own. The database is a copy that is deleted later.

    known: events that were read already; they are returned too
    """
    reading = _Reading(database, known)
    for statement in ("PRAGMA journal_mode = OFF", "PRAGMA writable_schema = ON", "BEGIN"):
        list(reading.rows(statement))
    for page in pages:
        columns = "(number INTEGER PRIMARY KEY, event, checksum)"
        name, text = f"page_{page}", f"CREATE TABLE page_{page} {columns}"
        list(reading.rows("INSERT INTO sqlite_master VALUES ('table', ?1, ?1, ?2, ?3)", name, page, text))
    for statement in ("COMMIT", "PRAGMA writable_schema = RESET"):
        list(reading.rows(statement))
    for page in pages:
        query = f"SELECT number, {_EVENT}, checksum FROM page_{page}"  # noqa: S608 a number
        reading.take(reading.rows(query))
    return reading.events


class _Reading:
    """One reading of one file."""

    def __init__(self, database: sqlite3.Connection, known: Mapping[int, Event] | None = None) -> None:
        self._database = database
        self.events: dict[int, Event] = dict(known or {})
        """What could be read, by number."""
        self._unusable: set[int] = set()
        self._bytes = sum(event.size_bytes for event in self.events.values())
        self._is_full = False
        self._stops = 0
        """How often SQLite could not go on."""
        self._tables: set[bytes] = set()
        """Names of tables that an agent made."""
        self.damage: list[str] = []
        """What is wrong with the file, one phrase each."""

    def has_own_tables_only(self) -> bool:
        """Whether an agent made all that the file defines. Before this is called, no table can be read."""
        is_own = True
        for entry in self.rows("SELECT CAST(name AS BLOB), CAST(sql AS BLOB) FROM sqlite_master"):
            if entry in OWN_TABLES:
                self._tables.add(entry[0])
            else:
                is_own = False
        if not is_own:
            self.damage.insert(0, "it defines something that no agent made, such as a trigger: check who may write it")
        return is_own and not self.damage

    def rows(self, query: str, *values: int | str) -> Iterator[_Row]:
        """The rows up to the first that cannot be read."""
        try:
            yield from islice(self._database.execute(query, values), _MAX_ROWS)
        except (sqlite3.DatabaseError, UnicodeDecodeError) as error:  # the second: the message quotes a damaged text
            if is_of_the_disk(error):
                raise
            self._stops += 1
            if self._stops <= _MAX_STOPS_KEPT:
                self.damage.append(str(error).partition(" with text ")[0])  # not the text: it may hold a secret

    def rows_of(self, table: str, query: str, *values: int) -> Iterator[_Row]:
        """The rows of a query on a table that an agent made."""
        if table.encode() in self._tables:
            yield from self.rows(query, *values)
        else:
            self.damage.append(f"no such table: {table}")

    def number(self, query: str) -> int | None:
        """The one number that a query returns, None if it cannot be read."""
        value = next(self.rows(query), (None,))[0]
        return value if isinstance(value, int) else None

    def format_1(self) -> Content:
        """What a file of format 1 contains."""
        checkpoint = None
        for (state,) in self.rows_of("checkpoint", f"SELECT {_STATE} FROM checkpoint"):  # noqa: S608 a constant
            try:
                checkpoint = load_checkpoint(state)
            except NOT_UNDERSTOOD as error:  # noqa: PERF203 one row
                self.damage.append(f"a checkpoint cannot be used: {_name(error)}")
        self._read_events(f"number, {_EVENT}")
        return self._content(1, checkpoint, 0, None)

    def format_2(self) -> Content:
        """What a file of format 2 contains."""
        found: dict[int, tuple[Checkpoint, int]] = {}
        for parity, table in enumerate(CHECKPOINTS):
            query = f"SELECT number, events, {_STATE}, checksum FROM {table}"  # noqa: S608 one of two names
            for number, count, state, stored in self.rows_of(table, query):
                try:
                    if number % 2 != parity or checksum(state, number, count) != stored:
                        raise _WrongChecksumError
                    found[number] = (load_checkpoint(state), count)
                except NOT_UNDERSTOOD as error:  # noqa: PERF203 two rows
                    self.damage.append(f"a checkpoint cannot be used: {_name(error)}")
        self._read_events(f"number, {_EVENT}, checksum")
        if not found:
            if self.events:
                self.damage.append("the checkpoint is missing")
            return self._content(FORMAT, None, 0, None)
        newest = max(found)
        checkpoint, count = found[newest]
        if set(found) not in ({1}, {newest, newest - 1}):
            self.damage.append("a checkpoint is missing")
            return self._content(FORMAT, checkpoint, newest, None)  # the missing one may be newer
        if count != len(self.events):
            self.damage.append(f"{len(self.events)} of {count} events")
        return self._content(FORMAT, checkpoint, newest, count)

    def _content(self, version: int, checkpoint: Checkpoint | None, commit: int, count: int | None) -> Content:
        """count: how many events the last commit left, None if it is not known."""
        events = tuple(sorted(self.events.items()))
        return Content(version, events, checkpoint, commit, count, tuple(self.damage), self._lost(count))

    def _read_events(self, columns: str) -> None:
        query = f"SELECT {columns} FROM events"  # noqa: S608 constants
        stops = self._stops
        self.take(self.rows_of("events", f"{query} ORDER BY number"))
        if self._stops == stops:
            return
        # sqlite3 steps ahead: the error at a row takes the row before it, which is then asked for by its number.
        below = max(self.events, default=0)
        self.take(self.rows(f"{query} ORDER BY number DESC"))
        end = min((number for number in self.events if number > below), default=0)
        if not end:
            last = self.number("SELECT max(number) FROM events") or (below and below + MAX_EVENTS)
            end = last + 1
        start = max(end - MAX_EVENTS, below + 1)
        for number in range(start, end):
            self.take(self.rows(f"{query} WHERE number = ?", number))

    def take(self, rows: Iterable[_Row]) -> None:
        """Take the events out of rows."""
        for number, text, *stored in rows:
            if self._is_full:
                return
            if number in self.events:
                continue
            try:
                if stored and checksum(text, number) != stored[0]:
                    raise _WrongChecksumError
                event = load_event(text)
            except NOT_UNDERSTOOD as error:
                if number not in self._unusable:
                    self._unusable.add(number)
                    self.damage.append(f"an event cannot be used: {_name(error)}")
            else:
                self._keep(number, event)

    def _keep(self, number: int, event: Event) -> None:
        if self._bytes + event.size_bytes > MAX_BYTES or len(self.events) == MAX_EVENTS:
            self._is_full = True
            self.damage.append("it holds more events than an agent keeps")
            return
        self._bytes += event.size_bytes
        self.events[number] = event

    def _lost(self, count: int | None) -> int | None:
        """How many events cannot be read. Without `count`: those that must have been there, None if there is no sign.

        Stored events have numbers without gaps: they leave in their order.
        """
        if count is not None:
            return max(0, count - len(self.events))
        if not self.damage:
            return 0
        if not self.events:
            return len(self._unusable) or None
        first, last = min(self.events), max(self.events)
        outside = sum(not first <= number <= last for number in self._unusable)
        return last - first + 1 - len(self.events) + outside


def _name(error: Exception) -> str:
    """The name of an error for a log line. Its text may quote a command line with secrets."""
    return "wrong checksum" if isinstance(error, _WrongChecksumError) else type(error).__name__
