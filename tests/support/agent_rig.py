"""An agent over a scripted source, without a sender: what it makes of readings can be looked at."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from support.sources import Script
from support.waiting import eventually

from otel_oom.agent.event_builder import EventBuilder
from otel_oom.agent.log_opening import open_log
from otel_oom.agent.loop import Agent
from otel_oom.agent.reconciliation import MIN_SURPLUS_AGE_S, Reconciliation
from otel_oom.agent.trace_opening import NO_TRACE, Trace
from otel_oom.agent.victim_cgroups import VictimCgroups
from otel_oom.cgroupfs.counted_cgroups import CountedCgroups
from otel_oom.cgroupfs.memory_state import MemoryStates
from otel_oom.health import Health
from otel_oom.kernel.log_source import Clock
from otel_oom.kernel.oom_kill import OomKill
from otel_oom.machine.fork_detection import ForkDetection
from otel_oom.machine.identity import MachineIdentity
from otel_oom.machine.victim_cgroup import Look, no_glance
from otel_oom.spool.checkpoint import Checkpoint
from otel_oom.spool.spool import Spool
from otel_oom.telemetry.event import Event, Scalar
from otel_oom.totals import ResourceIdentity, Totals
from otel_oom.victim_trace.victim_trace import TracedCgroup

KILLED = (
    "Killed process {pid} (victim) total-vm:8kB, anon-rss:4kB, file-rss:0kB, shmem-rss:0kB, UID:0 pgtables:4kB "
    "oom_score_adj:0"
)

IDENTITY = MachineIdentity("boot", "machine", "host", 4096)


def first_checkpoint(start_ns: int = 1) -> Checkpoint:
    """Of an agent that starts for the first time."""
    return Checkpoint("boot", ResourceIdentity("instance"), Totals(start_ns))


def line(text: str, sequence: int, priority: int = 6) -> bytes:
    return f"{priority},{sequence},{sequence * 100},-;{text}\n".encode()


def kill(sequence: int, priority: int = 3, cause: str = "Memory cgroup out of memory") -> bytes:
    return line(f"{cause}: {KILLED.format(pid=1000 + sequence)}", sequence, priority)


def frozen_time(now: list[float]) -> SimpleNamespace:
    """Module `time` for the agent, with the monotonic time that the test sets; the test's own goes on."""
    return SimpleNamespace(monotonic=lambda: now[0], monotonic_ns=time.monotonic_ns, sleep=time.sleep)


def compared_later(monkeypatch: pytest.MonkeyPatch) -> Callable[[Rig, float], None]:
    """Lets the agent's clock go on by 5 s or more, and waits until the agent has compared at that time."""
    monkeypatch.setattr("otel_oom.agent.comparison_times.QUIET_S", MIN_SURPLUS_AGE_S)
    now, compared_s = [1000.0], [0.0]
    monkeypatch.setattr("otel_oom.agent.loop.time", frozen_time(now))
    compare = Reconciliation.compare

    def noted(reconciliation: Reconciliation, counted: int, now_s: float) -> int:
        try:
            return compare(reconciliation, counted, now_s)
        finally:
            compared_s[0] = now_s

    monkeypatch.setattr(Reconciliation, "compare", noted)

    def go_on(rig: Rig, seconds: float) -> None:
        now[0] += seconds
        rig.source.wake()
        assert rig.counted is None or eventually(lambda: compared_s[0] == now[0])

    return go_on


@dataclass
class Rig:
    """An agent, its source, and what it made."""

    source: Script = field(default_factory=Script)
    health: Health = field(default_factory=Health)
    counted: int | None = None
    look: Callable[[OomKill], Mapping[str, Scalar]] = lambda _: {}
    glance: Look = no_glance
    traced: Callable[[OomKill], TracedCgroup | None] = lambda _: None
    trace: Trace = NO_TRACE
    memory_states: MemoryStates | None = None
    counted_cgroups: CountedCgroups | None = None
    reads_backlog: bool = False
    checkpoint: Checkpoint | None = None
    previous_pid: int = 0
    source_at: Callable[[int], Script] = lambda _: Script()
    wall_ns: Clock = time.time_ns
    machine: MachineIdentity | None = None
    is_always: bool = False
    started_s: float = math.inf  # the identity is read after a fork only

    def __post_init__(self) -> None:
        self.spool = Spool(self.health, self.checkpoint or first_checkpoint(), wake_reader=self.source.wake)

    def open(self) -> Agent:
        """The agent, with its source open."""
        forks = ForkDetection(lambda: self.machine, is_always=self.is_always, random_part=str, now_s=self.started_s)
        return Agent(
            open_log(
                self.source,
                self.spool,
                self.health,
                IDENTITY,
                kernel_kills=lambda: self.counted,
                look=self.glance,
                reads_backlog=self.reads_backlog,
                wall_ns=self.wall_ns,
            ),
            self.spool,
            self.health,
            IDENTITY,
            EventBuilder(
                self.health,
                IDENTITY.boot_id,
                self.look,
                VictimCgroups(self.health, self.traced, self.counted_cgroups),
                self.memory_states,
                log_epoch_ns=self.spool.checkpoint.log_epoch_ns,
                previous_pid=self.previous_pid,
            ),
            forks,
            kernel_kills=lambda: self.counted,
            reads_backlog=self.reads_backlog,
            source_at=self.source_at,
            wall_ns=self.wall_ns,
            trace=self.trace,
        )

    @contextmanager
    def running(self) -> Iterator[Agent]:
        agent = self.open()
        thread = threading.Thread(target=agent.run)
        thread.start()
        try:
            yield agent
        finally:
            agent.stop()
            thread.join(10)
            assert not thread.is_alive()

    def finish(self, agent: Agent) -> None:
        """What a stop does before the first turn: what is there is passed on."""
        agent.stop()
        agent.run()

    def run(self, *readings: Any) -> Rig:
        """Feed these, and stop: what was there before the stop is passed on."""
        self.source.put(*readings)
        with self.running():
            pass
        return self

    def fail_puts(self, monkeypatch: pytest.MonkeyPatch, *errors: Exception) -> None:
        """What is put into the spool next raises these, one after the other."""
        put, left = self.spool.put, list(errors)

        def failing(*arguments: Any) -> None:
            if left:
                raise left.pop(0)
            put(*arguments)

        monkeypatch.setattr(self.spool, "put", failing)

    @property
    def events(self) -> list[Event]:
        return list(self.spool.peek(10_000, 1 << 30))

    @property
    def names(self) -> list[str]:
        return [event.name for event in self.events]

    @property
    def kills(self) -> Mapping[str, int]:
        return self.spool.totals.kills
