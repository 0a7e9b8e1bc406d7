"""The wall clock against the kernel's: standbys and steps, and what is neither."""

from __future__ import annotations

import pytest

from otel_oom.machine.clock_jumps import ClockJumps

MS, S, HOUR = 10**6, 10**9, 3600 * 10**9


class World:
    """Two clocks; stopped_ns: how long the process is stopped between reading the one and the other."""

    def __init__(self) -> None:
        self.kernel_ns, self.wall_ns = 100 * S, 1_790_000_000 * S
        self.stopped_ns = 0

    def passes(self, kernel_ns: int, wall_ns: int) -> None:
        self.kernel_ns += kernel_ns
        self.wall_ns += wall_ns

    def clocks(self) -> ClockJumps:
        return ClockJumps(self._wall, lambda: self.kernel_ns)

    def _wall(self) -> int:
        wall_ns = self.wall_ns
        self.passes(self.stopped_ns, self.stopped_ns)
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
def test_a_jump_is_what_leaves_the_kernels_clock(kernel_ns: int, wall_ns: int, jumped_s: float) -> None:
    world = World()
    clocks = world.clocks()
    world.passes(kernel_ns, wall_ns)
    assert clocks.jumped_s() == jumped_s
    assert clocks.jumped_s() == 0.0, "told once"


def test_days_of_slewing_are_no_jump() -> None:
    world = World()
    clocks = world.clocks()
    for _ in range(100_000):
        world.passes(5 * S, 5 * S + 2500_000)
        assert clocks.jumped_s() == 0.0


def test_a_process_that_is_stopped_between_the_clocks_sees_no_jump() -> None:
    world = World()
    clocks = world.clocks()
    world.stopped_ns = 60 * S
    assert clocks.jumped_s() == 0.0
    world.stopped_ns = 0
    assert clocks.jumped_s() == 0.0
    world.passes(S, 8 * S)
    assert clocks.jumped_s() == 7.0, "the next look is held against the last one that was good"


def test_a_first_look_that_could_not_be_taken_accuses_nobody() -> None:
    world = World()
    world.stopped_ns = 60 * S
    clocks = world.clocks()
    world.stopped_ns = 0
    assert clocks.jumped_s() == 0.0
    world.passes(0, -2 * S)
    assert clocks.jumped_s() == -2.0
