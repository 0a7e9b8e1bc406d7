"""A directory that others may write: no file of theirs is read, written, truncated or followed."""

from __future__ import annotations

import errno
import os
import sqlite3
import stat
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Literal

import pytest
from support.levels import missing
from support.pipelines import event

from otel_oom.spool import file_trust
from otel_oom.spool.checkpoint import Checkpoint
from otel_oom.spool.spool import Commit
from otel_oom.spool.sqlite_connection import connect
from otel_oom.spool.sqlite_store import SqliteStore, Stored
from otel_oom.totals import ResourceIdentity, Totals

CHECKPOINT = Checkpoint("boot", ResourceIdentity("instance"), Totals(5), cursor=7, first_uncounted=8)
NAMES = (
    "lock",
    "spool.db",
    *(f"spool.db{tail}" for tail in ("-wal", "-shm", "-journal", "-room", ".part", ".part-journal", ".copy")),
    *(f"spool.db.damaged.0{tail}" for tail in ("", ".new", "-wal")),
    "spool.db.version-3.0",
)
ANOTHER_UID = 12_345


def opened(directory: Path) -> Stored:
    store = SqliteStore(directory)
    try:
        return store.open()
    finally:
        store.close()


def write(directory: Path) -> None:
    """A spool with one event."""
    store = SqliteStore(directory)
    store.open()
    store.commit(Commit([(1, event("a"))], [], [], CHECKPOINT, replaces_all=True, number=1))
    store.close()


def give_away(path: Path) -> None:
    """Make another user the owner of a file, a directory or a link."""
    if os.geteuid() != 0:
        missing("plain", "only root can give a file away")
    os.chown(path, ANOTHER_UID, ANOTHER_UID, follow_symlinks=False)


@pytest.fixture
def victim(tmp_path: Path) -> Path:
    """A file of this user that a planted name leads to."""
    path = tmp_path / "victim"
    path.write_bytes(b"important" * 100)
    path.chmod(0o640)
    return path


def of_another_user(path: Path, _: Path) -> None:
    path.write_bytes(b"")
    give_away(path)


def fifo(path: Path, _: Path) -> None:
    os.mkfifo(path)


def directory(path: Path, _: Path) -> None:
    path.mkdir()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("plant", "problem"),
    [
        pytest.param(Path.symlink_to, "is (a symbolic link|no regular file)", id="a symbolic link"),
        pytest.param(Path.hardlink_to, "has 2 names", id="a hard link"),
        pytest.param(of_another_user, f"belongs to uid {ANOTHER_UID}", id="a file of another user"),
        pytest.param(fifo, "is no regular file", id="a FIFO"),
        pytest.param(directory, "is (no regular file|a directory)|Is a directory", id="a directory"),
    ],
)
def test_a_planted_file_is_not_used(
    tmp_path: Path, victim: Path, name: str, plant: Callable[[Path, Path], None], problem: str
) -> None:
    (tmp_path / "spool").mkdir(0o777)
    plant(tmp_path / "spool" / name, victim)
    with pytest.raises(OSError, match=problem) as raised:
        opened(tmp_path / "spool")
    assert name in str(raised.value)
    assert victim.read_bytes() == b"important" * 100
    assert stat.S_IMODE(victim.stat().st_mode) == 0o640
    (tmp_path / "spool" / name).rename(tmp_path / "removed")
    assert opened(tmp_path / "spool") == Stored(), "once it is removed, the spool is used"


@pytest.mark.parametrize("name", ["spool.db.part", "spool.db.copy", "spool.db-room"])
def test_a_link_that_is_planted_later_is_removed(tmp_path: Path, victim: Path, name: str) -> None:
    (tmp_path / name).symlink_to(victim)
    with file_trust.create(tmp_path / name) as file:
        file.write(b"new")
    assert victim.read_bytes() == b"important" * 100
    assert (tmp_path / name).read_bytes() == b"new"
    assert not (tmp_path / name).is_symlink()


@pytest.mark.parametrize("plant", [Path.symlink_to, Path.hardlink_to, fifo, directory])
@pytest.mark.parametrize("mode", ["rb", "r+b"])
def test_only_a_file_with_one_name_is_opened(
    tmp_path: Path, victim: Path, plant: Callable[[Path, Path], None], mode: Literal["rb", "r+b"]
) -> None:
    plant(tmp_path / "spool.db-shm", victim)
    with pytest.raises(OSError, match=r"spool\.db-shm"):
        file_trust.open_file(tmp_path / "spool.db-shm", mode)


def test_files_become_their_owners_alone(tmp_path: Path) -> None:
    """Kubernetes gives all files of a volume to a group (`fsGroup`) at each start of a pod."""
    write(tmp_path)
    for name in ("lock", "spool.db"):
        (tmp_path / name).chmod(0o666)
    (tmp_path / "spool.db.damaged.0").touch(0o644)
    assert [one.uid for _, one in opened(tmp_path).events] == ["a"]
    assert {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == dict.fromkeys(
        ("lock", "spool.db", "spool.db.damaged.0"), 0o600
    )


@pytest.mark.parametrize("mode", [0o2770, 0o2777, 0o1777, 0o775])
def test_a_directory_that_others_may_write_is_used_with_one_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, mode: int
) -> None:
    tmp_path.chmod(mode)
    store = SqliteStore(tmp_path)
    for _ in range(2):
        store.open()
        store.commit(Commit([], [], [], CHECKPOINT, replaces_all=True, number=1))
        store.close(keep_lock=True)
    store.close()
    (line,) = caplog.messages
    assert line.startswith(f"other users may write the spool's directory {tmp_path} (mode {mode:04o}): they can remove")
    assert "; chmod go-w it, unless Kubernetes made it" in line
    assert stat.S_IMODE(tmp_path.stat().st_mode) == mode, "it may be /tmp"


@pytest.mark.parametrize("mode", [0o700, 0o755])
def test_other_directories_bring_no_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture, mode: int) -> None:
    tmp_path.chmod(mode)
    opened(tmp_path)
    assert caplog.messages == []


def test_a_directory_of_another_user_is_not_used(tmp_path: Path) -> None:
    """They could replace every file in it, also by an older one of the agent."""
    (tmp_path / "spool").mkdir()
    give_away(tmp_path / "spool")
    with pytest.raises(
        OSError, match=f"spool belongs to uid {ANOTHER_UID}, not to root or to the agent's user: chown it to uid 0, or"
    ):
        opened(tmp_path / "spool")
    assert list((tmp_path / "spool").iterdir()) == []


@pytest.mark.parametrize("target", ["{0}/real", "real", "./a/../real", "{0}/a/back/real"])
def test_an_own_link_to_the_directory_is_followed(tmp_path: Path, target: str) -> None:
    """As with systemd's DynamicUser=, and where /var/lib is on another disk."""
    (tmp_path / "real").mkdir()
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "back").symlink_to("..")
    (tmp_path / "link").symlink_to(target.format(tmp_path))
    write(tmp_path / "link" / "spool")
    assert [one.uid for _, one in opened(tmp_path / "real" / "spool").events] == ["a"]


@pytest.mark.parametrize("path", ["link", "link/spool", "own/spool", "a/../link/spool"])
def test_a_link_of_another_user_is_not_followed(tmp_path: Path, path: str) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "a").mkdir()
    (tmp_path / "link").symlink_to("real")
    (tmp_path / "own").symlink_to("link")
    give_away(tmp_path / "link")
    with pytest.raises(OSError, match=f"the symbolic link {tmp_path}/link belongs to uid {ANOTHER_UID}"):
        opened(tmp_path / path)
    assert list((tmp_path / "real").iterdir()) == []


def test_links_in_a_circle_are_an_error(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(OSError, match="Too many levels of symbolic links"):
        opened(tmp_path / "a")


@pytest.mark.parametrize("name", ["spool.db", "spool.db-wal", "spool.db-shm"])
@pytest.mark.parametrize("is_left", [False, True])
@pytest.mark.parametrize("is_new", [False, True])
def test_a_file_that_is_swapped_while_sqlite_opens_it_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, *, is_left: bool, is_new: bool
) -> None:
    """SQLite opens by path. The writer of a directory may have another file there for that moment, or for longer."""
    if not is_new:
        write(tmp_path / "spool")
    write(tmp_path / "forged")

    def swapped(path: Path) -> sqlite3.Connection:
        planted = path.with_name(name)
        planted.rename(tmp_path / "own")
        if name == "spool.db":
            (tmp_path / "forged" / name).rename(planted)
        else:
            planted.touch(0o666)
        database = connect(path)
        database.execute("SELECT * FROM events").fetchall()
        if not is_left:
            (tmp_path / "own").rename(planted)
        return database

    with monkeypatch.context() as patch:
        patch.setattr("otel_oom.spool.sqlite_store.connect", swapped)
        with pytest.raises(OSError, match=f"{name} was replaced while it was opened"):
            opened(tmp_path / "spool")


@pytest.mark.parametrize(
    "statement",
    [
        pytest.param(
            "CREATE TRIGGER t AFTER INSERT ON checkpoint_even BEGIN DELETE FROM events; END", id="a trigger on a commit"
        ),
        pytest.param(
            "CREATE TRIGGER t BEFORE DELETE ON events BEGIN SELECT RAISE(ABORT, 'no'); END", id="a trigger that blocks"
        ),
        pytest.param("CREATE VIEW v AS SELECT 1", id="a view"),
        pytest.param("CREATE UNIQUE INDEX i ON events (length(checksum))", id="an index"),
        pytest.param("CREATE TABLE t (a CHECK (a > 0))", id="a table"),
        pytest.param("CREATE VIRTUAL TABLE v USING fts5(a)", id="a virtual table"),
    ],
)
def test_what_no_agent_defined_is_set_aside(tmp_path: Path, statement: str) -> None:
    write(tmp_path)
    with closing(sqlite3.connect(tmp_path / "spool.db")) as database, database:
        database.execute(statement)
    store = SqliteStore(tmp_path)
    stored = store.open()
    assert ([one.uid for _, one in stored.events], stored.checkpoint, stored.lost) == (["a"], CHECKPOINT, 0)
    assert "it defines something that no agent made, such as a trigger: check who may write it" in stored.damage
    store.commit(Commit([(2, event("b"))], [], [], CHECKPOINT, replaces_all=False, number=1))
    store.commit(Commit([(3, event("c"))], [1], [], CHECKPOINT, replaces_all=False, number=2))
    store.close()
    assert [one.uid for _, one in opened(tmp_path).events] == ["b", "c"]
    with closing(sqlite3.connect(tmp_path / "spool.db.damaged.0")) as database:
        assert database.execute("SELECT count(*) FROM events").fetchone() == (1,), "no trigger ran"


_ENDLESS = "AS WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT {} FROM c WHERE x < 0"


@pytest.mark.parametrize(
    "statements",
    [
        pytest.param(
            (
                "DROP TABLE events",
                "CREATE VIEW events " + _ENDLESS.format("x AS number, '' AS event, 0 AS checksum"),
            ),
            id="of events",
        ),
        pytest.param(
            (
                "DROP TABLE checkpoint_even",
                "CREATE VIEW checkpoint_even "
                + _ENDLESS.format("x AS number, 0 AS events, '' AS state, 0 AS checksum"),
            ),
            id="of checkpoints",
        ),
    ],
)
def test_a_view_in_the_place_of_a_table_is_not_read(tmp_path: Path, statements: tuple[str, ...]) -> None:
    """Its query may have no end."""
    write(tmp_path)
    with closing(sqlite3.connect(tmp_path / "spool.db")) as database, database:
        for statement in statements:
            database.execute(statement)
    stored = opened(tmp_path)
    assert {one.uid for _, one in stored.events} <= {"a"}, "SQLite may have overwritten a table that was dropped"
    assert "it defines something that no agent made" in stored.damage


def test_a_directory_without_permission_has_a_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a `chown` of the directory alone, or in a directory of root."""
    directory = file_trust.open_directory(tmp_path)
    path = tmp_path / "lock"

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", "lock")

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(OSError, match=rf"^no permission to write {path}: chown -R "):
        file_trust.open_in(directory, path, os.O_RDWR)
    os.close(directory)
