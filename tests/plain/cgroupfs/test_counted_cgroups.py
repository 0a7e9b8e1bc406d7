"""Names from kill counters, with a simulated kernel: kills at any moment, never a wrong name."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otel_oom.cgroupfs import counted_cgroups
from otel_oom.cgroupfs.cgroup_mounts import MemoryHierarchy
from otel_oom.cgroupfs.counted_cgroups import CountedCgroups, NoCounters, open_counted_cgroups
from otel_oom.cgroupfs.kill_counters import TooManyCgroupsError


@dataclass
class Kernel:
    """Cgroups with their counters, the machine's counter, and the lines of kills, each with the path that is right.

    A kill has three steps: it is counted for the machine, then for its cgroup, then printed.
    """

    paths: dict[int, str] = field(default_factory=lambda: {1: "/a", 2: "/b", 3: "/c"})
    kills: dict[int, int] = field(default_factory=lambda: {1: 0, 2: 5, 3: 0})
    counted: int = 5
    lines: list[str | None] = field(default_factory=list)
    created: int = 3
    _dying: tuple[str | None, int, int] | None = None  # path, counter, step

    def begin_kill(self, counter: int) -> None:
        """counter: 0 for a cgroup that has none."""
        if self._dying is None:
            self._dying = (self.paths.get(counter), counter, 0)

    def go_on(self, *, is_lost: bool = False) -> None:
        """One step of the kill."""
        if self._dying is None:
            return
        path, counter, step = self._dying
        self._dying = (path, counter, step + 1)
        if step == 0:
            self.counted += 1
        elif step == 1:
            if counter in self.kills:
                self.kills[counter] += 1
        else:
            self._dying = None
            if not is_lost:
                self.lines.append(path)

    def kill(self, counter: int) -> None:
        """All of it."""
        self.begin_kill(counter)
        self.end_kill()

    def end_kill(self) -> None:
        while self._dying is not None:
            self.go_on()

    def create(self, path: str) -> int:
        self.created += 1
        self.paths[self.created], self.kills[self.created] = path, 0
        return self.created

    def remove(self, counter: int) -> None:
        self.paths.pop(counter, None)
        self.kills.pop(counter, None)


@dataclass
class Files:
    """The counters as `KillCounters` reads them. between: what the kernel does between two system calls."""

    kernel: Kernel
    between: Callable[[], None] = lambda: None
    known: set[int] = field(default_factory=set)
    is_late: Callable[[], bool] = lambda: False
    searches: int = 0
    reads: int = 0
    is_closed: bool = False
    max_cgroups: int = 256

    def __len__(self) -> int:
        return len(self.known)

    def find_cgroups(self, _deadline_s: float) -> bool:
        self.searches += 1
        for counter in list(self.kernel.kills):
            self.between()
            if self.is_late():
                return False
            if counter in self.kernel.kills:
                self.known.add(counter)
        return True

    def read(self, _deadline_s: float) -> dict[int, int] | None:
        self.reads += 1
        kills = {}
        for counter in list(self.known):
            self.between()
            if counter in self.kernel.kills:
                kills[counter] = self.kernel.kills[counter]
            else:
                self.known.remove(counter)
        return None if self.is_late() else kills

    def counted(self) -> int:
        self.between()
        return self.kernel.counted

    def path_of(self, number: int) -> str | None:
        return self.kernel.paths.get(number)

    def by_path(self) -> dict[str, int]:
        return {path: number for number, path in self.kernel.paths.items() if number in self.known}

    def close(self) -> None:
        self.is_closed = True


@dataclass
class World:
    """A kernel, and an agent that has read some of its lines."""

    kernel: Kernel = field(default_factory=Kernel)

    def __post_init__(self) -> None:
        self.files = Files(self.kernel)
        self.cgroups = CountedCgroups(self.files, self.files.counted)
        self.read = 0

    def settle(self) -> None:
        """Two looks. Until the second one each kill has ended, and its line was read. Others may begin meanwhile."""
        for _ in range(2):
            self.kernel.end_kill()
            self.names()
            self.cgroups.look(self.read, self.kernel.counted)

    def read_lines(self, count: int, is_known: Callable[[str | None], bool]) -> dict[int, tuple[str, str | None]]:
        """Read lines. Returns what was found, and what is right, by the number of the line."""
        lines = dict(enumerate(self.kernel.lines[self.read : self.read + count], self.read))
        self.read += len(lines)
        known = {number: path if is_known(path) else None for number, path in lines.items()}
        found = self.cgroups.find(self.read, known)
        assert all(known[number] is None for number in found)
        return {number: (path, lines[number]) for number, path in found.items()}

    def names(self) -> list[str]:
        """Read all lines; returns the names that were found, which are all right."""
        found = self.read_lines(10_000, lambda _: False)
        assert all(path == right for path, right in found.values()), found
        return [path for path, _ in found.values()]


def test_nothing_is_read_before_five_quiet_seconds_and_nothing_while_nothing_dies() -> None:
    world = World()
    world.kernel.kill(1)
    assert (world.names(), world.files.reads) == ([], 0)
    world.settle()
    reads = world.files.reads
    world.settle()
    assert world.files.reads == reads
    world.kernel.kill(2)
    assert world.names() == ["/b"]
    assert world.files.reads == reads + 1


def test_a_look_that_always_fails_is_given_up_until_the_next_kill() -> None:
    world = World()
    world.files.is_late = lambda: True
    for _ in range(20):
        world.settle()
    searches = world.files.searches
    world.settle()
    assert world.files.searches == searches
    world.kernel.kill(2)
    world.files.is_late = lambda: False
    world.settle()
    world.kernel.kill(1)
    assert world.names() == ["/a"]


def test_a_look_while_kills_go_on_begins_no_window() -> None:
    world = World()
    world.cgroups.look(0, 5)
    world.kernel.kill(1)
    world.cgroups.look(0, 6)
    assert world.names() == [], "its line was not read at the second look"


def test_a_kill_during_the_look_begins_no_window() -> None:
    world = World()
    world.cgroups.look(0, 5)
    world.files.between = lambda: world.kernel.kill(1)
    world.cgroups.look(0, 5)
    world.files.between = lambda: None
    assert world.names() == []


def test_victims_with_a_name_cost_no_reading() -> None:
    world = World()
    world.settle()
    reads = world.files.reads
    world.kernel.kill(1)
    assert world.read_lines(1, lambda _: True) == {}
    assert world.files.reads == reads
    world.kernel.kill(2)
    assert world.names() == ["/b"]


@pytest.mark.parametrize("path", ["/new", "/a"])
def test_a_cgroup_that_is_new_or_new_under_an_old_name_is_found(path: str) -> None:
    world = World()
    world.settle()
    world.kernel.remove(1)
    new = world.kernel.create(path)
    world.kernel.kill(new)
    assert world.names() == [path]


def test_the_kill_of_a_removed_cgroup_has_no_name_and_the_next_one_has() -> None:
    world = World()
    world.settle()
    world.kernel.kill(1)
    world.kernel.remove(1)
    assert world.names() == []
    world.kernel.kill(3)
    assert world.names() == ["/c"]


def test_after_a_lost_line_nothing_has_a_name_until_it_is_quiet() -> None:
    world = World()
    world.settle()
    world.kernel.kill(1)
    world.kernel.lines.pop()
    world.kernel.kill(2)
    assert world.names() == []
    world.settle()
    world.kernel.kill(2)
    assert world.names() == ["/b"]


def test_with_too_many_cgroups_nothing_is_read(caplog: pytest.LogCaptureFixture) -> None:
    class TooMany(Files):
        def find_cgroups(self, _deadline_s: float) -> bool:
            raise TooManyCgroupsError

    world = World()
    world.files = files = TooMany(world.kernel)
    world.cgroups = CountedCgroups(files, files.counted)
    with caplog.at_level(logging.INFO):
        world.settle()
    assert "there are more than 256 cgroups: their kill counters are not read" in caplog.text
    assert files.is_closed
    world.kernel.kill(1)
    assert (world.names(), files.reads) == ([], 0)


def test_a_machine_counter_that_fails_gives_no_name() -> None:
    world = World()
    world.settle()
    cgroups = CountedCgroups(world.files, lambda: None)
    cgroups.look(0, 5)
    cgroups.look(0, 5)
    world.kernel.kill(1)
    assert cgroups.find(1, {0: None}) == {}


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 1 << 32))
def test_no_name_is_ever_wrong(seed: int) -> None:
    """Kills, removed cgroups, new ones and lost lines at any moment between two system calls."""
    assert simulate(Random(seed)) >= 0


def test_many_victims_of_the_simulation_have_a_name() -> None:
    assert sum(simulate(Random(seed)) for seed in range(100)) > 300


def simulate(chance: Random) -> int:
    """Returns how many victims had a name. Each must be the right one."""
    names = 0
    world = World()
    kernel = world.kernel
    rate, loss = chance.choice([0.0, 0.01, 0.05, 0.3]), chance.choice([0.0, 0.0, 0.02])

    def between() -> None:
        while chance.random() < rate:
            happen()

    def happen() -> None:
        what = chance.random()
        if what < 0.8:
            kernel.begin_kill(chance.choice([*kernel.kills] * 5 + [0]))
            kernel.go_on(is_lost=chance.random() < loss)
        elif what < 0.85 and len(kernel.kills) > 1:
            kernel.remove(chance.choice(list(kernel.kills)))
        elif what < 0.9:
            path = chance.choice(["/a", "/b", "/c", "/d", "/e", "/f", "/g"])
            kernel.create(path if path not in kernel.paths.values() else f"{path}/{kernel.created}")

    world.files.between = between
    world.files.is_late = lambda: chance.random() < 0.02
    for _ in range(40):
        if chance.random() < 0.2:
            kernel.end_kill()
            world.settle()
        for _ in range(chance.choice([1, 3, 6])):
            happen()
        if chance.random() < 0.8:
            kernel.end_kill()
        found = world.read_lines(chance.choice([1, 100, 100]), lambda _: chance.random() < 0.3)
        assert all(path == right for path, right in found.values()), found
        names += len(found)
    return names


@pytest.mark.parametrize(
    ("hierarchy", "release", "counted", "reason"),
    [
        (None, "6.18.0", 0, "no mount shows the whole hierarchy"),
        (MemoryHierarchy(1, "/nowhere"), "5.6.19", 0, "on cgroup v1 it needs Linux 5.7"),
        (MemoryHierarchy(1, "/nowhere"), "4.18.0-80.el8", 0, "on cgroup v1 it needs Linux 5.7"),
        (MemoryHierarchy(1, "/nowhere"), "unknown", 0, "on cgroup v1 it needs Linux 5.7"),
        (MemoryHierarchy(2, "/nowhere"), "6.1.0", None, "/proc/vmstat has no oom_kill"),
    ],
)
def test_where_the_counters_cannot_be_used_the_reason_is_said(
    hierarchy: MemoryHierarchy | None, release: str, counted: int | None, reason: str
) -> None:
    made = open_counted_cgroups(hierarchy, lambda: counted, release)
    assert isinstance(made, NoCounters)
    assert reason in made.reason


@pytest.mark.parametrize(("version", "release"), [(1, "5.7.0"), (1, "6.18.44-fc"), (2, "5.4.0")])
def test_elsewhere_they_are_used(version: int, release: str) -> None:
    hierarchy = MemoryHierarchy(1 if version == 1 else 2, "/nowhere")
    assert isinstance(open_counted_cgroups(hierarchy, lambda: 0, release), counted_cgroups.CountedCgroups)
