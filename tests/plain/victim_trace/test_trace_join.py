"""Which traced victim belongs to a kill line. A pid is used again, and a name is chosen."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_oom.victim_trace.trace_join import MAX_BEFORE_NS, TraceJoin
from otel_oom.victim_trace.traced_victim import TracedVictim

MS = 1_000_000
LINE_NS = 10**13


def traced(before_ns: int, pid: int = 7, comm: str | None = "java", cgroup: int = 1) -> TracedVictim:
    return TracedVictim(LINE_NS - before_ns, pid, comm, cgroup_id=cgroup, cgroup_level=1, cgroup_names=(f"c{cgroup}",))


def join(*victims: TracedVictim) -> TraceJoin:
    made = TraceJoin()
    made.add(victims)
    return made


@pytest.mark.parametrize("before_ns", [-999, 0, 1, MAX_BEFORE_NS])
def test_a_victim_marked_right_before_the_line_is_its_victim(before_ns: int) -> None:
    assert join(traced(before_ns)).take(7, "java", LINE_NS) == traced(before_ns)


@pytest.mark.parametrize("names", [("java", None), (None, "java"), (None, None)])
def test_an_unknown_name_fits_any(names: tuple[str | None, str | None]) -> None:
    assert join(traced(5, comm=names[0])).take(7, names[1], LINE_NS) is not None


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(traced(MAX_BEFORE_NS + 1), id="long before"),
        pytest.param(traced(-1_000), id="after the line"),
        pytest.param(traced(5, pid=8), id="another pid"),
        pytest.param(traced(5, comm="node"), id="another name"),
    ],
)
def test_another_victim_is_not_taken(other: TracedVictim) -> None:
    assert join(other).take(7, "java", LINE_NS) is None


def test_of_a_pid_that_was_used_again_the_newest_victim_before_the_line_is_taken() -> None:
    victims = [traced(30 * MS, cgroup=1), traced(5, cgroup=2), traced(-20 * MS, cgroup=3)]
    for order in (victims, victims[::-1]):
        taken = join(*order).take(7, "java", LINE_NS)
        assert taken is not None
        assert taken.cgroup_id == 2


def test_a_victim_is_used_once() -> None:
    joined = join(traced(5))
    assert joined.take(7, "java", LINE_NS) is not None
    assert joined.take(7, "java", LINE_NS) is None


def test_the_two_events_of_a_victim_are_one_also_if_they_are_read_apart() -> None:
    mark, probe = TracedVictim(LINE_NS - 10, 7, "java", total_vm=4096), traced(9)
    for first, second in ((mark, probe), (probe, mark)):
        joined = join(first, traced(9, pid=8))
        joined.add([second])
        taken = joined.take(7, "java", LINE_NS)
        assert taken is not None
        assert (taken.total_vm, taken.cgroup_id) == (4096, 1)
        assert joined.take(7, "java", LINE_NS) is None


def test_a_victim_without_a_line_stays_until_its_line_comes() -> None:
    joined = join(traced(0, pid=1), traced(0, pid=2))
    joined.take(1, "java", LINE_NS)
    joined.take(3, "java", LINE_NS + 3600 * 10**9)
    assert joined.find(2, "java", LINE_NS) == joined.find(2, "java", LINE_NS) == traced(0, pid=2)
    assert joined.take(2, "java", LINE_NS) == traced(0, pid=2)
    assert joined.find(2, "java", LINE_NS) is None


def test_what_waits_is_bounded_and_the_oldest_go_first() -> None:
    joined = join(*(traced(-pid, pid=pid) for pid in range(3_000)), *(traced(-at, pid=9_000) for at in range(9)))
    assert joined.take(2_999, "java", LINE_NS + 2_999) is not None
    assert joined.take(3_000 - 2_047, "java", LINE_NS + 3_000 - 2_047) is not None
    assert joined.take(3_000 - 2_048, "java", LINE_NS + 3_000 - 2_048) is None
    of_one_pid = [joined.take(9_000, "java", LINE_NS + 9) for _ in range(9)]
    assert of_one_pid == [*(traced(-at, pid=9_000) for at in range(8, 0, -1)), None]


@given(st.data())
def test_pids_that_are_used_again_at_once_give_no_wrong_cgroup(data: st.DataObject) -> None:
    """Three pids, two names. The kernel marks, then prints; the ring or the log may have lost any of it.

    At most eight kills: so many of one pid are kept, see the bound above.
    """
    joined = TraceJoin()
    now_ns = LINE_NS
    right: dict[int, TracedVictim] = {}
    lines: list[int] = []
    for number in range(data.draw(st.integers(1, 8))):
        now_ns += data.draw(st.integers(0, 80)) * MS + 1_000_000
        victim = replace(traced(0, comm=data.draw(st.sampled_from(["java", "node"]))), time_ns=now_ns)
        victim = replace(victim, pid=data.draw(st.integers(1, 3)), cgroup_id=number)
        is_lost = data.draw(st.booleans())
        now_ns += data.draw(st.integers(0, 500_000))
        if not is_lost:
            joined.add([victim])
        if data.draw(st.booleans()) and not is_lost:
            right[now_ns] = victim
            lines.append(now_ns)
    for line_ns in lines:
        wanted = right[line_ns]
        taken = joined.take(wanted.pid, wanted.comm, line_ns)
        assert taken in {None, wanted}
        assert taken == wanted or line_ns != lines[0], "the first line finds its victim"
