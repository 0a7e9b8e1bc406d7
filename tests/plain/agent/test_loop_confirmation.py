"""Kill lines against the kernel's counter: what it does not have is marked and published, or is no kill."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from support.agent_rig import KILLED, Rig, compared_later, first_checkpoint, kill, line
from support.waiting import eventually

from otel_oom import schema
from otel_oom.kernel.log_source import Lost
from otel_oom.spool.stored_format import dump_checkpoint, load_checkpoint
from otel_oom.totals import Totals


def claim(sequence: int, cause: str = "bpf oom test") -> bytes:
    """A kill line whose cause no version of the agent knows."""
    return kill(sequence, cause=cause)


def marked(rig: Rig) -> list[bool]:
    """Of each kill: whether it is marked as unconfirmed."""
    kills = [event for event in rig.events if event.name == schema.OOM_KILL]
    return [event.attributes.get(schema.IS_UNCONFIRMED.name, False) is True for event in kills]


def settled(rig: Rig) -> Rig:
    """The same rig, whose base is not new."""
    assert rig.counted is not None
    rig.checkpoint = replace(first_checkpoint(), base=rig.counted)
    rig.__post_init__()
    return rig


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Callable[[Rig, float], None]:
    return compared_later(monkeypatch)


def test_a_line_that_the_kernel_did_not_count_is_marked_and_published(later: Callable[[Rig, float], None]) -> None:
    rig = settled(Rig(counted=40))
    with rig.running():
        rig.counted = 41
        rig.source.put(kill(1))
        assert eventually(lambda: rig.kills == {"cgroup": 1})
        rig.source.put(kill(2))
        assert eventually(lambda: rig.kills == {"cgroup": 2})
        rig.counted = 42
        rig.source.put(kill(3))
        assert eventually(lambda: rig.kills == {"cgroup": 3})
        assert rig.spool.totals.unconfirmed == 0, "not before 5 s"
        for _ in range(2):
            later(rig, 5.0)
        assert eventually(lambda: rig.spool.totals.unconfirmed == 1)
        for _ in range(3):
            later(rig, 5.0)
    assert marked(rig) == [False, True, False]
    assert rig.names == [*[schema.OOM_KILL] * 3, schema.UNCONFIRMED]
    assert rig.events[3].attributes[schema.COUNT.name] == 1
    assert rig.spool.checkpoint.base == 40
    assert (rig.spool.totals.unaccounted, rig.spool.totals.unconfirmed) == (0, 1)


def test_a_restart_keeps_what_is_not_published_yet_and_what_was(later: Callable[[Rig, float], None]) -> None:
    first = settled(Rig(counted=40)).run(kill(1))
    assert (marked(first), first.spool.totals.unconfirmed) == ([True], 0)
    second = Rig(counted=40, checkpoint=load_checkpoint(dump_checkpoint(first.spool.checkpoint).encode()))
    for rig in (second, third := Rig(counted=40)):
        if rig is third:
            rig.checkpoint = load_checkpoint(dump_checkpoint(second.spool.checkpoint).encode())
            rig.__post_init__()
        with rig.running():
            for _ in range(3):
                later(rig, 5.0)
        assert rig.spool.totals.unconfirmed == 1
    assert (second.names, third.names) == ([schema.UNCONFIRMED], [])


@pytest.mark.parametrize(
    ("rig", "readings"),
    [
        pytest.param(Rig(counted=40, reads_backlog=True), [kill(1), kill(2)], id="first start, the whole ring"),
        pytest.param(Rig(counted=40), [kill(1)], id="first start, a kill between count and line"),
        pytest.param(Rig(counted=None), [kill(1), kill(2)], id="a kernel without counter"),
        pytest.param(
            Rig(counted=2, reads_backlog=True, checkpoint=replace(first_checkpoint(), cursor=0, base=0)),
            [kill(1), kill(2)],
            id="a new boot",
        ),
        pytest.param(
            Rig(counted=3, checkpoint=replace(first_checkpoint(), cursor=1, first_uncounted=1, base=1)),
            [Lost(4, 9, 1), kill(5)],
            id="a gap",
        ),
        pytest.param(
            Rig(
                counted=3,
                checkpoint=replace(
                    first_checkpoint(),
                    totals=Totals(1).plus("cgroup", 2),
                    cursor=70,
                    first_uncounted=75,
                    base=30,
                    lines=1,
                ),
            ),
            [kill(3)],
            id="set back to a snapshot",
        ),
    ],
)
def test_no_start_finds_a_kill_unconfirmed(rig: Rig, readings: list[Any], later: Callable[[Rig, float], None]) -> None:
    kills = sum(isinstance(reading, bytes) for reading in readings)
    is_set_back = rig.checkpoint is not None and rig.checkpoint.first_uncounted == 75
    rig.source.next_sequence = 3 if is_set_back else None
    rig.source.put(*[] if is_set_back else readings)
    with rig.running():
        if is_set_back:
            rig.counted = 4
            rig.source.put(*readings)
        assert eventually(lambda: rig.names.count(schema.OOM_KILL) == kills)
        for _ in range(4):
            later(rig, 5.0)
    assert not any(marked(rig))
    assert schema.UNCONFIRMED not in rig.names


def test_an_unknown_cause_is_a_kill_if_the_kernel_counted_it() -> None:
    rig = settled(Rig(counted=40))
    rig.source.put(kill(1), claim(2), kill(3))
    rig.counted = 43
    with rig.running():
        assert eventually(lambda: len(rig.events) == 3)
    by_sequence = {event.attributes[schema.KMSG_SEQUENCE.name]: event.attributes for event in rig.events}
    assert by_sequence[2][schema.CONSTRAINT.name] == "bpf oom test"
    assert by_sequence[2][schema.SCOPE.name] == "system"
    assert by_sequence[2][schema.COMM.name] == "victim"
    assert (marked(rig), rig.health.records["refused"]) == ([False] * 3, 0)
    assert (rig.kills, rig.spool.checkpoint.lines) == ({"cgroup": 2, "system": 1}, 3)


def test_an_unknown_cause_in_a_report_of_a_cgroup_has_its_scope_and_owner() -> None:
    summary = (
        "oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,oom_memcg=/a,"
        "task_memcg=/a/b,task=victim,pid=1003,uid=0"
    )
    rig = settled(Rig(counted=40))
    rig.source.put(line("x invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=0", 1))
    rig.source.put(line(summary, 2), claim(3))
    rig.counted = 41
    rig.run()
    (event,) = rig.events
    assert event.attributes[schema.SCOPE.name] == "cgroup"
    assert event.attributes[schema.VICTIM_CGROUP.name] == "/a/b"
    assert event.attributes[schema.CONSTRAINT.name] == "bpf oom test"


@pytest.mark.parametrize("counted", [40, None])
def test_an_unknown_cause_that_the_kernel_did_not_count_is_refused(counted: int | None) -> None:
    rig = settled(Rig(counted=40))
    rig.counted = counted if counted is None else 41
    rig.run(kill(1), claim(2))
    assert rig.kills == {"cgroup": 1}
    assert (rig.names, marked(rig), rig.health.records["refused"]) == ([schema.OOM_KILL], [False], 1)


@pytest.mark.parametrize(
    "text",
    [
        "usb 1-1: Product: {killed}",
        "x[12]: segfault: {killed}",
        "1 bad: {killed}",
        "bpf oom test: {killed} and more",
        "bpf oom test: {killed}: Can't lookup blockdev",
        "b" * 65 + ": {killed}",
        r"bpf\x0aoom: {killed}",
        "bpf oom test: Killed process 12 (x)",
    ],
)
def test_a_text_of_another_form_is_no_kill_even_if_the_counter_has_more(text: str) -> None:
    rig = settled(Rig(counted=40))
    rig.counted = 41
    rig.run(line(text.format(killed=KILLED.format(pid=7)), 1))
    assert (rig.names, rig.kills) == ([], {})


def crashed(rig: Rig) -> Rig:
    """An agent on the spool that the agent of a rig left."""
    checkpoint = load_checkpoint(dump_checkpoint(rig.spool.checkpoint).encode())
    return Rig(counted=rig.counted, checkpoint=checkpoint, reads_backlog=True)


def test_a_crash_right_after_the_first_start_finds_no_kill_unconfirmed(later: Callable[[Rig, float], None]) -> None:
    """A kill that was counted before the base was read, and whose line came after it."""
    first = Rig(counted=40)
    first.open()
    second = crashed(first).run()
    third = crashed(second)
    third.source.put(kill(1))
    with third.running():
        assert eventually(lambda: third.kills == {"cgroup": 1})
        for _ in range(4):
            later(third, 5.0)
    assert (marked(third), third.spool.totals.unconfirmed) == ([False], 0)
    assert (third.spool.checkpoint.base, third.spool.checkpoint.is_new_base) == (39, False)
    fourth = crashed(third).run(kill(2))
    assert marked(fourth) == [True], "the base is no longer new"


def test_lines_stay_reconciled_if_the_counter_cannot_be_read_after_them(monkeypatch: pytest.MonkeyPatch) -> None:
    rig = settled(Rig(counted=40))
    failures = [MemoryError()]

    def kernel_kills() -> int:
        if failures:
            raise failures.pop()
        return 42

    with rig.running() as agent:
        monkeypatch.setattr("otel_oom.agent.comparison_times.MIN_SURPLUS_AGE_S", 60.0)
        monkeypatch.setattr(agent, "_kernel_kills", kernel_kills)
        rig.source.put(kill(1), claim(2))
        assert eventually(lambda: rig.kills == {"cgroup": 1, "system": 1})
    assert (marked(rig), rig.spool.checkpoint.lines) == ([False] * 2, 2)
    assert rig.health.records["refused"] == 0
