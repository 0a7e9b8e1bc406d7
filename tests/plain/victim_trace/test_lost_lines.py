"""Which traced kill lines the log lost, and which of them are kills."""

from __future__ import annotations

import pytest
from support import klog

from otel_oom.kernel.kill_line import KillLine
from otel_oom.victim_trace.lost_lines import MIN_AGE_S, LostLines
from otel_oom.victim_trace.traced_line import TracedLine

S = 10**9
MS = 10**6


def line(pid: int, time_ns: int = S, comm: str = "java") -> TracedLine:
    return TracedLine(time_ns, klog.killed(pid, comm))


class Marks:
    """When which pid was marked, ns. A pid that is marked more than once has its newest mark before a line."""

    def __init__(self, *marks: tuple[int, int]) -> None:
        self.marks = marks

    def __call__(self, kill: KillLine, of: TracedLine) -> int | None:
        return max((at for pid, at in self.marks if pid == kill.pid and at <= of.time_ns), default=None)


def of_lines(*lines: TracedLine) -> Marks:
    return Marks(*((parsed.pid, one.time_ns - 1) for one in lines if (parsed := one.parsed())))


def lost_after(*lines: TracedLine, marks: Marks, is_backlog: bool = False) -> list[tuple[int, bool]]:
    """Read the lines, lose records, wait. Returns pid, and whether it is a repeat."""
    held = LostLines()
    held.add(lines, 10.0)
    held.log_lost(10.0, is_backlog=is_backlog)
    return [(one.kill.pid, one.is_repeat) for one in held.take(10.0 + MIN_AGE_S, marks)]


def test_a_line_whose_record_does_not_come_after_a_loss_is_lost() -> None:
    held = LostLines()
    first, second = line(1), line(2, 2 * S)
    marks = of_lines(first, second)
    held.add([second, first], 10.0)
    assert held.take(100.0, marks) == [], "no record was lost"
    held.log_lost(100.0, is_backlog=False)
    assert [one.line for one in held.take(100.0, marks)] == [first, second]
    assert held.take(200.0, marks) == [], "once"


def test_a_line_that_was_read_right_now_may_still_come() -> None:
    held = LostLines()
    held.add([line(1)], 10.0)
    held.log_lost(10.0, is_backlog=False)
    assert held.take(9.9 + MIN_AGE_S, of_lines(line(1))) == []
    assert len(held.take(10.0 + MIN_AGE_S, of_lines(line(1)))) == 1


def test_a_line_that_was_read_after_the_loss_is_not_lost() -> None:
    held = LostLines()
    held.log_lost(10.0, is_backlog=False)
    held.add([line(1)], 11.0)
    assert held.take(100.0, of_lines(line(1))) == []
    held.log_lost(101.0, is_backlog=False)
    assert len(held.take(101.0, of_lines(line(1)))) == 1, "another loss"


@pytest.mark.parametrize(
    ("log_ns", "is_lost"),
    [
        pytest.param(S, False, id="at once"),
        pytest.param(S - 50 * MS, False, id="an interrupt came in between"),
        pytest.param(S + 999, False, id="the time of the log is cut"),
        pytest.param(S - 50 * MS - 1, True, id="another one, before it"),
        pytest.param(S + 1_000, True, id="another one, after it"),
    ],
)
def test_a_line_whose_record_came_is_not_lost(log_ns: int, *, is_lost: bool) -> None:
    held = LostLines()
    held.add([line(1)], 10.0)
    held.came(klog.killed(2, "java"), log_ns)
    held.came(klog.killed(1, "java"), log_ns)
    held.log_lost(10.0, is_backlog=False)
    assert (len(held.take(20.0, of_lines(line(1)))) == 1) == is_lost


def test_two_equal_lines_need_two_records() -> None:
    held = LostLines()
    held.add([line(1), line(1, S + MS)], 10.0)
    held.came(line(1).text, S)
    held.log_lost(10.0, is_backlog=False)
    assert [one.line.time_ns for one in held.take(20.0, of_lines(line(1, S + MS)))] == [S + MS]


def test_only_a_marked_process_was_killed() -> None:
    """A program wrote the first one to the log; the second mark is of a process that was already exiting."""
    assert lost_after(line(1), line(2), marks=Marks((2, S - 1), (3, S - 1))) == [(2, False)]
    assert lost_after(TracedLine(S, "a program: Killed process"), marks=Marks((1, S))) == []


def test_a_group_prints_its_first_victim_twice_and_marks_it_once() -> None:
    lines = (line(1), line(2, S + MS), line(1, S + 2 * MS))
    assert lost_after(*lines, marks=of_lines(*lines[:2])) == [(1, False), (2, False), (1, True)]
    late = line(1, S + 5 * S + 1)
    assert lost_after(line(1), late, marks=of_lines(line(1))) == [(1, False)], "nobody knows what it is"


def test_a_pid_that_is_used_again_has_a_mark_of_its_own() -> None:
    lines = (line(1), line(1, S + 2 * MS, "node"))
    assert lost_after(*lines, marks=of_lines(*lines)) == [(1, False), (1, False)]


def test_lines_from_before_the_agent_are_its_backlog() -> None:
    held = LostLines()
    held.add([line(1)], 10.0)
    held.log_lost(10.0, is_backlog=True)
    held.add([line(2, 2 * S)], 11.0)
    held.log_lost(11.0, is_backlog=False)
    lost = held.take(20.0, of_lines(line(1), line(2, 2 * S)))
    assert [(one.kill.pid, one.is_backlog) for one in lost] == [(1, True), (2, False)]


def test_discarded_lines_are_older_than_the_counting() -> None:
    held = LostLines()
    held.add([line(1)], 10.0)
    held.discard()
    held.log_lost(10.0, is_backlog=False)
    assert held.take(20.0, of_lines(line(1))) == []


def test_what_is_held_is_bounded_and_the_oldest_go_first() -> None:
    lines = [line(pid, S + pid) for pid in range(1, 3_001)]
    found = lost_after(
        *lines, *[line(9_000, S + at) for at in range(100)], marks=Marks(*((pid, 0) for pid in range(9_001)))
    )
    pids = [pid for pid, _ in found]
    assert pids.count(9_000) == 8
    assert sorted(set(pids)) == [*range(3_001 - 2_047, 3_001), 9_000]
