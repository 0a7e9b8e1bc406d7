"""The kernel's counter against the lines seen."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_oom.agent.reconciliation import MIN_SURPLUS_AGE_S, Reconciliation

BASE = 100


def look(reconciliation: Reconciliation, counted: int, lines: int, now_s: float) -> int:
    """lines: all that were read so far."""
    reconciliation.add_lines(lines - reconciliation.lines)
    return reconciliation.compare(counted, now_s)


def published(*looks: tuple[float, int, int]) -> list[int]:
    """looks: (second, counted since the base, lines)."""
    reconciliation = Reconciliation(BASE)
    return [look(reconciliation, BASE + counted, lines, now_s) for now_s, counted, lines in looks]


@pytest.mark.parametrize(
    ("looks", "expected"),
    [
        pytest.param([(0, 0, 0), (5, 3, 3), (10, 9, 9)], [0, 0, 0], id="all seen"),
        pytest.param([(0, 2, 0), (5, 2, 0)], [0, 2], id="stands at two looks"),
        pytest.param([(0, 2, 0), (5, 2, 0), (10, 2, 0), (15, 2, 0)], [0, 2, 0, 0], id="once"),
        pytest.param([(0, 2, 0), (4.9, 2, 0), (5, 2, 0)], [0, 0, 2], id="not before 5 s"),
        pytest.param([(0, 2, 0), (5, 2, 2), (10, 3, 2), (15, 3, 3)], [0, 0, 0, 0], id="the line came later"),
        pytest.param([(0, 3, 0), (2, 3, 2), (5, 4, 2)], [0, 0, 1], id="only what stood all the time"),
        pytest.param(
            [(0, 1, 0), (5, 2, 1), (10, 3, 2), (15, 3, 3)], [0, 0, 0, 0], id="a storm, each look before a line"
        ),
        pytest.param([(0, 1, 0), (5, 4, 0), (10, 4, 0), (15, 4, 0)], [0, 1, 3, 0], id="the rest has to stand as well"),
        pytest.param([(0, 0, 1), (5, 1, 2), (10, 1, 2)], [0, 0, 0], id="the base was taken too late: it is lowered"),
        pytest.param(
            [(0, 2, 0), (5, 2, 0), (10, 2, 2), (15, 3, 2), (20, 3, 2)], [0, 2, 0, 0, 1], id="late lines after all"
        ),
    ],
)
def test_looks(looks: list[tuple[float, int, int]], expected: list[int]) -> None:
    assert published(*looks) == expected


def test_a_negative_difference_lowers_the_base() -> None:
    reconciliation = Reconciliation(BASE)
    look(reconciliation, BASE, 2, 0)
    assert reconciliation.base == BASE - 2


@given(st.lists(st.tuples(st.floats(0, 20), st.integers(0, 5), st.integers(0, 5), st.integers(0, 5))))
def test_what_is_published_was_counted_and_not_seen(steps: list[tuple[float, int, int, int]]) -> None:
    """Each step: seconds passed, kills counted and printed, kills whose line comes a step later, kills without line."""
    reconciliation = Reconciliation(BASE)
    now_s, counted, lines, late, silent, so_far = 0.0, 0, 0, 0, 0, 0
    for passed_s, seen, to_come, unseen in steps:
        now_s += passed_s
        counted, lines, late, silent = counted + seen + to_come + unseen, lines + seen + late, to_come, silent + unseen
        so_far += look(reconciliation, BASE + counted, lines, now_s)
        assert so_far <= silent, "what is on its way is not missing"
    for _ in range(3):
        now_s += MIN_SURPLUS_AGE_S
        so_far += look(reconciliation, BASE + counted, lines + late, now_s)
    assert so_far == silent


def test_a_restart_goes_on_with_what_was_published() -> None:
    reconciliation = Reconciliation(BASE, unaccounted=2)
    assert look(reconciliation, BASE + 5, 3, 0.0) == 0
    assert look(reconciliation, BASE + 5, 3, 5.0) == 0, "3 lines and 2 that were published"
    assert look(reconciliation, BASE + 6, 3, 10.0) == 0
    assert look(reconciliation, BASE + 6, 3, 15.0) == 1
