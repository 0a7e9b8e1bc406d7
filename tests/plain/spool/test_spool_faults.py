"""Each fault of the table, on the file of an agent that counted real kill lines; the next agent reads the same log."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from support.agent_rig import Rig, first_checkpoint, kill
from support.spool_faults import SPOOL_FAULTS

from otel_oom.spool.checkpoint import resume
from otel_oom.spool.sqlite_store import SqliteStore, Stored
from otel_oom.spool.stored_format import checksum
from otel_oom.totals import Totals

FIRST, KILLS, LATER = 100, 40, 2
"""Sequence of the first kill; kills of the first agent; kills after it."""

SEQUENCES = list(range(FIRST, FIRST + KILLS + LATER))
NEXT_NS = 9_000


def earlier_agent(directory: Path) -> None:
    """Count kills, each with a commit of its own, and be killed. The write-ahead log is left behind."""
    rig = Rig()
    store = SqliteStore(directory / "running")
    store.open()
    for sequence in SEQUENCES[:KILLS]:
        rig.run(kill(sequence))
        store.commit(rig.spool.take_unsaved(replaces_all=False))
    shutil.copytree(directory / "running", directory / "spool")
    store.close()


def merge(path: Path) -> None:
    """Let SQLite merge the write-ahead log, as a stop does."""
    with closing(sqlite3.connect(path)) as database:
        database.execute("SELECT count(*) FROM events").fetchone()


def overwrite(path: Path, start: int, content: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(start)
        file.write(content)


def root_page(path: Path, table: str) -> int:
    with closing(sqlite3.connect(path)) as database:
        (page,) = database.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (table,)).fetchone()
        return int(page)


def place_of(path: Path, text: bytes) -> int:
    content = path.read_bytes()
    assert content.count(text) == 1
    return content.index(text)


def execute(path: Path, statement: str, *values: object) -> None:
    with closing(sqlite3.connect(path)) as database, database:
        database.execute(statement, values)


def bad_page(path: Path) -> None:
    merge(path)
    page = place_of(path, b"(pid 1110)") // 4096
    overwrite(path, page * 4096, b"\xff" * 4096)


def bad_root(path: Path) -> None:
    merge(path)
    overwrite(path, (root_page(path, "events") - 1) * 4096, b"\xff" * 4096)


def bad_bit(path: Path) -> None:
    merge(path)
    overwrite(path, place_of(path, b"(pid 1110)") + 5, b"9")


def no_event(path: Path) -> None:
    text = b'["system_oom_kill", 1, "b", {}, null]'
    execute(path, "UPDATE events SET event = ?, checksum = ? WHERE number = 11", text.decode(), checksum(text, 11))


def bad_checkpoint(path: Path) -> None:
    execute(path, "UPDATE checkpoint_even SET state = CAST(x'ff' || state AS TEXT)")


def no_checkpoint(path: Path) -> None:
    merge(path)
    for table in ("checkpoint_even", "checkpoint_odd"):
        overwrite(path, (root_page(path, table) - 1) * 4096, b"\xff" * 4096)


def cut_off(path: Path) -> None:
    merge(path)
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.truncate(size - 4096)


def no_database(path: Path) -> None:
    merge(path)
    path.write_bytes(b"garbage" * 1_000)


def bad_frame(path: Path) -> None:
    log = path.with_name("spool.db-wal")
    overwrite(log, log.stat().st_size // 2 // 4120 * 4120 + 32 + 24 + 2_000, b"\x55")


def cut_log(path: Path) -> None:
    log = path.with_name("spool.db-wal")
    with log.open("r+b") as file:
        file.truncate(log.stat().st_size // 2)


@dataclass(frozen=True)
class Case:
    """How a fault is made, and the outcome.

    saved: number of stored events that are delivered, None: some; lost: events that are counted as lost, None: the rest
    totals: all kills, or only those after the start at NEXT_NS; says: in the log line
    """

    make: Callable[[Path], object]
    saved: int | None
    lost: int | None
    totals: int
    says: str


ALL = KILLS + LATER
CASES = {
    "bad page": Case(bad_page, None, None, ALL, "quick_check finds errors"),
    "bad root": Case(bad_root, KILLS, 0, ALL, "quick_check finds errors"),
    "bad bit": Case(bad_bit, KILLS - 1, 1, ALL, "wrong checksum"),
    "no event": Case(no_event, KILLS - 1, 1, ALL, "KeyError"),
    "missing row": Case(
        lambda path: execute(path, "DELETE FROM events WHERE number = 7"), KILLS - 1, 1, ALL, "39 of 40 events"
    ),
    "bad checkpoint": Case(bad_checkpoint, KILLS, 0, ALL, "a checkpoint cannot be used"),
    "no checkpoint": Case(no_checkpoint, KILLS, 0, LATER, "totals begin again at 0"),
    "no table": Case(lambda path: execute(path, "DROP TABLE events"), 0, KILLS, ALL, "no such table: events"),
    "trigger": Case(
        lambda path: execute(path, "CREATE TRIGGER t AFTER INSERT ON events BEGIN DELETE FROM events; END"),
        KILLS,
        0,
        ALL,
        "such as a trigger",
    ),
    "cut off": Case(cut_off, None, None, ALL, "malformed"),
    "no database": Case(no_database, 0, 0, 0, "file is not a database"),
    "bad frame": Case(bad_frame, KILLS, 0, ALL, "of its write-ahead log"),
    "cut log": Case(cut_log, None, 0, ALL, "of its write-ahead log"),
}


def test_every_fault_has_a_case() -> None:
    assert [fault.name for fault in SPOOL_FAULTS] == list(CASES)


@pytest.mark.parametrize("name", CASES)
def test_what_can_be_read_is_delivered_and_no_kill_is_counted_twice(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    path = tmp_path / "spool" / "spool.db"
    earlier_agent(tmp_path)
    case.make(path)
    content = path.read_bytes()
    stored = opened(tmp_path / "spool")
    assert case.says in stored.damage
    assert path.with_name("spool.db.damaged.0").read_bytes() == content
    assert f"is kept as {path}.damaged.0" in stored.damage
    saved = len(stored.events)
    if case.saved is None:
        assert 10 <= saved < KILLS
    else:
        assert saved == case.saved
    assert f"{saved} undelivered event(s) of it are saved" in stored.damage
    assert stored.lost == (KILLS - saved if case.lost is None else case.lost)
    checkpoint = resume(stored.checkpoint, replace(first_checkpoint(), totals=Totals(NEXT_NS)))
    after = Rig(checkpoint=checkpoint, reads_backlog=True)
    if checkpoint.cursor is not None:  # else the device is opened at its end
        after.run(*[kill(sequence) for sequence in SEQUENCES if sequence >= checkpoint.cursor])
    assert after.spool.totals.start_ns == (1 if case.totals == ALL else NEXT_NS)
    assert after.kills == ({"cgroup": case.totals} if case.totals else {})
    delivered = {event.uid for _, event in stored.events} | {event.uid for event in after.events}
    expected = {event.uid for event in Rig().run(*map(kill, SEQUENCES)).events}
    assert delivered <= expected
    if checkpoint.cursor is not None:
        assert len(expected - delivered) == stored.lost
    again = opened(tmp_path / "spool")
    assert (again.events, again.checkpoint, again.damage) == (stored.events, stored.checkpoint, "")


def opened(directory: Path) -> Stored:
    store = SqliteStore(directory)
    try:
        return store.open()
    finally:
        store.close()
