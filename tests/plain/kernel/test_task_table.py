"""The task table as a whole: how many tasks, their memory, and the largest groups by name."""

from __future__ import annotations

import gc
import time
import tracemalloc
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import klog

from otel_oom.kernel.task_table import TaskGroup, TaskTable, TaskTotals

PAGE = 4096
OLDEST = "[ pid ]   uid  tgid total_vm      rss cpu oom_adj name"
MAX_NAMES = 512


def table(rows: list[str], header: str = klog.TABLE) -> TaskTable:
    found = TaskTable()
    for line in (header, *rows):
        found.read(line, PAGE)
    return found


def totals(rows: list[str], header: str = klog.TABLE) -> TaskTotals:
    found = table(rows, header).totals()
    assert found is not None
    return found


def test_groups_of_a_name() -> None:
    rows = [klog.row(1, 5, "a"), klog.row(2, 7, "b"), klog.row(3, 6, "a"), klog.row(4, 0, "c")]
    expected = (TaskGroup("a", 2, 11 * PAGE), TaskGroup("b", 1, 7 * PAGE), TaskGroup("c", 1, 0))
    assert TaskTotals(4, 18 * PAGE, expected, unkillable_rss=0) == totals(rows)


def test_the_five_largest_groups_and_of_equal_ones_the_first() -> None:
    rows = [klog.row(1, rss, name) for name, rss in zip("abcdefg", (1, 3, 3, 9, 3, 3, 3), strict=True)]
    assert [group.comm for group in totals(rows).groups] == ["d", "b", "c", "e", "f"]


def test_names_are_printable() -> None:
    assert totals([klog.row(1, 1, r"\xc3\xa9\x0a")]).groups == (TaskGroup(r"é\x0a", 1, PAGE),)


def test_tasks_that_the_killer_may_not_choose() -> None:
    unkillable = klog.row(1, 5, "sshd").replace("-5 sshd", "-1000 sshd")
    assert totals([unkillable, klog.row(2, 7, "b")]).unkillable_rss == 5 * PAGE
    assert totals(["[    1]     0     1     3383        5   0     -17 x"], OLDEST).unkillable_rss is None


def test_without_a_row_there_are_no_totals() -> None:
    assert table([]).totals() is None
    assert TaskTable().totals() is None
    assert table([klog.row(1, 5, "a" * 16), "[1] x", "[ pid ] a name"]).totals() is None


def test_rows_that_are_no_measurement() -> None:
    rows = [klog.row(1, 2**63 // PAGE, "a"), klog.row(2, 10**19, "b"), klog.row(3, -5, "c"), klog.row(4, 1, "d")]
    assert totals(rows) == TaskTotals(1, PAGE, (TaskGroup("d", 1, PAGE),), unkillable_rss=0)
    most = 2**63 // PAGE - 1
    assert totals([klog.row(1, most, "a"), klog.row(2, most, "a"), klog.row(3, 1, "b")]) == TaskTotals(
        3, None, (TaskGroup("b", 1, PAGE),), unkillable_rss=0
    )


def test_a_table_after_a_gap_gives_no_totals() -> None:
    report = klog.memcg_report()
    (kill,) = klog.kills([*report[:-3], klog.LOST, *report[-3:]])
    assert kill.context.tasks is None


def test_many_names_drop_the_smaller_half() -> None:
    rows = [klog.row(1, 1 + number % 7, f"n{number}") for number in range(MAX_NAMES)]
    assert totals(rows).ungrouped == 0
    found = totals([klog.row(1, 1_000, "large"), *rows, klog.row(1, 1_000, "large")])
    assert found.ungrouped == MAX_NAMES // 2 + 1
    assert found.groups[0] == TaskGroup("large", 2, 2_000 * PAGE)


@given(
    st.lists(st.tuples(st.integers(0, 700), st.integers(0, 9)), max_size=900),
    st.integers(0, 5),
)
def test_every_task_is_in_a_group_or_ungrouped(tasks: list[tuple[int, int]], largest: int) -> None:
    rows = [klog.row(1, rss, f"n{name}") for name, rss in tasks] + [klog.row(1, 10**6, "x")] * largest
    found = table(rows).totals()
    counts, sizes = Counter(f"n{name}" for name, _ in tasks), Counter[str]()
    for name, rss in tasks:
        sizes[f"n{name}"] += rss * PAGE
    counts["x"], sizes["x"] = largest, largest * 10**6 * PAGE
    if found is None:
        assert rows == []
        return
    assert (found.count, found.rss) == (len(rows), sum(sizes.values()))
    for group in found.groups:
        assert counts[group.comm] - found.ungrouped <= group.count <= counts[group.comm]
        assert group.rss <= sizes[group.comm]
        if not found.ungrouped:
            assert (group.count, group.rss) == (counts[group.comm], sizes[group.comm])
    assert not largest or found.groups[0] == TaskGroup("x", largest, sizes["x"])


def rows_of_names(begin: int, end: int) -> list[str]:
    return [klog.row(pid, pid * 7919 % 100_003, f"name{pid}") for pid in range(begin, end)]


def test_a_name_for_each_row_costs_linear_time_and_bounded_memory() -> None:
    def read(number: int) -> tuple[float, int]:
        found = table([])
        gc.collect()
        tracemalloc.start()
        for begin in range(0, number, 1_000):
            for row in rows_of_names(begin, begin + 1_000):
                found.read(row, PAGE)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        rows = rows_of_names(0, number)
        timed, begin_s = table([]), time.process_time()
        for row in rows:
            timed.read(row, PAGE)
        result = timed.totals()
        assert result is not None
        assert (result.count, len(result.groups)) == (number, 5)
        return time.process_time() - begin_s, peak

    (short_s, short), (long_s, long) = read(4_000), read(40_000)
    assert long < 1.2 * short
    assert long < 2**20
    assert long_s < 25 * short_s


@pytest.mark.parametrize("names", [MAX_NAMES, MAX_NAMES + 1, 10 * MAX_NAMES])
def test_a_group_that_holds_most_of_the_memory_is_never_missed(names: int) -> None:
    rows = [klog.row(pid, 2, f"n{pid}") for pid in range(names)]
    for at in range(0, names, 5):
        rows[at] = klog.row(at, 1_000, "gunicorn")
    found = totals(rows)
    assert found.groups[0] == TaskGroup("gunicorn", len(range(0, names, 5)), len(range(0, names, 5)) * 1_000 * PAGE)
