"""The stored format stays as released: spools of each format are read, and what is written has not changed.

`data/format-1.sql` is the dump of a spool that the code before the renaming of its fields (commit eab2e85) wrote;
`data/format-2.sql` is one that the first code with checksums wrote.
"""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from support.spool_files import opened

from otel_oom.spool.checkpoint import Checkpoint
from otel_oom.spool.spool import Commit
from otel_oom.spool.sqlite_store import SqliteStore, Stored
from otel_oom.spool.stored_format import NOT_UNDERSTOOD, dump_checkpoint, load_checkpoint, load_event
from otel_oom.telemetry.event import Event
from otel_oom.totals import ResourceIdentity, RetiredSeries, Series, Totals

DATA = Path(__file__).parent / "data"

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
# Versions before `new_base` lowered the base only every 5 s: their last one may be too high.
OLD = replace(CHECKPOINT, is_new_base=True)


def content(database: sqlite3.Connection) -> list[object]:
    """Version, tables and rows."""
    tables = database.execute("SELECT name, sql FROM sqlite_master ORDER BY name").fetchall()
    rows = [database.execute(f"SELECT * FROM {name} ORDER BY 1").fetchall() for name, _ in tables]
    versions = [database.execute(f"PRAGMA {name}").fetchone() for name in ("user_version", "application_id")]
    return [versions, tables, rows]


def released(path: Path | str, version: int) -> sqlite3.Connection:
    """A database with the content of the data file."""
    database = sqlite3.connect(path)
    database.executescript((DATA / f"format-{version}.sql").read_text("utf-8"))
    return database


def test_a_spool_of_format_1_is_read_and_becomes_format_2(tmp_path: Path) -> None:
    """With all events, totals and refused events. Events get new numbers."""
    released(tmp_path / "spool.db", 1).close()
    events = tuple(enumerate((event for _, event in EVENTS), start=1))
    assert opened(tmp_path) == Stored(events, OLD)
    with closing(sqlite3.connect(tmp_path / "spool.db")) as upgraded, closing(released(":memory:", 1)) as old:
        assert upgraded.execute("PRAGMA user_version").fetchone() == (2,)
        assert upgraded.execute("SELECT * FROM refused").fetchall() == old.execute("SELECT * FROM refused").fetchall()
    assert opened(tmp_path) == Stored(events, OLD), "as format 2"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["lock", "spool.db"]


def test_an_upgrade_that_is_cut_off_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    released(tmp_path / "spool.db", 1).close()
    with monkeypatch.context() as patch:
        patch.setattr("otel_oom.spool.store_tables._write_checkpoint", lambda *_: 1 // 0)
        with pytest.raises(ZeroDivisionError):
            opened(tmp_path)
    with closing(sqlite3.connect(tmp_path / "spool.db")) as left, closing(released(":memory:", 1)) as old:
        assert content(left) == content(old)
    assert opened(tmp_path).checkpoint == OLD


def test_a_spool_of_format_2_is_read(tmp_path: Path) -> None:
    released(tmp_path / "spool.db", 2).close()
    assert opened(tmp_path) == Stored(EVENTS, CHECKPOINT)


def test_what_is_written_is_format_2_to_the_letter(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path)
    store.open()
    store.commit(Commit(EVENTS, [], [(REFUSED, "HTTP 400")], CHECKPOINT, replaces_all=True, number=1))
    store.commit(Commit([], [], [], CHECKPOINT, replaces_all=False, number=2))
    store.close()
    with closing(sqlite3.connect(tmp_path / "spool.db")) as written, closing(released(":memory:", 2)) as expected:
        assert content(written) == content(expected)


UNUSABLE_EVENTS = [
    pytest.param("{}", id="no list"),
    pytest.param("[1, 2, 3, 4]", id="too short"),
    pytest.param('["n", 1, "b", {"event.name": "n"}, null]', id="no uid"),
    pytest.param('["n", 1, "b", {"log.record.uid": 7}, null]', id="a uid that is no text"),
    pytest.param('["n", "1", "b", {"log.record.uid": "u"}, null]', id="a time that is no number"),
    pytest.param('["n", 1, null, {"log.record.uid": "u"}, null]', id="no body"),
    pytest.param('["n", 1, "b", {"log.record.uid": "u", "a": null}, null]', id="an attribute without a value"),
    pytest.param('["n", 1, "b", {"log.record.uid": "u", "a": [[1]]}, null]', id="a list of lists"),
    pytest.param('["n", 1, "b", {"log.record.uid": "u", "a": 9223372036854775808}, null]', id="more than 64 bits"),
    pytest.param('["n", 1, "b", {"log.record.uid": "u", "a": NaN}, null]', id="no number"),
    pytest.param('["n", 1, "b", {"log.record.uid": "\\ud800"}, null]', id="a lone surrogate"),
    pytest.param('["n", 1, "b", {"log.record.uid": "u"}, ["a", 7, ""]]', id="an identity that is no text"),
    pytest.param("[" * 100_000, id="too deep"),
    pytest.param("", id="nothing"),
]


@pytest.mark.parametrize("text", UNUSABLE_EVENTS)
def test_an_event_of_another_form_is_refused(text: str) -> None:
    with pytest.raises(NOT_UNDERSTOOD):
        load_event(text.encode())


CHANGES: list[tuple[str, object]] = [
    ("boot_id", 7),
    ("origin", {"instance_id": 7}),
    ("origin", {"other": "x"}),
    ("totals", {"start_ns": 5}),
    ("totals", {"start_ns": 5, "kills": {"other": 1}, "stamps_ns": {}, "unaccounted": 0}),
    ("totals", {"start_ns": 5, "kills": {"cgroup": -1}, "stamps_ns": {}, "unaccounted": 0}),
    ("totals", {"start_ns": -5, "kills": {}, "stamps_ns": {}, "unaccounted": 0}),
    ("totals", {"start_ns": 5, "kills": {"cgroup": (1 << 63) - 1}, "stamps_ns": {}, "unaccounted": 0}),
    ("totals", {"start_ns": 5, "kills": {}, "stamps_ns": {"cgroup": -1}, "unaccounted": 0}),
    ("totals", {"start_ns": 5.5, "kills": {}, "stamps_ns": {}, "unaccounted": 0}),
    ("cursor", -1),
    ("cursor", 76),
    ("uncounted", None),
    ("base", "40"),
    ("lines", True),
    ("exported_ns", 1 << 63),
    ("told", []),
    ("former", 7),
    ("former", [{}]),
]


@pytest.mark.parametrize(("key", "value"), CHANGES)
def test_a_checkpoint_of_another_form_is_refused(key: str, value: object) -> None:
    state = json.loads(dump_checkpoint(CHECKPOINT))
    assert load_checkpoint(json.dumps(state).encode()) == CHECKPOINT
    with pytest.raises(NOT_UNDERSTOOD):
        load_checkpoint(json.dumps({**state, key: value}).encode())
    del state[key]
    with pytest.raises(NOT_UNDERSTOOD):
        load_checkpoint(json.dumps(state).encode())
