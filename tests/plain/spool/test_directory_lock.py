"""The lock of a spool's directory: what it names is not trusted, and it holds when its file is removed."""

from __future__ import annotations

import fcntl
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from otel_oom.spool.directory_lock import LOCK, DirectoryLock, StoreHeldError
from otel_oom.spool.sqlite_store import SqliteStore, Stored

_HOLDER = """
import sys, pathlib
from otel_oom.spool.sqlite_store import SqliteStore
store = SqliteStore(pathlib.Path(sys.argv[1]))
store.open()
print("opened", flush=True)
for line in sys.stdin:
    store.close(keep_lock=True)
    store.open()
    print("opened", flush=True)
"""


@contextmanager
def holder(directory: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that holds the spool, and opens it again at each line that it reads."""
    with subprocess.Popen(
        [sys.executable, "-c", _HOLDER, directory], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == "opened\n"
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize(
    ("text", "pid"),
    [
        pytest.param(b"4194305\n", "4194305", id="a number"),
        pytest.param(b"", "unknown", id="empty"),
        pytest.param(b"1\x002\n", "unknown", id="NUL"),
        pytest.param(b"\x1b]52;c;eA==\x07", "unknown", id="control characters"),
        pytest.param("12\u202e34".encode(), "unknown", id="bidi"),
        pytest.param("\u0661\u0662".encode(), "unknown", id="digits of another script"),
        pytest.param(b"\xff\xfe12", "unknown", id="no UTF-8"),
        pytest.param(b"7" * (1 << 20), "unknown", id="1 MiB"),
        pytest.param(b"../../etc/passwd", "unknown", id="a path"),
        pytest.param(b"-1\n", "unknown", id="a negative number"),
    ],
)
def test_only_a_number_of_the_locks_text_is_used(tmp_path: Path, text: bytes, pid: str) -> None:
    with (tmp_path / LOCK).open("wb") as file:
        file.write(text)
        file.flush()
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(StoreHeldError) as raised:
            SqliteStore(tmp_path).open()
    assert raised.value.pid == pid


def replaced(directory: Path) -> None:
    directory.rename(directory.with_name("away"))
    directory.mkdir()


@pytest.mark.parametrize(
    "remove",
    [
        pytest.param(shutil.rmtree, id="the directory is removed"),
        pytest.param(replaced, id="the directory is replaced"),
        pytest.param(lambda path: (path / LOCK).unlink(), id="the lock is removed"),
        pytest.param(lambda path: (path / LOCK).rename(path / "moved"), id="the lock is renamed"),
    ],
)
def test_a_second_agent_finds_the_first_after(tmp_path: Path, remove: Callable[[Path], object]) -> None:
    """Without its spool it runs under an instance id of its own (agent/test_start.py)."""
    directory = tmp_path / "spool"
    with holder(directory) as first:
        remove(directory)
        second = SqliteStore(directory)
        for _ in range(2):
            with pytest.raises(OSError, match=rf"^process {first.pid} uses it, although .* removed: stop that"):
                second.open()
        assert first.stdin
        assert first.stdout
        first.stdin.write("again\n")
        first.stdin.flush()
        assert first.stdout.readline() == "opened\n", "the first one takes its place back"
        with pytest.raises(StoreHeldError, match=str(first.pid)):
            second.open()
        first.kill()
        first.wait()
        assert second.open() == Stored()
        second.close()


def test_a_link_to_the_directory_is_the_same_place(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "spool")
    with holder(tmp_path / "spool") as first:
        shutil.rmtree(tmp_path / "spool")
        (tmp_path / "spool").mkdir()
        with pytest.raises(OSError, match=f"process {first.pid} uses it"):
            SqliteStore(tmp_path / "link").open()


def test_another_users_socket_holds_no_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Any user can take the name of an abstract socket."""
    with holder(tmp_path / "spool"):
        shutil.rmtree(tmp_path / "spool")
        monkeypatch.setattr("otel_oom.spool.place_lock.is_trusted", lambda _: False)
        second = SqliteStore(tmp_path / "spool")
        assert second.open() == Stored()
        second.close()


def test_a_place_without_sockets_has_the_lock_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*_: object) -> None:
        raise OSError(97, "Address family not supported by protocol")

    monkeypatch.setattr("otel_oom.spool.place_lock.socket.socket", forbidden)
    lock = DirectoryLock(tmp_path)
    lock.take()
    assert lock.is_in_place()
    with pytest.raises(StoreHeldError):
        DirectoryLock(tmp_path).take()
    lock.release()


def test_long_names_are_different_places(tmp_path: Path) -> None:
    locks = []
    for end in "ab":
        directory = tmp_path / ("x" * 200 + end)
        directory.mkdir()
        locks.append(DirectoryLock(directory))
        locks[-1].take()
    for lock in locks:
        assert lock.is_held
        lock.release()
