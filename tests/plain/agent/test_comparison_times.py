"""When the log is compared with the kernel's counter: rarely while nothing happens, else every 5 s."""

from __future__ import annotations

from collections import Counter

import pytest

from otel_oom import schema
from otel_oom.agent.comparison_times import QUIET_S, ComparisonTimes
from otel_oom.agent.reconciliation import MIN_SURPLUS_AGE_S, Reconciliation


class World:
    """The comparisons of an agent whose base is 40. at_s: the time after the start."""

    def __init__(self, *, is_new_base: bool = False) -> None:
        self.records: Counter[schema.RecordOutcome] = Counter()
        self.counted = 40
        self.reconciliation = Reconciliation(40, lowerings=1 if is_new_base else 0)
        self.times = ComparisonTimes(self.records, self.reconciliation)
        self.at_s = 0.0

    def next(self) -> float:
        """Compare when it is due; returns that time."""
        self.at_s = max(self.at_s, self.times.due_s)
        self.times.begin(self.at_s)
        self.reconciliation.compare(self.counted, self.at_s)
        return self.at_s


def test_a_quiet_log_is_compared_rarely() -> None:
    """The second look is 5 s after the first: it begins the window of the cgroups' counters."""
    world = World()
    assert [world.next() for _ in range(4)] == [0.0, 5.0, 5.0 + QUIET_S, 5.0 + 2 * QUIET_S]


@pytest.mark.parametrize("after_s", [1.0, MIN_SURPLUS_AGE_S, 9.0])
def test_a_record_is_followed_by_a_comparison_within_5_s_and_another_one(after_s: float) -> None:
    world = World()
    quiet_s = [world.next() for _ in range(3)][-1]
    world.records["read"] += 1
    world.at_s = quiet_s + after_s
    first_s = max(quiet_s + MIN_SURPLUS_AGE_S, world.at_s)
    assert [world.next() for _ in range(3)] == [first_s, first_s + MIN_SURPLUS_AGE_S, first_s + 5.0 + QUIET_S]


@pytest.mark.parametrize("counted", [41, 39])
def test_a_difference_is_compared_again_at_the_age_at_which_it_is_published(counted: int) -> None:
    world = World()
    quiet_s = [world.next() for _ in range(3)][-1]
    world.counted = counted
    assert [world.next() for _ in range(2)] == [quiet_s + QUIET_S, quiet_s + QUIET_S + MIN_SURPLUS_AGE_S]


def test_a_new_base_is_compared_until_it_is_old() -> None:
    world = World(is_new_base=True)
    assert [world.next() for _ in range(3)] == [0.0, 5.0, 5.0 + QUIET_S]
    assert not world.reconciliation.is_new_base
