"""A file may contain anything, of any size: it is read with bounded memory, and what cannot be used is damage."""

from __future__ import annotations

import sqlite3
import tracemalloc
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from support.pipelines import event

from otel_oom.spool.checkpoint import NOT_KNOWN, Checkpoint
from otel_oom.spool.event_queue import MAX_BYTES
from otel_oom.spool.spool import Commit
from otel_oom.spool.sqlite_store import SqliteStore, Stored
from otel_oom.spool.stored_format import checksum, dump_event
from otel_oom.totals import ResourceIdentity, Totals

CHECKPOINT = Checkpoint("boot", ResourceIdentity("instance"), Totals(5), cursor=7, first_uncounted=8)


def write(directory: Path, *sizes: int) -> None:
    """A spool with the event `a`, and then events whose bodies have these sizes."""
    store = SqliteStore(directory)
    store.open()
    store.commit(Commit([(1, event("a"))], [], [], CHECKPOINT, replaces_all=True, number=1))
    store.close()
    with closing(sqlite3.connect(directory / "spool.db")) as database, database:
        for number, size in enumerate(sizes, start=2):
            text = dump_event(replace(event(f"large {number}"), body="x" * size))
            row = (number, text, checksum(text.encode(), number))
            database.execute("INSERT INTO events VALUES (?, ?, ?)", row)


def read(directory: Path) -> Stored:
    store = SqliteStore(directory)
    try:
        return store.open()
    finally:
        store.close()


@pytest.mark.parametrize(
    ("sizes", "saved"),
    [
        pytest.param((1 << 20,) * 64, 8, id="many"),
        pytest.param((64 << 20,), 1, id="one"),
    ],
)
def test_a_file_of_any_size_is_read_with_bounded_memory(tmp_path: Path, sizes: tuple[int, ...], saved: int) -> None:
    write(tmp_path, *sizes)
    tracemalloc.start()
    try:
        stored = read(tmp_path)
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak_bytes < 5 * MAX_BYTES
    assert next(one.uid for _, one in stored.events) == "a"
    assert len(stored.events) == saved
    assert f"{saved} undelivered event(s) of it are saved" in stored.damage


def test_events_without_a_checkpoint_are_damage(tmp_path: Path) -> None:
    write(tmp_path)
    with closing(sqlite3.connect(tmp_path / "spool.db")) as database, database:
        database.execute("DELETE FROM checkpoint_even")
        database.execute("DELETE FROM checkpoint_odd")
    stored = read(tmp_path)
    assert [one.uid for _, one in stored.events] == ["a"]
    assert "the checkpoint is missing" in stored.damage
    assert "totals begin again at 0" in stored.damage
    assert stored.checkpoint is None or stored.checkpoint.totals == NOT_KNOWN


@pytest.mark.parametrize("place", ["/dev/null", "/dev/zero"])
def test_a_link_to_a_device_is_no_spool(tmp_path: Path, place: str) -> None:
    (tmp_path / "spool.db").symlink_to(place)
    with pytest.raises(OSError, match=r"spool\.db is no regular file"):
        read(tmp_path)
    assert (tmp_path / "spool.db").is_symlink()
