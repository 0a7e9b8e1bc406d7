"""Kills whose lines the kernel log lost, and its trace has: delivered if the kernel's counter has all of them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from support import klog
from support.agent_rig import Rig, compared_later, first_checkpoint, kill, line
from support.waiting import eventually

from otel_oom import schema
from otel_oom.cgroupfs import memory_files
from otel_oom.cgroupfs.memory_files import MemoryFile
from otel_oom.cgroupfs.memory_state import MemoryStates
from otel_oom.kernel.kill_facts import interpret
from otel_oom.kernel.log_source import Closed, Lost
from otel_oom.kernel.oom_kill import OomKill
from otel_oom.telemetry.event import Event
from otel_oom.victim_trace.trace_ring import Traced
from otel_oom.victim_trace.traced_line import TracedLine, traced_record
from otel_oom.victim_trace.traced_victim import TracedVictim
from otel_oom.victim_trace.victim_trace import LostKills, TracedCgroup, VictimTrace

CGROUP = TracedCgroup("/system.slice/a.service", ("system.slice", "a.service"))


def lost_kill(pid: int, *, is_backlog: bool = False) -> OomKill:
    traced = TracedLine(5_000_000, klog.killed(pid))
    parsed = traced.parsed()
    assert parsed is not None
    record = traced_record(traced, is_backlog=is_backlog)
    return interpret(parsed, None, record=record, observed_ns=7, boot_id="boot")


@dataclass
class Trace:
    """Has lost kills from the second look on, as a trace that waits for their lines."""

    lost: LostKills
    looks: int = 0
    losses: list[bool] = field(default_factory=list)

    def find(self, _kill: OomKill) -> TracedCgroup:
        return CGROUP

    def log_lost(self, *, is_backlog: bool) -> None:
        self.losses.append(is_backlog)

    def take_lost(self, _read: Iterable[OomKill], _boot_id: str, _observed_ns: int) -> LostKills:
        self.looks += 1
        return self.lost if self.looks == 2 else LostKills()


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Callable[[Rig, float], None]:
    return compared_later(monkeypatch)


def rig_with(trace: Trace, *, counted: int) -> Rig:
    """An agent whose kernel counted more kills than its log shows. Its base is not new."""
    rig = Rig(counted=40 + counted, trace=trace, traced=trace.find)
    rig.checkpoint = replace(first_checkpoint(), base=40)
    rig.__post_init__()
    return rig


def kills_of(rig: Rig) -> list[Event]:
    return [event for event in rig.events if event.name == schema.OOM_KILL]


@pytest.mark.parametrize(
    ("lines", "counted", "kills", "unaccounted"),
    [
        pytest.param(2, 2, 2, 0, id="all of them are counted"),
        pytest.param(2, 5, 2, 3, id="the trace lost some as well"),
        pytest.param(3, 3, 2, 0, id="the first one of a group is counted twice"),
        pytest.param(2, 1, 0, 1, id="one is not counted, and nobody knows which"),
    ],
)
def test_they_are_delivered_if_the_counter_has_all_of_them(
    later: Callable[[Rig, float], None], lines: int, counted: int, kills: int, unaccounted: int
) -> None:
    rig = rig_with(Trace(LostKills((lost_kill(1), lost_kill(2)), lines)), counted=counted)
    with rig.running():
        for _ in range(4):
            later(rig, 5.0)
    assert len(kills_of(rig)) == kills
    assert rig.spool.checkpoint.totals.kills == ({"cgroup": kills} if kills else {})
    assert rig.spool.checkpoint.totals.unaccounted == unaccounted
    assert rig.spool.checkpoint.lines == (lines if kills else 0)


@pytest.mark.parametrize("is_backlog", [True, False])
def test_the_record_says_where_its_text_comes_from(
    later: Callable[[Rig, float], None], tmp_path: Path, *, is_backlog: bool
) -> None:
    """Its victim is not looked up in /proc: the pid may be another process by now. Nor is the cgroup."""
    rig = rig_with(Trace(LostKills((lost_kill(1, is_backlog=is_backlog),), 1)), counted=1)
    rig.look = lambda _: {schema.PARENT_PID.name: 9}
    (tmp_path / "pressure").write_text("some avg10=1.00\n")
    rig.memory_states = MemoryStates(None, MemoryFile(str(tmp_path / "pressure"), memory_files.MACHINE.parse))
    with rig.running():
        later(rig, 5.0)
    (event,) = kills_of(rig)
    names = (
        *(schema.IS_FROM_TRACE, schema.REPORT, schema.RECORD_ORIGINAL, schema.KMSG_TIMESTAMP),
        *(schema.VICTIM_CGROUP_SOURCE, schema.UNIT, schema.KMSG_SEQUENCE, schema.KMSG_SKEW, schema.PARENT_PID),
        schema.PRESSURE_SOME_AVG10,
    )
    assert [event.attributes.get(one.name) for one in names] == [
        *(True, "suppressed", klog.killed(1), 0.005),
        *("tracefs", "a.service", None, None, None, None),
    ]
    assert event.attributes.get(schema.BACKLOG.name, False) == is_backlog
    assert event.observed_ns == 7


def test_a_lost_kill_of_the_agent_itself_is_reported(later: Callable[[Rig, float], None]) -> None:
    rig = rig_with(Trace(LostKills((lost_kill(77, is_backlog=True),), 1)), counted=1)
    rig.previous_pid = 77
    with rig.running():
        later(rig, 5.0)
    (event,) = [event for event in rig.events if event.name == schema.AGENT_KILLED]
    assert schema.KMSG_SEQUENCE.name not in event.attributes


@pytest.mark.parametrize("reads_backlog", [True, False])
def test_the_trace_is_told_of_each_loss(later: Callable[[Rig, float], None], *, reads_backlog: bool) -> None:
    trace = Trace(LostKills())
    rig = rig_with(trace, counted=1)
    rig.reads_backlog = reads_backlog
    rig.source.put(Lost(3, time.time_ns(), 1), kill(4))
    with rig.running():
        later(rig, 5.0)
        assert trace.losses == [reads_backlog]
        rig.source.put(Lost(3, time.time_ns(), 5), line("x", 8))
        later(rig, 5.0)
        assert trace.losses == [reads_backlog, False]


def test_records_that_were_counted_before_a_restart_are_no_loss(later: Callable[[Rig, float], None]) -> None:
    trace = Trace(LostKills())
    rig = rig_with(trace, counted=1)
    assert rig.checkpoint is not None
    rig.checkpoint = replace(rig.checkpoint, first_uncounted=4)
    rig.__post_init__()
    rig.source.put(Lost(3, time.time_ns(), 1), kill(4))
    with rig.running():
        later(rig, 5.0)
    assert trace.losses == []


class Ring:
    """Has the mark and the line of one victim."""

    def __init__(self, *, line_ns: int = 5_000_000) -> None:
        self.was_read = False
        self.events: list[Traced] = [TracedVictim(line_ns - 5, 1, "vic"), TracedLine(line_ns, klog.killed(1))]

    @property
    def has_missed(self) -> bool:
        self.was_read = True  # it is asked when what was read is kept
        return False

    def read_until(self, _time_ns: float) -> list[Traced]:
        events, self.events = self.events, []
        return events

    def overwritten(self) -> int:
        return 0


def test_a_lost_kill_is_found_before_it_is_published_as_unaccounted(later: Callable[[Rig, float], None]) -> None:
    """A slow machine reads the trace half a second after its turn began."""
    now, ring = [1000.0], Ring()
    trace = VictimTrace(ring, None, clock_s=lambda: max(now[0], 1000.5))
    rig = Rig(counted=41, trace=trace, traced=trace.find)
    rig.checkpoint = replace(first_checkpoint(), base=40)
    rig.__post_init__()
    rig.source.put(Lost(3, time.time_ns(), 1), line("x", 4))
    with rig.running():
        assert eventually(lambda: ring.was_read)
        for _ in range(3):
            now[0] += 5.0
            later(rig, 5.0)
    assert len(kills_of(rig)) == 1
    assert rig.spool.checkpoint.totals.unaccounted == 0


@pytest.mark.parametrize("counted", [pytest.param(1, id="quiet"), pytest.param(2, id="while a kill is in progress")])
def test_a_line_that_comes_after_a_pause_is_not_lost(counted: int) -> None:
    """The agent stood still after a loss. So the rest of the log is read right before the lost lines are taken."""
    now = [1000.0]
    (parsed,) = klog.kills([klog.killed(1)])
    trace = VictimTrace(Ring(line_ns=4 * 100_000), None, clock_s=lambda: now[0])
    rig = Rig(counted=40 + counted, trace=trace, traced=trace.find)
    rig.checkpoint = replace(first_checkpoint(), base=40)
    rig.__post_init__()
    rig.source.put(Lost(2, time.time_ns(), 1), line("x", 3))
    agent = rig.open()
    agent.replay_backlog()
    now[0] += 5.0
    rig.source.put(line(parsed.record.text, 4, 3))
    thread = threading.Thread(target=agent.run)
    thread.start()
    assert eventually(lambda: kills_of(rig))
    agent.stop()
    thread.join(10)
    assert len(kills_of(rig)) == 1


def test_while_the_device_is_closed_no_line_is_lost() -> None:
    """Records that were not read may still be in the log."""
    trace = Trace(LostKills())
    rig = rig_with(trace, counted=1)
    rig.source.put(Closed("no such device"))
    agent = rig.open()
    thread = threading.Thread(target=agent.run)
    thread.start()
    assert eventually(lambda: rig.health.down_reasons == {"no such device"})
    agent.stop()
    thread.join(10)
    assert trace.looks == 0
