"""The store: what was committed is read again, and a file that cannot be read is kept."""

from __future__ import annotations

import os
import resource
import shutil
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from support.agent_rig import Rig
from support.pipelines import event

from otel_oom.spool.checkpoint import Checkpoint
from otel_oom.spool.directory_lock import StoreHeldError
from otel_oom.spool.spool import Commit
from otel_oom.spool.sqlite_store import SqliteStore, Stored
from otel_oom.spool.store_tables import APPLICATION_ID, FORMAT
from otel_oom.spool.stored_format import checksum
from otel_oom.telemetry.event import Event
from otel_oom.totals import ResourceIdentity, RetiredSeries, Series, Totals

CHECKPOINT = Checkpoint(
    "boot",
    ResourceIdentity("instance", "host", "machine"),
    Totals(5).plus("cgroup", 7).plus_surplus(2),
    cursor=70,
    first_uncounted=75,
    base=40,
    lines=1,
    log_epoch_ns=3,
    exported_ns=8,
    agent_pid=9,
    acknowledged=Totals(5).plus("cgroup", 6),
    carried_over=Totals(1).plus("system", 2),
    retired=(
        RetiredSeries(Series(ResourceIdentity("before"), Totals(1).plus("cgroup", 3)), Totals(1), 3),
        RetiredSeries(Series(ResourceIdentity("in between"), Totals(2).plus("system", 4)), None, 0),
    ),
)


def change(
    *uids: str,
    first: int = 1,
    removed: Sequence[int] = (),
    refused: Sequence[tuple[Event, str]] = (),
    checkpoint: Checkpoint = CHECKPOINT,
    replaces_all: bool = False,
) -> Commit:
    added = [(first + place, event(uid)) for place, uid in enumerate(uids)]
    return Commit(added, removed, refused, checkpoint, replaces_all, 1)


def kept(directory: Path) -> Stored:
    """What another agent would find."""
    store = SqliteStore(directory)
    try:
        return store.open()
    finally:
        store.close()


def written(directory: Path, *changes: Commit) -> SqliteStore:
    store = SqliteStore(directory)
    store.open()
    for one in changes:
        store.commit(one)
    return store


def uids(stored: Stored) -> list[tuple[int, str]]:
    return [(number, one.uid) for number, one in stored.events]


def test_what_was_committed_is_found_again(tmp_path: Path) -> None:
    store = written(tmp_path / "a" / "spool", change("a", "b"), change("c", first=3, removed=[1]))
    store.close()
    stored = kept(tmp_path / "a" / "spool")
    assert uids(stored) == [(2, "b"), (3, "c")]
    assert stored.checkpoint == CHECKPOINT
    assert kept(tmp_path / "new") == Stored()


def test_every_event_comes_back_as_it_was(tmp_path: Path, golden_events: list[Event]) -> None:
    written(tmp_path, replace(change(), added=list(enumerate(golden_events)))).close()
    assert [one for _, one in kept(tmp_path).events] == golden_events


@pytest.fixture
def golden_events() -> list[Event]:
    """Events of real kills, with task tables and names out of the kernel."""
    captures = sorted((Path(__file__).parents[1] / "data").glob("*.kmsg"))
    events = [one for path in captures for one in Rig().run(*path.read_bytes().splitlines(keepends=True)).events]
    assert any(isinstance(value, tuple) for one in events for value in one.attributes.values())
    assert {one.identity for one in events} == {ResourceIdentity("instance")}
    return events


def test_a_commit_can_replace_everything(tmp_path: Path) -> None:
    written(tmp_path, change("a", "b"), change("c", first=9, replaces_all=True)).close()
    assert uids(kept(tmp_path)) == [(9, "c")]


def test_a_commit_that_fails_stores_nothing(tmp_path: Path) -> None:
    store = written(tmp_path, change("a"))
    with pytest.raises(TypeError, match="not JSON serializable"):
        store.commit(change("b", first=2, removed=[1], checkpoint=replace(CHECKPOINT, boot_id={1, 2})))  # type: ignore[arg-type]
    store.close()
    assert uids(kept(tmp_path)) == [(1, "a")]


def test_refused_events_are_kept_and_bounded(tmp_path: Path) -> None:
    store = written(tmp_path, change("a", removed=[], refused=[(event("bad"), "HTTP 400")]))
    store.commit(change(refused=[(event(f"r{number}"), "why") for number in range(1_000)]))
    store.close()
    database = sqlite3.connect(tmp_path / "spool.db")
    assert database.execute("SELECT count(*), min(uid), max(uid) FROM refused").fetchone() == (1_000, "r0", "r999")
    database.close()


def replaced(directory: Path) -> None:
    directory.rename(directory.with_name("away"))
    directory.mkdir()


@pytest.mark.parametrize(
    "remove",
    [
        pytest.param(shutil.rmtree, id="the directory"),
        pytest.param(replaced, id="the directory, for another one"),
        pytest.param(lambda path: (path / "spool.db").unlink(), id="the file"),
        pytest.param(lambda path: (path / "spool.db-wal").unlink(), id="the write-ahead log"),
        pytest.param(lambda path: (path / "spool.db-shm").unlink(), id="its index"),
        pytest.param(lambda path: (path / "lock").unlink(), id="the lock"),
    ],
)
def test_a_removed_file_is_noticed(tmp_path: Path, remove: Callable[[Path], object]) -> None:
    """SQLite would write on into a file without a name, and a second agent could start."""
    store = written(tmp_path / "spool", change("a"))
    remove(tmp_path / "spool")
    with pytest.raises(FileNotFoundError, match="was removed"):
        store.commit(change("b", first=2))
    store.close(keep_lock=True)
    store.open()
    store.commit(change("a", "b", replaces_all=True))
    with pytest.raises(StoreHeldError):
        SqliteStore(tmp_path / "spool").open()
    store.close()
    assert uids(kept(tmp_path / "spool")) == [(1, "a"), (2, "b")]


def test_a_directory_that_is_unmounted_and_mounted_again_brings_nothing_new(tmp_path: Path) -> None:
    store = written(tmp_path / "spool", change("a"))
    for _ in range(2):
        store.close(keep_lock=True)
        replaced(tmp_path / "spool")
        assert store.open() == Stored()
        store.close(keep_lock=True)
        (tmp_path / "spool").rename(tmp_path / "other")
        (tmp_path / "away").rename(tmp_path / "spool")
        assert store.open() == Stored(), "its own events"
        shutil.rmtree(tmp_path / "other")
    store.close()


def test_files_are_for_their_owner_alone(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        store = written(tmp_path / "spool", change("a"))
    finally:
        os.umask(old)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "spool").iterdir()}
    assert modes == dict.fromkeys(("spool.db", "spool.db-wal", "spool.db-shm", "lock"), 0o600)
    assert stat.S_IMODE((tmp_path / "spool").stat().st_mode) == 0o700
    store.close()


def test_one_process_holds_it_until_it_ends(tmp_path: Path) -> None:
    script = (
        "import sys, pathlib\n"
        "from otel_oom.spool.sqlite_store import SqliteStore\n"
        "SqliteStore(pathlib.Path(sys.argv[1])).open()\n"
        "print('it is mine', flush=True)\n"
        "input()"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", script, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with holder:
        assert holder.stdout
        assert holder.stdout.readline()
        with pytest.raises(StoreHeldError) as raised:
            SqliteStore(tmp_path).open()
        assert raised.value.pid == str(holder.pid)
        holder.kill()
    assert kept(tmp_path) == Stored()


_TAKES_THE_LOCK = """
import fcntl, sys
with open(sys.argv[1], "r+b") as file:
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, 128)
    except BlockingIOError:
        sys.exit(7)
"""


def test_another_process_does_not_take_the_file_for_unused(tmp_path: Path) -> None:
    """SQLite holds a lock on byte 128 of the index (UNIX_SHM_DMS in its src/os_unix.c). Without it another process
    cuts off the index, and the next commit ends this one with SIGBUS."""
    written(tmp_path).close()
    with closing(written(tmp_path, change("a"))):
        tried = subprocess.run([sys.executable, "-c", _TAKES_THE_LOCK, tmp_path / "spool.db-shm"], check=False)
    assert tried.returncode == 7


def of_version(path: Path, version: int) -> None:
    with closing(sqlite3.connect(path)) as database:
        database.execute(f"PRAGMA user_version = {version}")
        database.execute(f"PRAGMA application_id = {APPLICATION_ID + version}")


def test_a_file_of_a_newer_version_is_kept_under_another_name(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """So is this version's file by an older agent: back in its place, it is read again."""
    path = tmp_path / "spool.db"
    written(tmp_path, change("a", "b")).close()
    of_version(path, FORMAT + 1)
    content = path.read_bytes()
    store = SqliteStore(tmp_path)
    assert store.open() == Stored()
    kept_path = tmp_path / f"spool.db.version-{FORMAT + 1}.0"
    (line,) = caplog.messages
    assert line.startswith(
        f"the spool was written by a newer version (format {FORMAT + 1}, this one reads up to {FORMAT})"
    )
    assert f"kept as {kept_path}" in line
    assert line.endswith("to deliver its events, install the newer version and rename it back")
    assert kept_path.read_bytes() == content
    store.commit(change("c"))
    store.close()
    assert uids(kept(tmp_path)) == [(1, "c")], "an empty file took its place"
    of_version(path, FORMAT + 1)
    assert kept(tmp_path) == Stored()
    assert kept_path.with_name(f"spool.db.version-{FORMAT + 1}.1").exists(), "nothing is overwritten"
    of_version(kept_path, FORMAT)
    kept_path.rename(path)
    assert uids(kept(tmp_path)) == [(1, "a"), (2, "b")]


def test_the_write_ahead_log_is_renamed_too(tmp_path: Path) -> None:
    store = written(tmp_path, change("a"))
    of_version(tmp_path / "spool.db", FORMAT + 1)
    reader = sqlite3.connect(tmp_path / "spool.db")  # keeps the log from being merged
    reader.execute("SELECT * FROM events").fetchall()
    store.close()
    assert (tmp_path / "spool.db-wal").exists()
    assert kept(tmp_path) == Stored()
    reader.close()
    database = sqlite3.connect(tmp_path / f"spool.db.version-{FORMAT + 1}.0")
    assert database.execute("SELECT count(*) FROM events").fetchone() == (1,)
    database.close()


@pytest.mark.parametrize(
    "block",
    [
        pytest.param(lambda path: path.write_text("a file"), id="a file is in its place"),
        pytest.param(lambda path: (path / "spool.db").mkdir(parents=True), id="a folder is in the file's place"),
        pytest.param(lambda path: (path / "lock").mkdir(parents=True), id="and in the lock's"),
        pytest.param(lambda path: path.symlink_to("/proc/self/nothing/here"), id="a place that cannot be made"),
    ],
)
def test_a_directory_that_cannot_be_used_is_an_error_of_the_disk(
    tmp_path: Path, block: Callable[[Path], object]
) -> None:
    block(tmp_path / "spool")
    store = SqliteStore(tmp_path / "spool")
    with pytest.raises((OSError, sqlite3.OperationalError)):
        store.open()
    with pytest.raises(sqlite3.OperationalError, match="not open"):
        store.commit(change("a"))
    store.close()


def test_opened_again_it_returns_only_what_is_new(tmp_path: Path) -> None:
    store = written(tmp_path / "spool", change("a"))
    store.close(keep_lock=True)
    assert store.open() == Stored(), "it was returned before"
    store.close(keep_lock=True)
    (tmp_path / "spool").rename(tmp_path / "away")
    written(tmp_path / "other", change("of another")).close()
    (tmp_path / "other").rename(tmp_path / "spool")
    assert uids(store.open()) == [(1, "of another")], "another disk is mounted there"
    with pytest.raises(StoreHeldError):
        SqliteStore(tmp_path / "spool").open()
    store.close()


def test_a_commit_survives_a_crash_of_the_machine(tmp_path: Path) -> None:
    """In WAL mode only synchronous=FULL syncs at each commit: https://www.sqlite.org/pragma.html#pragma_synchronous"""
    store = written(tmp_path, change("a"))
    assert store._database is not None
    assert store._database.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert store._database.execute("PRAGMA synchronous").fetchone() == (2,), "FULL"
    store.close()


def damaged(directory: Path) -> Path:
    """A spool whose second event is damaged."""
    written(directory, change("a", "b", "c")).close()
    with closing(sqlite3.connect(directory / "spool.db")) as database, database:
        database.execute("UPDATE events SET checksum = 7 WHERE number = 2")
    return directory / "spool.db"


def with_log(directory: Path) -> None:
    """A damaged spool of an agent that was killed: its last event is in the write-ahead log alone."""
    store = written(directory / "running", change("a", "b", "c"))
    store.commit(change("d", first=4))
    for name in ("spool.db", "spool.db-wal", "spool.db-shm"):
        shutil.copy(directory / "running" / name, directory)
    store.close()
    shutil.rmtree(directory / "running")
    content = (directory / "spool.db-wal").read_bytes()
    assert b"a kill" in content
    (directory / "spool.db-wal").write_bytes(content.replace(b'"log.record.uid": "b"', b'"log.record.uid": "x"'))


_IS_KILLED = """
import os, sys
from pathlib import Path
from otel_oom.spool.sqlite_store import SqliteStore
rename, left = Path.rename, int(sys.argv[2])
def rename_or_die(path, target):
    global left
    if left == 0:
        os._exit(9)
    left -= 1
    return rename(path, target)
Path.rename = rename_or_die
SqliteStore(Path(sys.argv[1])).open()
"""


@pytest.mark.parametrize("renames", range(5))
def test_a_crash_while_a_damaged_file_is_replaced_loses_nothing(tmp_path: Path, renames: int) -> None:
    with_log(tmp_path)
    log = (tmp_path / "spool.db-wal").read_bytes()
    killed = subprocess.run([sys.executable, "-c", _IS_KILLED, tmp_path, str(renames)], check=False)
    assert killed.returncode == 9
    stored = kept(tmp_path)
    assert [uid for _, uid in uids(stored)] == ["a", "c", "d"]
    assert bool(stored.damage) == (renames < 2), "once the old file is renamed, the new one is complete"
    assert uids(kept(tmp_path)) == uids(stored)
    assert (tmp_path / "spool.db.damaged.0-wal").read_bytes() == log, "the log stays with its file"
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "lock",
        "spool.db",
        *(f"spool.db.damaged.0{tail}" for tail in ("", "-shm", "-wal")),
    ]


def test_a_disk_without_space_leaves_a_damaged_file_in_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = damaged(tmp_path).read_bytes()

    def fail(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as patch:
        patch.setattr("otel_oom.spool.store_tables.create", fail)
        with pytest.raises(sqlite3.OperationalError, match="full"):
            kept(tmp_path)
    assert (tmp_path / "spool.db").read_bytes() == content
    stored = kept(tmp_path)
    assert (uids(stored), stored.lost) == ([(1, "a"), (2, "c")], 1)


def test_a_disk_without_space_leaves_the_log_of_a_damaged_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite would merge it up to the damaged frame, and delete the rest."""
    with_log(tmp_path)
    log = (tmp_path / "spool.db-wal").read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr("otel_oom.spool.store_tables.create", lambda *_: os.open("/dev/full/no", os.O_RDONLY))
        with pytest.raises(OSError, match="/dev/full/no"):
            kept(tmp_path)
    assert (tmp_path / "spool.db-wal").read_bytes() == log
    (tmp_path / "spool.db").rename(tmp_path / "spool.db.closing")  # as after a crash in the middle of it
    assert [uid for _, uid in uids(kept(tmp_path))] == ["a", "c", "d"]


@pytest.mark.parametrize("message", ["database is locked", "disk I/O error", "attempt to write a readonly database"])
def test_a_disk_that_fails_while_it_is_read_is_no_damage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, message: str
) -> None:
    written(tmp_path, change("a")).close()

    class Failing:
        def execute(self, *_: object) -> None:
            raise sqlite3.OperationalError(message)

        def close(self) -> None:
            pass

    with monkeypatch.context() as patch:
        patch.setattr("otel_oom.spool.sqlite_store.connect", lambda _: Failing())
        with pytest.raises(sqlite3.OperationalError, match=message):
            kept(tmp_path)
    assert uids(kept(tmp_path)) == [(1, "a")]


def test_a_damaged_file_that_is_opened_again_costs_nothing(tmp_path: Path) -> None:
    """Its events are in this agent's memory."""
    store = written(tmp_path, change("a", "b", "c"))
    store.close(keep_lock=True)
    with closing(sqlite3.connect(tmp_path / "spool.db")) as database, database:
        database.execute("UPDATE events SET checksum = 7 WHERE number = 2")
    stored = store.open()
    assert (stored.events, stored.checkpoint, stored.lost) == ((), None, 0)
    assert stored.damage.endswith("spool.db.damaged.0; its events are in memory")
    store.commit(change("a", "b", "c", replaces_all=True))
    store.close()
    assert uids(kept(tmp_path)) == [(1, "a"), (2, "b"), (3, "c")]


@pytest.mark.timeout(60)
@pytest.mark.parametrize("name", ["spool.db", "spool.db-wal", "spool.db-shm"])
def test_a_damaged_size_costs_neither_disk_nor_hours(tmp_path: Path, name: str) -> None:
    """A sparse file can have a size of terabytes. More than 128 MiB may not be written here."""
    with_log(tmp_path)
    os.truncate(tmp_path / name, 1 << 40)
    if name == "spool.db":
        with (tmp_path / name).open("r+b") as file:
            file.write(bytes(4096))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (128 << 20, limits[1]))
    try:
        stored = kept(tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert [uid for _, uid in uids(stored)] == ["a", "c", "d"]


def test_nothing_of_a_damaged_row_reaches_the_log_line(tmp_path: Path) -> None:
    """It may hold a command line with secrets."""
    written(tmp_path, change("a", "b")).close()
    with closing(sqlite3.connect(tmp_path / "spool.db")) as database, database:
        text = b'["canary" \xff'
        for number, keys in ((1, (1,)), (2, (2,))):
            database.execute(
                "UPDATE events SET event = CAST(? AS TEXT), checksum = ? WHERE number = ?",
                (text, checksum(text, *keys), number),
            )
        database.execute(
            "UPDATE checkpoint_odd SET state = CAST(? AS TEXT), checksum = ?", (text, checksum(text, 1, 2))
        )
    stored = kept(tmp_path)
    assert (stored.events, stored.checkpoint) == ((), None)
    assert "a checkpoint cannot be used: UnicodeDecodeError" in stored.damage
    assert "canary" not in stored.damage


def test_an_older_checkpoint_is_that_of_a_crash(tmp_path: Path) -> None:
    """Newer totals may be exported already. So the kernel log must be read before the first export."""
    written(tmp_path / "a", change("a", checkpoint=replace(CHECKPOINT, is_ended=True))).close()
    store = written(tmp_path / "a", change("b", first=2))
    shutil.copytree(tmp_path / "a", tmp_path / "cut")
    store.close()
    (tmp_path / "cut" / "spool.db-wal").write_bytes(b"")
    stored = kept(tmp_path / "cut")
    assert (uids(stored), stored.checkpoint) == ([(1, "a")], CHECKPOINT)
    assert "does not accept the last 1 or more commit(s)" in stored.damage
