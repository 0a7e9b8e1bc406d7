"""The cgroups of victims without a report: from the kernel's trace events, /proc, and kill counters."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from support.agent_rig import Rig, kill, line
from support.waiting import eventually

from otel_oom import schema
from otel_oom.agent.read_batch import ReadBatch
from otel_oom.agent.victim_cgroups import UNKNOWN, VictimCgroup, VictimCgroups
from otel_oom.cgroupfs.counted_cgroups import CountedCgroups, NoCounters
from otel_oom.health import Health
from otel_oom.kernel import kmsg_record
from otel_oom.kernel.kill_assembler import Assembler
from otel_oom.kernel.oom_kill import Finding, OomKill
from otel_oom.machine.victim_cgroup import Glance
from otel_oom.victim_trace.traced_line import TracedRecord
from otel_oom.victim_trace.victim_trace import TracedCgroup

CONTAINER = "ab" * 32
OWNER = (schema.VICTIM_CGROUP.name, schema.VICTIM_CGROUP_SOURCE.name, schema.CONTAINER_ID.name)


def dying(pid: int) -> Glance:
    """What /proc has of a victim in a container."""
    fields = ["0"] * 48 + ["9"]
    return Glance(b"0::/docker/" + CONTAINER.encode(), f"{pid} (victim) Z {' '.join(fields)}".encode())


def owners(rig: Rig) -> list[tuple[Any, ...]]:
    return [tuple(event.attributes.get(name) for name in OWNER) for event in rig.events]


def test_the_cgroup_of_a_victim_without_a_report_is_that_of_proc() -> None:
    summary = (
        "oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,oom_memcg=/a,"
        "task_memcg=/a/b,task=victim,pid=1003,uid=0"
    )
    opener = line("x invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=0", 1)
    rig = Rig(glance=lambda pid: None if pid == 1005 else dying(pid)).run(
        opener, line(summary, 2), kill(3), kill(4), kill(5)
    )
    assert owners(rig) == [
        ("/a/b", "report", None),
        (f"/docker/{CONTAINER}", "proc", CONTAINER),
        (None, None, None),
    ]


def test_a_backlog_takes_nothing_from_proc() -> None:
    """Its victims are gone, and their pids may be used again."""
    rig = Rig(glance=dying, reads_backlog=True).run(kill(1))
    assert owners(rig) == [(None, None, None)]


POD = "8f3c2a1e_77aa_4b3c_9d2e_0123456789ab"
NAMES = ("kubepods-burstable.slice", f"kubepods-burstable-pod{POD}.slice", f"cri-containerd-{'cd' * 32}.scope")
TRACED = TracedCgroup("/kubepods.slice/" + "/".join(NAMES), NAMES)
REMOVED = TracedCgroup(None, NAMES)


@pytest.mark.parametrize("is_backlog", [False, True])
def test_the_cgroup_of_the_trace_event_is_preferred_to_that_of_proc(*, is_backlog: bool) -> None:
    """The kernel records it also while no agent runs."""
    rig = Rig(glance=dying, traced=lambda _: TRACED, reads_backlog=is_backlog).run(kill(1))
    assert owners(rig) == [(TRACED.path, "tracefs", "cd" * 32)]


def test_of_a_removed_cgroup_the_last_names_give_container_and_pod_but_no_path() -> None:
    rig = Rig(traced=lambda _: REMOVED, reads_backlog=True).run(kill(1))
    assert owners(rig) == [(None, None, "cd" * 32)]
    assert rig.events[0].attributes[schema.POD_UID.name] == POD.replace("_", "-")


def test_a_bare_id_below_unknown_names_may_be_a_pods() -> None:
    names = ("ab" * 32, "x", "y")
    assert owners(Rig(traced=lambda _: TracedCgroup(None, names)).run(kill(1))) == [(None, None, None)]
    assert owners(Rig(traced=lambda _: TracedCgroup(None, ("x", *names[:1]))).run(kill(1)))[0][2] == "ab" * 32


def test_a_path_from_proc_says_more_than_the_last_names() -> None:
    rig = Rig(glance=dying, traced=lambda _: REMOVED).run(kill(1))
    assert owners(rig) == [(f"/docker/{CONTAINER}", "proc", CONTAINER)]


def test_each_kill_uses_up_its_trace_event_also_if_the_kernel_printed_a_report() -> None:
    asked = []

    def traced(victim: OomKill) -> TracedCgroup:
        asked.append(victim.pid)
        return TRACED

    opener = line("x invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=0", 1)
    summary = "oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,oom_memcg=/a,"
    rig = Rig(traced=traced).run(opener, line(f"{summary}task_memcg=/a/b,task=victim,pid=1003,uid=0", 2), kill(3))
    assert (owners(rig), asked) == ([("/a/b", "report", None)], [1003])


def test_a_trace_that_fails_costs_no_kill(caplog: pytest.LogCaptureFixture) -> None:
    def fail(_: OomKill) -> None:
        raise OSError("the ring")

    rig = Rig(traced=fail).run(kill(1))
    assert owners(rig) == [(None, None, None)]
    assert rig.kills == {"cgroup": 1}
    assert "the ring" in caplog.text


class Counted(CountedCgroups):
    """Names each victim without a name, or fails. asked: with what; looks: when nothing was killed."""

    def __init__(self, error: Exception | None = None) -> None:
        self._error = error
        self.asked: list[tuple[int, Mapping[int, str | None]]] = []
        self.looks: list[tuple[int, int]] = []

    def find(self, lines: int, kills: Mapping[int, str | None]) -> dict[int, str]:
        self.asked.append((lines, kills))
        if self._error:
            raise self._error
        return {sequence: f"/docker/{CONTAINER}" for sequence, path in kills.items() if path is None}

    def look(self, lines: int, counted: int) -> None:
        self.looks.append((lines, counted))
        if self._error:
            raise self._error


def test_the_kill_counters_are_asked_for_all_kills_that_were_read_together() -> None:
    counted = Counted()
    rig = Rig(glance=lambda pid: dying(pid) if pid == 1001 else None, counted_cgroups=counted).run(
        kill(1), kill(2), kill(3)
    )
    assert owners(rig) == [
        (f"/docker/{CONTAINER}", "proc", CONTAINER),
        (f"/docker/{CONTAINER}", "counter", CONTAINER),
        (f"/docker/{CONTAINER}", "counter", CONTAINER),
    ]
    assert counted.asked == [(3, {1: f"/docker/{CONTAINER}", 2: None, 3: None})]


def test_kills_with_a_report_are_taken_away_by_its_path() -> None:
    counted = Counted()
    opener = line("x invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=0", 1)
    summary = "oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,oom_memcg=/a,"
    rig = Rig(counted_cgroups=counted).run(
        opener, line(f"{summary}task_memcg=/a/b,task=victim,pid=1003,uid=0", 2), kill(3), kill(4)
    )
    assert owners(rig) == [("/a/b", "report", None), (f"/docker/{CONTAINER}", "counter", CONTAINER)]
    assert counted.asked == [(2, {3: "/a/b", 4: None})]


def test_a_backlog_has_no_kill_counters() -> None:
    """They may have moved since."""
    counted = Counted()
    assert owners(Rig(counted_cgroups=counted, reads_backlog=True).run(kill(1))) == [(None, None, None)]
    assert not counted.asked


def test_kill_counters_are_looked_at_after_the_kernels_counter() -> None:
    counted = Counted()
    rig = Rig(counted=7, counted_cgroups=counted)
    with rig.running():
        assert eventually(lambda: counted.looks == [(0, 7)])


def test_why_kill_counters_are_not_read_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    cgroups = VictimCgroups(Health(), counted=NoCounters("no mount"))
    with caplog.at_level(logging.INFO):
        cgroups.look(0, 7)
        cgroups.look(0, 7)
    assert caplog.messages == ["kill counters of cgroups are not read: no mount"]
    assert cgroups.find(ReadBatch(), 0, is_backlog=False) == []


def test_kill_counters_that_fail_cost_no_kill(caplog: pytest.LogCaptureFixture) -> None:
    rig = Rig(counted=7, counted_cgroups=Counted(OSError("the counters")))
    with rig.running():
        assert eventually(lambda: "bug in the reading of kill counters" in caplog.text)
        rig.source.put(kill(1))
        assert eventually(lambda: owners(rig) == [(None, None, None)])
    assert rig.kills == {"cgroup": 1}


def test_a_kill_whose_line_the_log_lost_is_none_of_the_lines_that_were_read() -> None:
    """It has no number, and it is of an earlier moment."""
    assembler = Assembler("boot", 4096)
    findings: list[Finding] = []
    for number in (1, 2):
        record = kmsg_record.parse(kill(number))
        assert isinstance(record, kmsg_record.Record)
        findings += assembler.feed(record, 1)
    first, second = (one for one in (*findings, *assembler.release_held()) if isinstance(one, OomKill))
    lost = TracedRecord(3, -1, 1, "-", first.record.text, is_backlog=False)
    batch = ReadBatch(findings=[replace(first, record=lost), second])
    batch.glances[-1] = dying(1001)
    counted = Counted()
    found = VictimCgroups(Health(), counted=counted).find(batch, 1, is_backlog=False)
    assert found == [UNKNOWN, VictimCgroup(f"/docker/{CONTAINER}", "counter")]
    assert counted.asked == [(1, {2: None})]
