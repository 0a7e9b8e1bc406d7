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
    reconciliation = Reconciliation(BASE, is_new_base=True)
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
        pytest.param([(0, 0, 9), (5, 0, 9), (10, 0, 9)], [0, 0, 0], id="lines of a backlog lower a new base"),
        pytest.param([(0, 0, 0), (1, 0, 1), (6, 0, 1), (11, 0, 1)], [0] * 4, id="one line was on its way"),
        pytest.param([(0, 0, 0), (1, 0, 2), (6, 0, 2), (11, 0, 2)], [0, 0, -1, 0], id="no two lines were on their way"),
        pytest.param([(0, 0, 0), (5, 0, 1), (9, 0, 1), (10, 0, 1)], [0, 0, 0, -1], id="a line without a kill"),
        pytest.param([(0, 0, 0), (5, 0, 1), (10, 3, 4), (15, 3, 4)], [0, 0, -1, 0], id="a line amid kills"),
        pytest.param([(0, 0, 0), (5, 0, 1), (8, 1, 1), (10, 1, 1)], [0, 0, 0, 0], id="a kill without a line hides it"),
        pytest.param(
            [(0, 0, 0), (5, 0, 1), (10, 0, 1), (15, 1, 1), (20, 1, 1)], [0, 0, -1, 0, 1], id="both, each for 5 s"
        ),
        pytest.param([(0, 0, 0), (5, 0, 1), (10, 0, 3), (15, 0, 3)], [0, 0, -1, -2], id="more lines without a kill"),
        pytest.param(
            [(0, 2, 0), (5, 2, 0), (10, 2, 2), (15, 2, 2), (20, 3, 2)], [0, 2, 0, -2, 0], id="late lines after all"
        ),
    ],
)
def test_looks(looks: list[tuple[float, int, int]], expected: list[int]) -> None:
    assert published(*looks) == expected


def test_lines_of_before_lower_a_new_base() -> None:
    reconciliation = Reconciliation(BASE, is_new_base=True)
    look(reconciliation, BASE, 2, 0)
    assert reconciliation.base == BASE - 2


@pytest.mark.parametrize("is_resumed", [True, False])
def test_a_line_without_a_count_lowers_no_base(is_resumed: bool) -> None:  # noqa: FBT001
    reconciliation = Reconciliation(BASE, is_new_base=not is_resumed)
    if not is_resumed:
        look(reconciliation, BASE, 0, 0.0)
        look(reconciliation, BASE, 0, 5.0)
    look(reconciliation, BASE, 2, 10.0)
    assert reconciliation.base == BASE


def test_only_the_lines_of_one_reading_are_unconfirmed() -> None:
    reconciliation = Reconciliation(BASE)
    counted = BASE
    for kills, forged, expected in ((1, 0, True), (0, 1, False), (1, 0, True), (2, 1, False), (3, 0, True)):
        counted += kills
        reconciliation.add_lines(kills + forged)
        assert reconciliation.confirms_new_lines(counted) is expected
    assert reconciliation.compare(counted, 0.0) == 0
    assert reconciliation.compare(counted, 5.0) == -2
    reconciliation.add_lines(1)
    assert not reconciliation.confirms_new_lines(counted), "also right after the others were published"


def test_a_kill_is_confirmed_by_what_the_counter_has_beyond_the_lines() -> None:
    reconciliation = Reconciliation(BASE)
    reconciliation.add_lines(2)
    assert not reconciliation.confirms(BASE + 2, 1)
    assert reconciliation.confirms(BASE + 3, 1)
    assert not reconciliation.confirms(BASE + 3, 2)
    assert not reconciliation.confirms(None, 1)
    assert not Reconciliation(None).confirms(BASE, 1)


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
    reconciliation = Reconciliation(BASE, surplus=2)
    assert look(reconciliation, BASE + 5, 3, 0.0) == 0
    assert look(reconciliation, BASE + 5, 3, 5.0) == 0, "3 lines and 2 that were published"
    assert look(reconciliation, BASE + 6, 3, 10.0) == 0
    assert look(reconciliation, BASE + 6, 3, 15.0) == 1
