"""The state of a cgroup after a kill: which cgroup, within which time, and what is left out."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from otel_oom import surroundings
from otel_oom.cgroupfs import memory_state
from otel_oom.cgroupfs.cgroup_mounts import CgroupMounts, MemoryHierarchy
from otel_oom.cgroupfs.memory_files import MACHINE, MemoryFile
from otel_oom.cgroupfs.memory_state import BATCH_S, LOOK_S, MemoryStates, open_memory_states

PRESSURE = "some avg10=1.50 avg60=0.50 avg300=0.00 total=1\nfull avg10=1.00 avg60=0.25 avg300=0.00 total=1\n"
V2 = {
    "memory.max": "52428800\n",
    "memory.high": "max\n",
    "memory.low": "0\n",
    "memory.swap.max": "0\n",
    "memory.peak": "52428800\n",
    "memory.events": "low 0\nhigh 0\nmax 12\noom 1\noom_kill 1\noom_group_kill 0\n",
    "memory.oom.group": "1\n",
    "memory.pressure": PRESSURE,
}
V1 = {
    "memory.limit_in_bytes": "20971520\n",
    "memory.soft_limit_in_bytes": "9223372036854771712\n",
    "memory.memsw.limit_in_bytes": "20971520\n",
    "memory.max_usage_in_bytes": "20971520\n",
    "memory.failcnt": "14\n",
    "memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 1\n",
}
OF_MACHINE = {
    "oom.memory.pressure.some.avg10": 1.5,
    "oom.memory.pressure.some.avg60": 0.5,
    "oom.memory.pressure.full.avg10": 1.0,
    "oom.memory.pressure.full.avg60": 0.25,
}
OF_V2 = {
    "oom.memcg.max": 52428800,
    "oom.memcg.events.low": 0,
    "oom.memcg.events.high": 0,
    "oom.memcg.events.max": 12,
    "oom.memcg.events.oom": 1,
    "oom.memcg.events.oom_kill": 1,
    "oom.memcg.events.oom_group_kill": 0,
    "oom.memcg.pressure.some.avg10": 1.5,
    "oom.memcg.pressure.some.avg60": 0.5,
    "oom.memcg.pressure.full.avg10": 1.0,
    "oom.memcg.pressure.full.avg60": 0.25,
    "oom.memcg.peak": 52428800,
    "oom.memcg.swap.max": 0,
    "oom.memcg.oom.group": True,
    "oom.memcg.low": 0,
}
OF_V1 = {
    "oom.memcg.max": 20971520,
    "oom.memcg.events.oom_kill": 1,
    "oom.memcg.failcnt": 14,
    "oom.memcg.peak": 20971520,
    "oom.memcg.memsw.max": 20971520,
}
LIMIT, VICTIM = {"oom.memcg.read_from": "limit"}, {"oom.memcg.read_from": "victim"}


class Tree:
    """A hierarchy in a temporary directory, and the states that are read from it."""

    def __init__(self, top: Path, version: int = 2) -> None:
        self.top = top / "cgroup"
        self.top.mkdir()
        self.pressure = top / "pressure"
        self.pressure.write_text(PRESSURE)
        self.files = V1 if version == 1 else V2
        self.hierarchy = MemoryHierarchy(1 if version == 1 else 2, str(self.top))

    def add(self, path: str, **changed: str) -> Path:
        """Make a cgroup. changed: text by file name, `_` for `.`."""
        directory = Path(f"{self.top}{path}")
        directory.mkdir(parents=True)
        for name, text in self.files.items():
            (directory / name).write_text(changed.get(name.replace(".", "_"), text))
        return directory

    def states(self, now_s: Callable[[], float] = lambda: 0.0) -> MemoryStates:
        return MemoryStates(self.hierarchy, MemoryFile(str(self.pressure), MACHINE.parse), now_s)


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path)


def test_the_cgroup_whose_limit_was_hit_is_read_on_v2(tree: Tree) -> None:
    tree.add("/a/b")
    assert tree.states().of("/a/b", "/a/b/c") == LIMIT | OF_V2 | OF_MACHINE


def test_the_cgroup_whose_limit_was_hit_is_read_on_v1(tmp_path: Path) -> None:
    tree = Tree(tmp_path, version=1)
    tree.add("/a/b")
    assert tree.states().of("/a/b", "/a/b") == LIMIT | OF_V1 | OF_MACHINE


def test_without_a_report_the_victims_own_cgroup_is_read(tree: Tree) -> None:
    tree.add("/a/b")
    assert tree.states().of(None, "/a/b") == VICTIM | OF_V2 | OF_MACHINE


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(None, id="not known"),
        pytest.param("/", id="the root has no limit"),
        pytest.param("/gone", id="removed"),
        pytest.param("/../cgroup/a", id="of a cgroup namespace"),
        pytest.param("/link", id="a link out of the mount"),
        pytest.param("/a/link", id="a link inside"),
        pytest.param("a", id="not from the root"),
        pytest.param("", id="empty"),
        pytest.param("/a" * 600, id="longer than the kernel prints"),
        pytest.param("/a\0", id="a NUL"),
        pytest.param("/\ud800", id="half a character"),
    ],
)
def test_of_what_cannot_be_found_only_the_machine_is_read(tree: Tree, tmp_path: Path, path: str | None) -> None:
    tree.add("/a")
    other = tmp_path / "other"
    other.mkdir()
    (other / "memory.max").write_text("1\n")
    (tree.top / "link").symlink_to(other)
    (tree.top / "a" / "link").symlink_to("../a")
    assert tree.states().of(path, None) == OF_MACHINE
    assert tree.states().of(None, path) == OF_MACHINE


def test_without_a_cgroup_filesystem_only_the_machine_is_read(tree: Tree) -> None:
    states = MemoryStates(None, MemoryFile(str(tree.pressure), MACHINE.parse))
    assert states.of("/a", "/a") == OF_MACHINE
    gone = MemoryStates(MemoryHierarchy(2, f"{tree.top}/gone"), MemoryFile("/gone", MACHINE.parse))
    assert gone.of("/a", "/a") == {}


@pytest.mark.parametrize(
    ("name", "missing"),
    [
        ("memory.peak", {"oom.memcg.peak"}),  # before 5.19
        ("memory.swap.max", {"oom.memcg.swap.max"}),
        ("memory.oom.group", {"oom.memcg.oom.group"}),
        ("memory.pressure", {name for name in OF_V2 if "pressure" in name}),
        ("memory.events", {name for name in OF_V2 if "events" in name}),
        ("memory.max", {*OF_V2, "oom.memcg.read_from"}),
    ],
)
@pytest.mark.parametrize("how", ["missing", "link", "directory", "fifo"])
def test_a_file_that_cannot_be_read_is_absent(tree: Tree, name: str, missing: set[str], how: str) -> None:
    """A fifo that nobody writes would block a usual open for ever. `memory.max` proves that it is a memory cgroup."""
    file = tree.add("/a") / name
    secret = file.with_name("secret")
    secret.write_bytes(file.read_bytes())
    file.unlink()
    if how == "link":
        file.symlink_to("secret")
    elif how == "directory":
        file.mkdir()
    elif how == "fifo":
        os.mkfifo(file)
    if how == "fifo" and name == "memory.max":  # it can be opened, and is empty
        missing = {"oom.memcg.max"}
    expected = LIMIT | OF_V2 | OF_MACHINE
    assert tree.states().of("/a", "/a") == {key: value for key, value in expected.items() if key not in missing}


def test_no_limit_is_an_absent_value_and_the_cgroup_is_still_read(tree: Tree) -> None:
    tree.add("/a", memory_max="max\n")
    state = tree.states().of("/a", "/a")
    assert "oom.memcg.max" not in state
    assert state["oom.memcg.read_from"] == "limit"


def test_a_directory_that_vanishes_between_two_reads_gives_what_was_read(
    tree: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = tree.add("/a")
    real = os.read

    def read(file: int, size: int) -> bytes:
        text = real(file, size)
        for name in V2:
            (directory / name).unlink(missing_ok=True)
        if directory.exists():
            directory.rmdir()
        return text

    monkeypatch.setattr(os, "read", read)
    assert tree.states().of("/a", "/a") == LIMIT | {"oom.memcg.max": 52428800} | OF_MACHINE


@pytest.mark.parametrize(("limit", "victim"), [("/a", "/a"), (None, "/a")])
def test_a_cgroup_that_was_made_again_after_the_kill_is_not_taken_for_the_victims(
    tree: Tree, limit: str | None, victim: str
) -> None:
    """The kernel counts a kill before it prints it."""
    tree.add("/a", memory_events="max 0\noom 0\noom_kill 0\n")
    assert tree.states().of(limit, victim) == OF_MACHINE


def test_a_cgroup_above_the_victims_need_not_count_the_kill(tree: Tree) -> None:
    """On v1, and with memory_localevents on v2, each cgroup counts its own processes alone."""
    tree.add("/a", memory_events="max 9\noom 1\noom_kill 0\n")
    assert tree.states().of("/a", "/a/b")["oom.memcg.events.oom_kill"] == 0


def test_kills_of_one_cgroup_in_a_batch_share_one_look(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    directory = tree.add("/a")
    tree.add("/b")
    states = tree.states()
    first = states.of("/a", "/a")
    (directory / "memory.max").write_text("1\n")
    tree.pressure.write_text("")
    with monkeypatch.context() as closed:
        closed.setattr(os, "open", None)
        assert states.of("/a", "/a") == first
        assert states.of(None, "/a") == {**first, **VICTIM}
    assert states.of("/b", "/b") == first, "the machine's pressure is that of the batch too"
    states.begin_batch()
    assert states.of("/a", "/a") == LIMIT | OF_V2 | {"oom.memcg.max": 1}


def test_a_cgroup_that_is_gone_is_asked_once_in_a_batch(tree: Tree) -> None:
    states = tree.states()
    assert states.of("/a", None) == OF_MACHINE
    tree.add("/a")
    assert states.of("/a", None) == OF_MACHINE
    states.begin_batch()
    assert states.of("/a", None) == LIMIT | OF_V2 | OF_MACHINE


class SlowFiles:
    """A clock that each look at it moves on."""

    def __init__(self, step_s: float) -> None:
        self.step_s = step_s
        self.now_s = 100.0

    def __call__(self) -> float:
        self.now_s += self.step_s
        return self.now_s


def test_what_comes_after_the_time_of_a_look_is_left_out(tree: Tree) -> None:
    """The most important files are read first."""
    tree.add("/a")
    clock = SlowFiles(LOOK_S / 2)
    assert tree.states(clock).of("/a", "/a") == LIMIT | {
        name: value for name, value in OF_V2.items() if name == "oom.memcg.max" or "events" in name
    }
    assert tree.states(SlowFiles(1.0)).of("/a", "/a") == {}, "without the counters it may be another cgroup"


def test_a_batch_has_a_time_too(tree: Tree) -> None:
    """So a storm over many cgroups is not held up: later kills come without the state of their cgroup."""
    for number in range(500):
        tree.add(f"/{number}")
    clock = SlowFiles(0.0001)
    states = tree.states(clock)
    found = [states.of(f"/{number}", None) for number in range(500)]
    assert clock.now_s - 100.0 < 1.2 * BATCH_S, "the clock also moves between two looks"
    seen = ["oom.memcg.read_from" in state for state in found]
    assert 10 < sum(seen) < 500
    assert seen == sorted(seen, reverse=True)
    assert all(state.items() >= OF_MACHINE.items() for state in found)
    states.begin_batch()
    assert "oom.memcg.read_from" in states.of("/499", None)


def test_no_descriptor_is_left_open(tree: Tree) -> None:
    tree.add("/a")
    before = len(list(Path("/proc/self/fd").iterdir()))
    for path in ("/a", "/gone", "/", None):
        tree.states().of(path, None)
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_a_look_takes_less_than_a_millisecond(tree: Tree) -> None:
    tree.add("/a/b/c/d")
    states = tree.states(time.monotonic)
    took_s = []
    for _ in range(50):
        states.begin_batch()
        began_s = time.perf_counter()
        states.of("/a/b/c/d", None)
        took_s.append(time.perf_counter() - began_s)
    assert min(took_s) < 0.001


def test_a_start_says_that_no_cgroup_filesystem_is_to_be_seen(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    asked = []

    def mounts(below: str) -> CgroupMounts:
        asked.append(below)
        return CgroupMounts("/x", MemoryHierarchy(2, "/x")) if below == "/" else CgroupMounts("/host/x")

    monkeypatch.setattr(memory_state, "mounts_of_this_process", mounts)
    with caplog.at_level(logging.INFO):
        open_memory_states("/")
        assert caplog.text == ""
        open_memory_states("/host")
    assert asked == ["/", "/host"]
    assert f"mounted at /host or below it ({surroundings.CGROUP_MOUNT.here()})" in caplog.text
