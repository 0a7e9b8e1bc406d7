"""All kill counters of a hierarchy, on directories that look like one."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pytest

from otel_oom.cgroupfs.cgroup_mounts import MemoryHierarchy
from otel_oom.cgroupfs.kill_counters import KillCounters, TooManyCgroupsError

V1 = "oom_kill_disable 0\nunder_oom 0\noom_kill {}\n"
V2 = "low 0\nhigh 0\nmax 52\noom 4\noom_kill {}\noom_group_kill 9\n"
NEVER = float("inf")


class Hierarchy:
    """A directory for each cgroup, with the file of its counter."""

    def __init__(self, root: Path, version: Literal[1, 2] = 1) -> None:
        self.root = root
        self.file, self.text = ("memory.oom_control", V1) if version == 1 else ("memory.events.local", V2)
        self.counters = KillCounters(MemoryHierarchy(version, str(root)), 20)
        if version == 1:
            self.set("", 1)

    def set(self, path: str, kills: int) -> None:
        """Make a cgroup, or set its counter."""
        (self.root / path).mkdir(exist_ok=True, parents=True)
        (self.root / path / self.file).write_text(self.text.format(kills))

    def remove(self, path: str) -> None:
        (self.root / path / self.file).unlink()
        (self.root / path).rmdir()

    def read(self) -> dict[str | None, int]:
        """Search, and read, by path."""
        assert self.counters.find_cgroups(NEVER)
        kills = self.counters.read(NEVER)
        assert kills is not None
        assert {self.counters.path_of(number) for number in kills} == set(self.counters.by_path())
        return {self.counters.path_of(number): count for number, count in kills.items()}


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Hierarchy]:
    hierarchy = Hierarchy(tmp_path)
    yield hierarchy
    hierarchy.counters.close()


def test_each_cgroup_has_its_own_counter(made: Hierarchy) -> None:
    made.set("a", 2)
    made.set("a/b", 3)
    assert made.read() == {"/": 1, "/a": 2, "/a/b": 3}
    made.set("a/b", 4)
    assert made.read() == {"/": 1, "/a": 2, "/a/b": 4}


def test_of_cgroup_v2_the_counters_without_the_cgroups_below_are_read(tmp_path: Path) -> None:
    hierarchy = Hierarchy(tmp_path, 2)
    hierarchy.set("a", 2)
    (tmp_path / "a" / "memory.events").write_text(V2.format(99))
    (tmp_path / "without-controller").mkdir()
    assert hierarchy.read() == {"/a": 2}, "the root of v2 has no counter"
    hierarchy.set("without-controller", 0)
    assert hierarchy.read() == {"/a": 2, "/without-controller": 0}, "it has the memory controller now"
    hierarchy.counters.close()


def test_new_cgroups_are_found_and_removed_ones_forgotten(made: Hierarchy) -> None:
    made.set("a/b", 2)
    made.read()
    made.set("a/b/c", 3)
    made.set("d", 4)
    (made.root / "a" / made.file).write_text(V1.format(0))
    assert made.read() == {"/": 1, "/a": 0, "/a/b": 2, "/a/b/c": 3, "/d": 4}
    made.remove("a/b/c")
    made.set("a/e", 5)
    assert made.read() == {"/": 1, "/a": 0, "/a/b": 2, "/a/e": 5, "/d": 4}
    made.remove("a/b")
    made.set("a/f", 6)
    assert made.read() == {"/": 1, "/a": 0, "/a/e": 5, "/a/f": 6, "/d": 4}, "as many directories as before"


def test_another_cgroup_with_the_same_path_is_another_counter(made: Hierarchy) -> None:
    made.set("a", 2)
    made.read()
    before = made.counters.by_path()["/a"]
    (made.root / "a").rename(made.root / "kept")  # so that the number of its file is not used again
    made.set("a", 0)
    assert made.read() == {"/": 1, "/kept": 2, "/a": 0}
    assert made.counters.by_path()["/kept"] == before


def test_a_renamed_cgroup_has_no_path_until_it_is_found_again(made: Hierarchy) -> None:
    """Cgroup v1 can rename one. Its counter stays the same."""
    made.set("a", 2)
    made.read()
    number = made.counters.by_path()["/a"]
    (made.root / "a").rename(made.root / "b")
    assert made.counters.path_of(number) is None
    assert made.read() == {"/": 1, "/b": 2}
    assert made.counters.path_of(number) == "/b"


def test_a_counter_that_cannot_be_read_any_more_is_opened_again(
    made: Hierarchy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel answers so for a file of a cgroup that was removed, or that lost its memory controller."""
    made.set("a", 2)
    made.read()
    read, failing = os.pread, [True, False]

    def pread(*arguments: Any) -> bytes:
        if failing and failing.pop():
            raise OSError(errno.ENODEV, "No such device")
        return read(*arguments)

    monkeypatch.setattr(os, "pread", pread)
    left = made.counters.read(NEVER)
    assert (left, len(made.counters)) == ({made.counters.by_path()["/"]: 1}, 1)
    assert made.read() == {"/": 1, "/a": 2}


def test_without_memory_for_a_counter_nothing_is_read(made: Hierarchy, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is still there. Left out, it would seem to begin at 0 when it is read again."""
    made.set("a", 2)
    before = made.read()

    def pread(*_: Any) -> bytes:
        raise OSError(errno.ENOMEM, "Cannot allocate memory")

    with monkeypatch.context() as patched:
        patched.setattr(os, "pread", pread)
        assert made.counters.read(NEVER) is None
    assert made.read() == before


def test_where_a_counter_cannot_be_opened_not_all_were_found(made: Hierarchy, monkeypatch: pytest.MonkeyPatch) -> None:
    made.set("a", 2)
    opened = os.open

    def failing(path: bytes, *arguments: Any) -> int:
        if path.endswith(b"/a/memory.oom_control"):
            raise OSError(errno.EMFILE, "Too many open files")
        return opened(path, *arguments)

    with monkeypatch.context() as patched:
        patched.setattr(os, "open", failing)
        assert not made.counters.find_cgroups(NEVER)
    assert made.read() == {"/": 1, "/a": 2}


def test_a_search_that_is_late_goes_on_at_the_next_call(made: Hierarchy, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(10):
        made.set(f"a{number}", number)
    now_s = [0.0]

    def tick() -> float:
        now_s[0] += 1
        return now_s[0]

    monkeypatch.setattr(time, "monotonic", tick)
    assert not made.counters.find_cgroups(3.0)
    assert 0 < len(made.counters) < 10
    assert made.counters.read(now_s[0] + 0.5) is None
    assert len(made.read()) == 11


def test_more_cgroups_than_the_limit_are_not_read(made: Hierarchy) -> None:
    for number in range(19):
        made.set(f"a{number}", number)
    made.read()
    made.set("one-more", 0)
    with pytest.raises(TooManyCgroupsError):
        made.counters.find_cgroups(NEVER)


def test_a_directory_of_more_cgroups_than_the_limit_is_not_listed(
    made: Hierarchy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Listing 10,000 names takes 10 ms."""
    for number in range(21):
        made.set(f"a{number}", number)
    monkeypatch.delattr(os, "scandir")
    with pytest.raises(TooManyCgroupsError):
        made.counters.find_cgroups(NEVER)


def test_only_directories_that_have_new_ones_are_listed(made: Hierarchy, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(5):
        made.set(f"a{number}", number)
    listed = []
    scandir = os.scandir

    def listing(path: bytes) -> Any:
        listed.append(path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", listing)
    made.read()
    made.read()
    assert listed == [os.fsencode(made.root)]
    made.set("a1/b", 0)
    made.read()
    assert listed[1:] == [os.fsencode(made.root / "a1")]


def test_names_that_users_chose_are_printable(made: Hierarchy) -> None:
    for name in (b"caf\xff", "é".encode(), b"a\\x2db", b"new\nline", b"x"):
        (made.root / os.fsdecode(name)).mkdir()
        (made.root / os.fsdecode(name) / made.file).write_text(V1.format(0))
    assert set(made.read()) == {"/", r"/caf\xff", "/é", r"/a\x5cx2db", r"/new\x0aline", "/x"}


@pytest.mark.parametrize("text", ["", "oom_kill_disable 0\nunder_oom 0\n", "a 0\noom_kill \n", "a 0\noom_kill x\n"])
def test_a_file_without_the_number_counts_nothing(made: Hierarchy, text: str) -> None:
    (made.root / made.file).write_text(text)
    assert made.read() == {"/": 0}


def test_without_its_mount_there_is_nothing_to_read(tmp_path: Path) -> None:
    hierarchy = Hierarchy(tmp_path / "gone", 2)
    assert hierarchy.read() == {}


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_the_files_are_closed_with_the_counters(made: Hierarchy) -> None:
    made.set("a", 2)
    before = open_files()
    made.read()
    assert open_files() == before + 2
    del made.counters
    assert open_files() == before
    made.counters = KillCounters(MemoryHierarchy(1, str(made.root)), 20)
