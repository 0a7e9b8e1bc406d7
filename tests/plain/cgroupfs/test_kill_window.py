"""The cgroups of killed processes from two readings of all kill counters."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from otel_oom.cgroupfs.kill_window import CounterReading, KillWindow

BEGIN = CounterReading(lines=10, counters={1: 4, 2: 0, 3: 7}, counted=40, has_all=True)
PATHS = {"/": 1, "/a": 2, "/a/b": 3, "/n": 9}


def window(kills: Mapping[int, str | None]) -> KillWindow:
    """One in which these kills came."""
    made = KillWindow()
    made.begin(BEGIN)
    made.add(kills)
    return made


def reading(*, lines: int, counted: int | None = None, has_all: bool = False, **moved: int) -> CounterReading:
    """One after so many lines. moved: by counter, as in c2=1; a counter that is new has no beginning."""
    counters = dict(BEGIN.counters)
    for name, kills in moved.items():
        counters[int(name[1:])] = counters.get(int(name[1:]), 0) + kills
    return CounterReading(10 + lines, counters, 40 + (lines if counted is None else counted), has_all=has_all)


@pytest.mark.parametrize(
    ("kills", "end", "expected"),
    [
        pytest.param({5: None}, reading(lines=1, c2=1), {5: 2}, id="one kill, one counter"),
        pytest.param({5: None, 6: None}, reading(lines=2, c2=2), {5: 2, 6: 2}, id="all kills in one cgroup"),
        pytest.param({5: None, 6: None}, reading(lines=2, c2=1, c3=1), {}, id="two counters"),
        pytest.param({5: None}, reading(lines=1, c9=1), {5: 9}, id="a new cgroup"),
        pytest.param({5: None}, reading(lines=1), {}, id="its cgroup was removed, or has no counter"),
        pytest.param({5: None, 6: None}, reading(lines=2, c2=1), {}, id="one of two cgroups was removed"),
        pytest.param({5: None}, reading(lines=1, counted=2, c2=1), {}, id="a line is still to come"),
        pytest.param({5: None}, reading(lines=1, counted=2, c2=2), {}, id="a line was lost"),
        pytest.param({5: None}, reading(lines=1, counted=0), {}, id="a line that is no kill"),
        pytest.param({5: None}, reading(lines=1, c2=2, c3=-1), {}, id="a counter began again at 0"),
        pytest.param({5: None, 6: "/a/b"}, reading(lines=2, c2=1, c3=1), {5: 2}, id="a known one is taken away"),
        pytest.param({5: None, 6: "/a"}, reading(lines=2, c2=2), {5: 2}, id="a known one in the same cgroup"),
        pytest.param({5: None, 6: "/a/x/y"}, reading(lines=2, c2=1, c3=1), {5: 3}, id="known below a counter"),
        pytest.param({5: None, 6: "/z"}, reading(lines=2, c1=1, c3=1), {5: 3}, id="known in a cgroup below the root"),
        pytest.param({5: None, 6: "/n"}, reading(lines=2, c2=1, c3=1), {}, id="a known one did not move"),
        pytest.param({5: None, 6: "x"}, reading(lines=2, c2=1, c3=1), {}, id="known by a path that is none"),
        pytest.param({5: None}, reading(lines=3, c2=3), {5: 2}, id="a group: lines that are no finding"),
        pytest.param({5: None}, reading(lines=2, c2=1, c3=1), {}, id="a group: the repeat of a victim elsewhere"),
        pytest.param({5: "/a"}, reading(lines=1, c2=1), {}, id="nothing to name"),
    ],
)
def test_a_victim_is_in_the_one_cgroup_whose_counter_moved_by_what_is_missing(
    kills: dict[int, str | None], end: CounterReading, expected: dict[int, int]
) -> None:
    assert window(kills).end(end, PATHS) == expected


@pytest.mark.parametrize(
    ("end", "begins"),
    [
        pytest.param(reading(lines=2, c2=1, c3=1), True, id="all kills seen"),
        pytest.param(reading(lines=2, c2=1), False, id="a cgroup may exist that was not found"),
        pytest.param(reading(lines=2, c2=1, has_all=True), True, id="a cgroup was removed"),
        pytest.param(reading(lines=2, c2=1, counted=3, has_all=True), False, id="a kill came meanwhile"),
    ],
)
def test_the_next_window_begins_when_nothing_is_missing(end: CounterReading, *, begins: bool) -> None:
    made = window({5: None, 6: None})
    assert made.end(end, PATHS) == {}
    assert made.beginning is (end if begins else BEGIN)


def test_kills_of_one_window_are_not_in_the_next() -> None:
    made = window({5: None, 6: None})
    first = reading(lines=2, c2=1, c3=1)
    made.end(first, PATHS)
    made.add({7: None})
    assert made.end(reading(lines=3, c2=1, c3=2), PATHS) == {7: 3}


def test_a_kill_that_comes_again_is_not_in_the_next_window() -> None:
    """Its event could not be passed on, so the agent asks again, and a kill elsewhere has come meanwhile."""
    made = window({5: None, 6: "/a"})
    assert made.end(reading(lines=2, c2=1, c3=1), PATHS) == {5: 3}
    made.add({5: None, 6: None, 7: None})
    assert made.end(reading(lines=3, c2=1, c3=1, c1=1), PATHS) == {7: 1}


def test_a_window_that_holds_too_many_kills_is_given_up() -> None:
    assert window(dict.fromkeys(range(1_024), "/a")).beginning is BEGIN
    given_up = window(dict.fromkeys(range(1_025), "/a"))
    assert given_up.beginning is None
    given_up.add({1_025: None})
    assert given_up.end(reading(lines=1, c2=1), PATHS) == {}
