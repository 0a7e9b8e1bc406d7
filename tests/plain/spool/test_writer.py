"""The spool with its writer: what is on disk when, what may be exported when, and what a failing disk does to both."""

from __future__ import annotations

import logging
import math
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.agent_rig import first_checkpoint
from support.pipelines import event
from support.spool_files import NEWEST_CHECKPOINT
from support.waiting import eventually

from otel_oom.health import Health
from otel_oom.spool.directory_lock import StoreHeldError
from otel_oom.spool.spool import Commit, Spool
from otel_oom.spool.sqlite_store import SqliteStore, Stored
from otel_oom.spool.writer import SpoolWriter
from otel_oom.totals import Series

HOUR_S = 3600.0


class Rig:
    """A spool with a writer on a directory."""

    def __init__(self, directory: Path, *, patience_s: float = 10.0, heartbeat_s: float = HOUR_S) -> None:
        self.health = Health()
        self.takes_earlier = True
        self.directory = directory
        self.writer = SpoolWriter(directory, heartbeat_s)
        self.stored = self.writer.load(patience_s)
        checkpoint = (self.stored and self.stored.checkpoint) or first_checkpoint()
        self.spool = Spool(
            self.health,
            checkpoint,
            stored=self.stored.events if self.stored else (),
            has_writer=True,
            wake_reader=self.wake_reader,
        )
        if self.stored is None:
            self.spool.not_saved(self.writer.failure)
        self.writer.follow(self.spool)

    def wake_reader(self) -> None:
        """The reader takes at once what is handed over."""
        if self.takes_earlier:
            self.spool.earlier_taken()

    def put(self, *uids: str) -> None:
        """Kills of these uids."""
        totals = self.spool.totals
        for _ in uids:
            totals = totals.plus("cgroup", time.time_ns())
        self.spool.put([event(uid) for uid in uids], replace(self.spool.checkpoint, totals=totals))

    def deliver(self, count: int) -> None:
        self.spool.remove_first(len(self.spool.peek(count, 1 << 30)))

    @property
    def exportable(self) -> int:
        """What the sender would export now."""
        self.spool.check_disk(time.monotonic())
        return self.spool.exportable.totals.kills.get("cgroup", 0)

    @property
    def queued(self) -> list[str]:
        return [one.uid for one in self.spool.peek(10_000, 1 << 30)]

    def on_disk(self) -> tuple[list[str], int]:
        """Undelivered uids and the total, as another process sees them now."""
        database = sqlite3.connect(f"file:{self.directory}/spool.db?mode=ro", uri=True)
        try:
            uids = [
                row[0]
                for row in database.execute("SELECT event ->> '$[3].\"log.record.uid\"' FROM events ORDER BY number")
            ]
            row = database.execute(f"SELECT state ->> '$.totals.kills.cgroup' FROM {NEWEST_CHECKPOINT}").fetchone()
            return uids, (row and row[0]) or 0
        finally:
            database.close()


@contextmanager
def written(directory: Path, **options: Any) -> Iterator[Rig]:
    rig = Rig(directory, **options)
    try:
        yield rig
    finally:
        assert rig.writer.stop(10.0)


class Gate:
    """In front of every commit: lets it through, fails it, or holds it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.error: Exception | None = None
        self.is_open = threading.Event()
        self.is_open.set()
        self.commits: list[Any] = []
        commit = SqliteStore.commit

        def gated(store: SqliteStore, change: Any) -> None:
            self.is_open.wait(30)
            if self.error:
                raise self.error
            commit(store, change)
            self.commits.append(change)

        monkeypatch.setattr(SqliteStore, "commit", gated)


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Gate:
    return Gate(monkeypatch)


@pytest.fixture(autouse=True)
def _retry_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("otel_oom.spool.writer._RETRY_S", 0.05)


def test_what_is_put_is_on_disk_soon_and_leaves_it_when_delivered(tmp_path: Path) -> None:
    with written(tmp_path) as rig:
        rig.put("a", "b")
        assert eventually(lambda: rig.on_disk() == (["a", "b"], 2))
        rig.put("c")
        rig.deliver(2)
        assert eventually(lambda: rig.on_disk() == (["c"], 3))
    assert rig.health.is_durable


def test_what_was_delivered_before_the_commit_is_never_written(tmp_path: Path, gate: Gate) -> None:
    with written(tmp_path) as rig:
        assert eventually(lambda: len(gate.commits) == 1), "where reading begins"
        rig.put("a")
        rig.deliver(1)
        assert eventually(lambda: rig.exportable == 1)
    assert [change.added for change in gate.commits] == [[]] * len(gate.commits)


def test_a_storm_is_written_in_few_commits(tmp_path: Path, gate: Gate) -> None:
    with written(tmp_path) as rig:
        for number in range(200):
            rig.put(str(number))
            time.sleep(0.0005)
        assert eventually(lambda: rig.exportable == 200)
    assert len(gate.commits) < 30
    assert len(rig.on_disk()[0]) == 200


def test_totals_may_be_exported_once_they_are_committed(tmp_path: Path, gate: Gate) -> None:
    with written(tmp_path) as rig:
        gate.is_open.clear()
        rig.put("a")
        version = rig.spool.wait(-1, 0)
        assert (rig.exportable, rig.queued) == (0, ["a"]), "the event itself waits for nothing"
        assert 0.5 < rig.spool.held_until_s - time.monotonic() <= 1.0
        gate.is_open.set()
        rig.spool.wait(version, 10)
        assert eventually(lambda: rig.exportable == 1)
        assert eventually(lambda: rig.spool.held_until_s == math.inf)


def test_a_disk_that_hangs_holds_totals_up_for_a_second(
    tmp_path: Path, gate: Gate, caplog: pytest.LogCaptureFixture
) -> None:
    with written(tmp_path) as rig:
        assert eventually(lambda: len(gate.commits) == 1)
        gate.is_open.clear()
        rig.put("a")
        time.sleep(max(0.0, rig.spool.held_until_s - time.monotonic()))
        assert (rig.exportable, rig.health.is_durable) == (1, False)
        assert "cannot write the spool, continuing in memory only: the disk does not answer" in caplog.text
        assert rig.spool.held_until_s == math.inf, "there is nothing left to wait for"
        rig.put("b", "c")
        assert rig.exportable == 3, "at once now"
        caplog.set_level(logging.INFO)
        gate.is_open.set()
        assert eventually(lambda: rig.on_disk() == (["a", "b", "c"], 3))
        assert eventually(lambda: bool(rig.health.is_durable))
        assert rig.exportable == 3, "what was exported is never taken back"
    assert "the spool is written again" in caplog.text


@pytest.mark.parametrize(
    "error",
    [sqlite3.OperationalError("database or disk is full"), OSError(5, "Input/output error"), ValueError("a bug")],
    ids=str,
)
def test_after_a_disk_failure_all_that_is_undelivered_is_written(
    tmp_path: Path, gate: Gate, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    with written(tmp_path) as rig:
        rig.put("a", "b")
        assert eventually(lambda: rig.on_disk() == (["a", "b"], 2))
        gate.error = error
        rig.put("c")
        assert eventually(lambda: rig.health.is_durable is False)
        assert rig.exportable == 3, "totals do not wait for a disk that fails"
        assert eventually(lambda: f"{tmp_path}: {error}" in caplog.text)
        rig.deliver(2)
        rig.put("d")
        gate.error = None
        assert eventually(lambda: bool(rig.health.is_durable))
        assert rig.on_disk() == (["c", "d"], 4)
    assert len([one for one in caplog.records if "cannot write" in one.message]) == 1


def test_the_next_agent_continues(tmp_path: Path) -> None:
    with written(tmp_path) as rig:
        rig.put("a", "b")
    with written(tmp_path) as rig:
        assert (rig.queued, rig.exportable) == (["a", "b"], 2)
        rig.put("c")
        rig.deliver(1)
        assert eventually(lambda: rig.on_disk() == (["b", "c"], 3))


def test_refused_events_are_kept_even_if_the_disk_fails_first(tmp_path: Path, gate: Gate) -> None:
    with written(tmp_path) as rig:
        gate.error = OSError("full")
        rig.put("a", "b")
        (first,) = rig.spool.peek(1, 1 << 30)
        rig.spool.remove_first(1, [(first, "HTTP 400")])
        assert eventually(lambda: rig.health.is_durable is False)
        gate.error = None
        assert eventually(lambda: rig.on_disk() == (["b"], 2))
    database = sqlite3.connect(tmp_path / "spool.db")
    assert database.execute("SELECT uid, why FROM refused").fetchall() == [("a", "HTTP 400")]
    database.close()


def test_the_place_in_the_log_alone_is_written_with_a_heartbeat(tmp_path: Path, gate: Gate) -> None:
    with written(tmp_path, heartbeat_s=0.3) as rig:
        assert eventually(lambda: len(gate.commits) == 1)
        began = time.monotonic()
        rig.spool.put((), replace(rig.spool.checkpoint, cursor=99))
        assert eventually(lambda: gate.commits[-1].checkpoint.cursor == 99)
        assert 0.2 < time.monotonic() - began < 2


def late(directory: Path, monkeypatch: pytest.MonkeyPatch, hold: Callable[[], Any]) -> Rig:
    """A spool whose store does not open in time."""
    take = SqliteStore.open

    def open_late(store: SqliteStore) -> Stored:
        hold()
        return take(store)

    monkeypatch.setattr(SqliteStore, "open", open_late)
    return Rig(directory, patience_s=0.05)


def test_a_store_that_opens_late_is_taken_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with written(tmp_path) as before:
        before.put("old")
    is_open = threading.Event()
    rig = late(tmp_path, monkeypatch, lambda: is_open.wait(30))
    assert (rig.stored, rig.writer.failure, rig.health.is_durable) == (None, "the disk does not answer", False)
    rig.put("new")
    assert (rig.queued, rig.exportable) == (["new"], 1)
    is_open.set()
    assert eventually(lambda: rig.queued == ["new", "old"])
    assert eventually(lambda: rig.on_disk() == (["new", "old"], 1))
    assert eventually(lambda: bool(rig.health.is_durable))
    assert rig.writer.stop(10)


def test_a_store_that_fails_to_open_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with written(tmp_path) as before:
        before.put("old")
    failures = [OSError("no"), sqlite3.OperationalError("readonly"), StoreHeldError("77")]

    def fail() -> None:
        if failures:
            raise failures.pop(0)

    rig = late(tmp_path, monkeypatch, fail)
    assert (rig.stored, rig.writer.failure) == (None, "no")
    rig.put("new")
    assert eventually(lambda: rig.queued == ["new", "old"])
    assert eventually(lambda: rig.on_disk() == (["new", "old"], 1))
    assert rig.writer.stop(10)


def test_another_agent_on_the_store_is_an_error_at_once(tmp_path: Path) -> None:
    with written(tmp_path), pytest.raises(StoreHeldError, match=r"process \d+ holds it"):
        Rig(tmp_path)


def test_a_stop_writes_what_is_left_and_does_not_wait_for_a_disk_that_hangs(tmp_path: Path, gate: Gate) -> None:
    rig = Rig(tmp_path)
    assert eventually(lambda: len(gate.commits) == 1)
    gate.is_open.clear()
    rig.put("a")
    began = time.monotonic()
    assert not rig.writer.stop(0.2)
    assert time.monotonic() - began < 1
    gate.is_open.set()
    assert rig.writer.stop(10)
    assert rig.on_disk() == (["a"], 1)


def test_nothing_is_written_before_the_reader_has_taken_the_earlier_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A crash in between must find the earlier agent's place in the log, not this one's."""
    with written(tmp_path) as before:
        before.put("old")
    is_open = threading.Event()
    monkeypatch.setattr("otel_oom.spool.writer._TAKE_S", 0.01)
    rig = late(tmp_path, monkeypatch, lambda: is_open.wait(30))
    rig.takes_earlier = False
    rig.put("new")
    is_open.set()
    assert eventually(lambda: rig.queued == ["new", "old"])
    time.sleep(0.3)
    assert (rig.on_disk(), rig.health.is_durable) == ((["old"], 1), False)
    assert rig.spool.earlier_checkpoint
    rig.spool.earlier_taken()
    assert eventually(lambda: rig.on_disk() == (["new", "old"], 1))
    assert rig.writer.stop(10)


def test_a_checkpoint_that_is_taken_late_is_handed_over_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Twice would count the records between the two agents twice."""
    with written(tmp_path) as before:
        before.put("old")
    is_open = threading.Event()
    monkeypatch.setattr("otel_oom.spool.writer._TAKE_S", 0.01)
    rig = late(tmp_path, monkeypatch, lambda: is_open.wait(30))
    rig.takes_earlier = False
    not_saved, taken = rig.spool.not_saved, 0

    def take_between_two_waits(why: str, *arguments: Any) -> None:
        nonlocal taken
        if rig.spool.earlier_checkpoint is not None:
            taken += 1
            rig.spool.earlier_taken()
        not_saved(why, *arguments)

    monkeypatch.setattr(rig.spool, "not_saved", take_between_two_waits)
    rig.put("new")
    is_open.set()
    assert eventually(lambda: rig.on_disk() == (["new", "old"], 1))
    assert rig.writer.stop(10)
    assert (taken, rig.spool.earlier_checkpoint) == (1, None)


@pytest.mark.parametrize("fails_first", [False, True])
def test_a_stop_before_the_reader_has_taken_the_earlier_checkpoint_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, fails_first: bool
) -> None:
    with written(tmp_path) as before:
        before.put("old")
    is_open = threading.Event()
    failures = [OSError("no")] if fails_first else []

    def hold() -> None:
        if failures:
            raise failures.pop()
        is_open.wait(30)

    rig = late(tmp_path, monkeypatch, hold)
    rig.takes_earlier = False
    rig.put("new")
    is_open.set()
    assert eventually(lambda: rig.spool.earlier_checkpoint is not None)
    began_s = time.monotonic()
    assert rig.writer.stop(10)
    assert time.monotonic() - began_s < 0.9, "it does not wait for the reader"
    assert rig.on_disk() == (["old"], 1)


def test_a_disk_that_hangs_is_seen_without_a_kill_too(tmp_path: Path, gate: Gate) -> None:
    with written(tmp_path, heartbeat_s=0.1) as rig:
        assert eventually(lambda: bool(gate.commits))
        gate.is_open.clear()
        assert eventually(lambda: rig.spool.held_until_s < math.inf)
        time.sleep(max(0.0, rig.spool.held_until_s - time.monotonic()))
        assert rig.exportable == 0
        assert rig.health.is_durable is False
        gate.is_open.set()
        assert eventually(lambda: bool(rig.health.is_durable))


def test_acknowledged_totals_and_a_log_that_runs_on_are_written_soon(tmp_path: Path, gate: Gate) -> None:
    with written(tmp_path) as rig:
        assert eventually(lambda: len(gate.commits) == 1)
        rig.spool.put((), replace(rig.spool.checkpoint, first_uncounted=499))
        time.sleep(0.1)
        assert len(gate.commits) == 1, "the place in the log alone is not worth a write"
        rig.spool.put((), replace(rig.spool.checkpoint, first_uncounted=500))
        assert eventually(lambda: gate.commits[-1].checkpoint.first_uncounted == 500)
        rig.spool.acknowledge(Series(rig.spool.checkpoint.identity, rig.spool.totals), 77)
        assert eventually(lambda: gate.commits[-1].checkpoint.exported_ns == 77)
        assert gate.commits[-1].checkpoint.acknowledged == rig.spool.totals


def test_a_damaged_file_that_opens_late_is_taken_over_and_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with written(tmp_path) as before:
        before.put("old", "bad")
    with closing(sqlite3.connect(tmp_path / "spool.db")) as database, database:
        database.execute("UPDATE events SET checksum = 1 WHERE number = 2")
    failures = [OSError("no")]
    rig = late(tmp_path, monkeypatch, lambda: failures and (_ for _ in ()).throw(failures.pop()))
    assert eventually(lambda: rig.queued == ["old"])
    assert rig.writer.stop(10)
    assert eventually(lambda: rig.health.dropped == {"damaged": 1})
    line = f"is kept as {tmp_path}/spool.db.damaged.0; 1 undelivered event(s) of it are saved, 1 are"
    assert eventually(lambda: line in caplog.text)


@pytest.mark.parametrize("failures", [1, 2])
@pytest.mark.parametrize("fails_first", [False, True])
def test_a_spool_that_opens_late_is_taken_over_although_memory_runs_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failures: int, *, fails_first: bool
) -> None:
    """The store does not return its events twice. They must not be lost, or overwritten on disk."""
    with written(tmp_path) as before:
        before.put("old")
    is_open = threading.Event()
    errors = [OSError("no")] if fails_first else []
    rig = late(tmp_path, monkeypatch, lambda: is_open.wait(30) if not errors else (_ for _ in ()).throw(errors.pop()))
    left = [MemoryError()] * failures
    put = rig.spool.put

    def failing(*arguments: Any) -> None:
        if threading.current_thread() is rig.writer and left:
            raise left.pop()
        put(*arguments)

    monkeypatch.setattr(rig.spool, "put", failing)
    is_open.set()
    assert eventually(lambda: rig.on_disk() == (["old"], 0))
    assert rig.queued == ["old"]
    assert left == []
    assert rig.writer.stop(10)


def test_a_stop_while_a_commit_is_taken_is_not_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The commit that is taken then also answers the wake of the stop."""
    take = Spool.take_unsaved
    with written(tmp_path) as rig:

        def take_unsaved(spool: Spool, *, replaces_all: bool) -> Commit:
            stop = threading.Thread(target=rig.writer.stop, args=(0.0,))
            stop.start()
            stop.join()
            return take(spool, replaces_all=replaces_all)

        assert eventually(lambda: not rig.spool.wait_unsaved(0.0, lambda: False))
        monkeypatch.setattr(Spool, "take_unsaved", take_unsaved)
        rig.put("a")
        rig.writer.join(10)
        assert not rig.writer.is_alive()
