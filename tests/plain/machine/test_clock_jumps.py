"""Jumps of the wall clock against the kernel's clock: standbys, steps, and other changes that are no jump."""

from __future__ import annotations

import pytest

from otel_oom.machine.clock_jumps import ClockJumps

MS, S, HOUR = 10**6, 10**9, 3600 * 10**9


class World:
    """Two clocks. stops_ns: how long the process is stopped before and after each read of the wall clock."""

    def __init__(self) -> None:
        self.kernel_ns, self.wall_ns = 100 * S, 1_790_000_000 * S
        self.stops_ns: list[tuple[int, int]] = []

    def passes(self, kernel_ns: int, wall_ns: int) -> None:
        self.kernel_ns += kernel_ns
        self.wall_ns += wall_ns

    def clocks(self) -> ClockJumps:
        return ClockJumps(self._wall, lambda: self.kernel_ns)

    def _wall(self) -> int:
        before_ns, after_ns = self.stops_ns.pop(0) if self.stops_ns else (0, 0)
        self.passes(before_ns, before_ns)
        wall_ns = self.wall_ns
        self.passes(after_ns, after_ns)
        return wall_ns


@pytest.mark.parametrize(
    ("kernel_ns", "wall_ns", "jumped_s"),
    [
        pytest.param(5 * S, 5 * S, 0.0, id="nothing"),
        pytest.param(5 * S, 35 * S, 30.0, id="a standby of 30 s"),
        pytest.param(5 * S, 5 * S - HOUR, -3600.0, id="a step of an hour back"),
        pytest.param(0, 1001 * MS, 1.001, id="just more than a second"),
        pytest.param(5 * S, 6 * S, 0.0, id="a second"),
        pytest.param(5 * S, 5 * S + 2500_000, 0.0, id="slewed by NTP"),
    ],
)
def test_a_jump_is_a_change_of_more_than_a_second(kernel_ns: int, wall_ns: int, jumped_s: float) -> None:
    world = World()
    clocks = world.clocks()
    world.passes(kernel_ns, wall_ns)
    assert clocks.jumped_s() == jumped_s
    assert clocks.jumped_s() == 0.0, "reported once"


def test_days_of_slewing_are_no_jump() -> None:
    world = World()
    clocks = world.clocks()
    for _ in range(100_000):
        world.passes(5 * S, 5 * S + 2500_000)
        assert clocks.jumped_s() == 0.0


STOPS = [pytest.param((60 * S, 0), id="before the wall clock"), pytest.param((0, 60 * S), id="after the wall clock")]
TRIES = 3


@pytest.mark.parametrize("stop", STOPS)
def test_a_stop_of_the_process_between_the_clocks_is_no_jump(stop: tuple[int, int]) -> None:
    world = World()
    clocks = world.clocks()
    world.stops_ns = [stop] * TRIES
    assert clocks.jumped_s() == 0.0
    assert world.stops_ns == []
    world.passes(S, 8 * S)
    assert clocks.jumped_s() == 7.0, "compared with the last good look"


@pytest.mark.parametrize("stop", STOPS)
def test_a_look_is_repeated_after_a_stop(stop: tuple[int, int]) -> None:
    world = World()
    clocks = world.clocks()
    world.passes(S, 8 * S)
    world.stops_ns = [stop] * (TRIES - 1)
    assert clocks.jumped_s() == 7.0


@pytest.mark.parametrize("stop", STOPS)
def test_there_is_no_jump_before_the_first_good_look(stop: tuple[int, int]) -> None:
    world = World()
    world.stops_ns = [stop] * TRIES
    clocks = world.clocks()
    assert clocks.jumped_s() == 0.0
    world.passes(0, -2 * S)
    assert clocks.jumped_s() == -2.0
