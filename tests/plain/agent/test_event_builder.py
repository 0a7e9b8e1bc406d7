"""Events from findings: with what /proc knows, rate-limited, and never lost to a failure on the way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from support.agent_rig import Rig, first_checkpoint, frozen_time, kill, line
from support.waiting import eventually

from otel_oom import schema
from otel_oom.cgroupfs.memory_state import MemoryStates, State
from otel_oom.kernel.oom_kill import OomKill
from otel_oom.machine.victim_cgroup import Glance
from otel_oom.telemetry import kill_event
from otel_oom.telemetry.event import Event, Scalar
from otel_oom.victim_trace.victim_trace import TracedCgroup

FIRST = first_checkpoint()


def test_a_flood_without_a_victim_is_one_event_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr("otel_oom.agent.event_builder.time", frozen_time(now))
    rig = Rig()
    flood = [line("Out of memory and no killable processes...", number) for number in range(1, 903)]
    rig.source.put(*flood)
    with rig.running():
        assert eventually(lambda: rig.health.records["read"] == 902)
        assert eventually(lambda: rig.names == [schema.NO_VICTIM])
        now[0] += 61.0
        rig.source.put(line("Out of memory and no killable processes...", 903))
        assert eventually(lambda: len(rig.events) == 2)
    assert [event.attributes[schema.COUNT.name] for event in rig.events] == [1, 902]
    assert not rig.kills


@pytest.mark.parametrize("error", [ValueError("bug"), MemoryError(), RecursionError(), OSError("/proc")])
def test_a_kill_is_shipped_without_what_could_not_be_looked_up(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    def look(victim: OomKill) -> Mapping[str, Scalar]:
        if victim.pid == 1002:
            raise error
        return {schema.PARENT_PID.name: 1}

    rig = Rig(look=look).run(kill(1), kill(2), kill(3))
    assert [schema.PARENT_PID.name in event.attributes for event in rig.events] == [True, False, True]
    assert rig.kills == {"cgroup": 3}
    assert rig.health.records["malformed"] == 1
    assert f"was not understood: {error!r}" in caplog.text


def test_a_kill_counts_even_if_no_event_can_be_made_of_it(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    make = kill_event.kill_event

    def failing(victim: OomKill, *arguments: Any) -> Event:
        if victim.pid == 1002:
            raise ValueError("bug")
        return make(victim, *arguments)

    monkeypatch.setattr(kill_event, "kill_event", failing)
    rig = Rig().run(kill(1), kill(2), kill(3))
    assert (len(rig.events), rig.kills) == (2, {"cgroup": 3})
    assert rig.health.records["malformed"] == 1, "the record, not each try"
    assert "bug in the event builder, which continues: ValueError('bug')" in caplog.text
    rig = Rig().run(kill(2))
    assert (len(rig.events), rig.kills) == (0, {"cgroup": 1}), "alone as well"


@pytest.mark.parametrize(
    ("previous_pid", "names"),
    [
        (1075, [schema.OOM_KILL, schema.AGENT_KILLED, schema.OOM_KILL]),
        (1077, [schema.OOM_KILL, schema.OOM_KILL]),
        (0, [schema.OOM_KILL, schema.OOM_KILL]),
    ],
)
def test_the_agent_before_this_one_was_a_victim(previous_pid: int, names: list[str]) -> None:
    stored = replace(FIRST, cursor=70, first_uncounted=75)
    rig = Rig(checkpoint=stored, reads_backlog=True, previous_pid=previous_pid).run(kill(75), kill(76))
    assert rig.names == names
    acknowledged = [event for event in rig.events if event.name == schema.AGENT_KILLED]
    for event in acknowledged:
        assert event.attributes[schema.PID.name] == previous_pid
        assert event.uid != rig.events[0].uid
        assert set(event.attributes) <= {one.name for one in schema.ATTRIBUTES if schema.AGENT_KILLED in one.events}
    assert rig.kills == {"cgroup": 2}, "it is one kill"


def test_a_pid_that_is_used_again_is_not_the_agent() -> None:
    again = kill(76).replace(b"1076", b"1075")
    rig = Rig(checkpoint=FIRST, reads_backlog=True, previous_pid=1075).run(kill(75), again)
    assert rig.names.count(schema.AGENT_KILLED) == 1
    live = Rig(checkpoint=FIRST, previous_pid=1075)
    with live.running():
        live.source.put(kill(75))
    assert live.names == [schema.OOM_KILL], "nor is one that was killed after the start"


class States(MemoryStates):
    """Knows each cgroup, and says which one it was asked for, and in which batch."""

    def __init__(self, failure: Exception | None = None) -> None:
        self.batches = 0
        self.failure = failure
        super().__init__(None)

    def begin_batch(self) -> None:
        self.batches += 1

    def of(self, limit: str | None, victim: str | None) -> State:
        if self.failure:
            raise self.failure
        return {schema.MEMCG_READ_FROM.name: f"{limit} {victim}", schema.MEMCG_MAX.name: self.batches}


def asked(rig: Rig) -> list[Any]:
    return [event.attributes.get(schema.MEMCG_READ_FROM.name) for event in rig.events]


DYING = Glance(b"0::/docker/x", f"1 (victim) Z {' '.join(['0'] * 48 + ['9'])}".encode())
SUMMARY = "oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,oom_memcg=/a,"
REPORT = (
    line("x invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=0", 1),
    line(f"{SUMMARY}task_memcg=/a/b,task=victim,pid=1003,uid=0", 2),
)


def test_the_state_is_that_of_the_cgroup_in_the_report_else_of_the_victims() -> None:
    rig = Rig(memory_states=States(), glance=lambda pid: None if pid == 1005 else DYING)
    rig.run(*REPORT, kill(3), kill(4), kill(5))
    assert asked(rig) == ["/a /a/b", "None /docker/x", "None None"]
    traced = Rig(memory_states=States(), traced=lambda _: TracedCgroup("/traced", ("traced",))).run(kill(3))
    assert asked(traced) == ["None /traced"]


def test_a_backlog_takes_no_state_of_today() -> None:
    assert asked(Rig(memory_states=States(), reads_backlog=True).run(*REPORT, kill(3))) == [None]


def test_kills_that_were_read_together_are_one_batch_of_looks() -> None:
    rig = Rig(memory_states=States())
    with rig.running():
        rig.source.put(kill(1), kill(2))
        assert eventually(lambda: len(rig.events) == 2)
        rig.source.put(kill(3))
    batches = [event.attributes[schema.MEMCG_MAX.name] for event in rig.events]
    assert len(set(batches)) > 1
    assert batches[2] not in batches[:2]


@pytest.mark.parametrize("error", [ValueError("bug"), MemoryError()])
def test_a_look_at_a_cgroup_that_fails_costs_nothing_else(error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    rig = Rig(memory_states=States(error), look=lambda _: {schema.PARENT_PID.name: 1}).run(kill(1), kill(2))
    assert [event.attributes.get(schema.PARENT_PID.name) for event in rig.events] == [1, 1]
    assert rig.health.records["malformed"] == 0
    assert caplog.text.count(f"bug in the look at a cgroup, which continues: {error!r}") == 1, "one line a minute"
