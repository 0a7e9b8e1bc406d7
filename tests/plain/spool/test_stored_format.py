"""The stored format stays as released: older spools are read, and older versions can read what is written now.

`data/format-1.sql` is the dump of a spool that the code before the renaming of its fields (commit eab2e85) wrote.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from otel_oom.spool.checkpoint import Checkpoint
from otel_oom.spool.spool import Commit
from otel_oom.spool.sqlite_store import SqliteStore
from otel_oom.telemetry.event import Event
from otel_oom.totals import ResourceIdentity, RetiredSeries, Series, Totals

DUMP = (Path(__file__).parent / "data" / "format-1.sql").read_text("utf-8")

HERE = ResourceIdentity("4e1f6c1c-7c35-5d3e-9a2b-000000000001", "node-1", "machine-1")
EVENTS = (
    (
        3,
        Event(
            "system_oom_kill",
            1_700_000_000_000_000_001,
            "a (x) was killed",
            {
                "event.name": "system_oom_kill",
                "log.record.uid": "u3",
                "process.pid": 7,
                "linux.memory.pressure": 0.5,
                "flag": True,
                "tasks": ({"pid": 7, "name": "é\0"}, {"pid": 8, "name": "b"}),
            },
            HERE,
        ),
    ),
    (
        4,
        Event(
            "system_oom_unaccounted",
            1_700_000_000_000_000_002,
            "b",
            {"event.name": "system_oom_unaccounted", "log.record.uid": "u4", "count": 2},
            ResourceIdentity("before"),
        ),
    ),
)
REFUSED = Event("system_oom_kill", 9, "c", {"event.name": "system_oom_kill", "log.record.uid": "u2"}, HERE)
CHECKPOINT = Checkpoint(
    "boot-1",
    HERE,
    Totals(5, {"cgroup": 1, "system": 1}, {"cgroup": 7, "system": 8}, 2),
    cursor=70,
    first_uncounted=75,
    base=40,
    lines=2,
    log_epoch_ns=3,
    exported_ns=8,
    agent_pid=9,
    is_ended=True,
    acknowledged=Totals(5, {"cgroup": 1}, {"cgroup": 6}),
    carried_over=Totals(1, {"system": 1}, {"system": 2}),
    retired=(
        RetiredSeries(
            Series(ResourceIdentity("before", "host"), Totals(1, {"cgroup": 1}, {"cgroup": 3})), Totals(1), 3
        ),
        RetiredSeries(Series(ResourceIdentity("in between"), Totals(2, {"system": 1}, {"system": 4})), None, 0),
    ),
)


def content(database: sqlite3.Connection) -> list[object]:
    """Version, tables and rows."""
    tables = database.execute("SELECT name, sql FROM sqlite_master ORDER BY name").fetchall()
    rows = [database.execute(f"SELECT * FROM {name} ORDER BY 1").fetchall() for name, _ in tables]
    return [database.execute("PRAGMA user_version").fetchone(), tables, rows]


def released(path: Path | str) -> sqlite3.Connection:
    """A database with the content of the data file."""
    database = sqlite3.connect(path)
    database.executescript(DUMP)
    return database


def test_a_spool_of_the_released_format_is_read(tmp_path: Path) -> None:
    released(tmp_path / "spool.db").close()
    store = SqliteStore(tmp_path)
    stored = store.open()
    store.close()
    assert (stored.events, stored.checkpoint) == (EVENTS, CHECKPOINT)


def test_what_is_written_is_the_released_format_to_the_letter(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path)
    store.open()
    store.commit(Commit(EVENTS, [], [(REFUSED, "HTTP 400")], CHECKPOINT, replaces_all=True, number=1))
    store.close()
    with closing(sqlite3.connect(tmp_path / "spool.db")) as written, closing(released(":memory:")) as expected:
        assert content(written) == content(expected)
