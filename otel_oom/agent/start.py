"""Prepares an agent from settings, for `run`, `demo` and the tests. `prepare` gives the order of the steps, and why."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, TypeAlias

from otel_oom import __version__, schema, surroundings
from otel_oom.agent import warm_up
from otel_oom.agent.event_builder import EventBuilder
from otel_oom.agent.kill_log import KillLog
from otel_oom.agent.log_opening import open_log
from otel_oom.agent.loop import Agent
from otel_oom.agent.start_point import StartPoint, find_start_point, load_spool, random_part, read_known_machine
from otel_oom.agent.trace_opening import NO_TRACE, open_trace
from otel_oom.agent.victim_cgroups import VictimCgroups, open_counters
from otel_oom.cgroupfs.memory_state import MemoryStates, open_memory_states
from otel_oom.config.settings import Config
from otel_oom.health import Health
from otel_oom.kernel.device import Device
from otel_oom.kernel.log_source import Asked, Clock, Source
from otel_oom.kernel.oom_kill import OomKill
from otel_oom.machine import procfs, victim_process
from otel_oom.machine.fork_detection import ForkDetection
from otel_oom.machine.identity import BackgroundRead, read_machine_identity
from otel_oom.machine.operating_system import operating_system_attributes
from otel_oom.machine.service_manager import NO_SERVICE_MANAGER, ServiceManager
from otel_oom.machine.victim_cgroup import glance, no_glance, sees_host_cgroups
from otel_oom.otlp import build_sender
from otel_oom.otlp.sender import Sender
from otel_oom.spool.spool import Spool

if TYPE_CHECKING:
    from otel_oom.spool.sqlite_store import Stored
    from otel_oom.spool.writer import SpoolWriter

log = logging.getLogger(__name__)

KernelKills: TypeAlias = Callable[[], int | None]

# Of the three seconds in which a stop is promised; reading has half a second before.
_LAST_SENDS_S: Final = 2.0
_LAST_WRITES_S: Final = 0.4


@dataclass(frozen=True, slots=True)
class ReadyAgent:
    """An agent that is ready: the kernel log is open, and the first export is prepared. `run` starts its threads.

    wake_fd: a byte that is written to it ends the agent's wait for the log; -1: there is no such file descriptor
    """

    agent: Agent
    sender: Sender
    spool: Spool
    health: Health
    writer: SpoolWriter | None
    wake_fd: int

    def warm_up(self) -> str | None:
        """Process a recorded kill, so that the first real one needs no new memory. Returns None, or a warning."""
        return warm_up.warm_up(self.sender.warm_up, read_machine_identity())

    def run(self, service: ServiceManager = NO_SERVICE_MANAGER) -> None:
        """Watch until `stop`, then deliver what is left for at most two seconds."""
        self.sender.start()
        if self.writer is not None:
            self.writer.follow(self.spool)
        try:
            self.agent.run(service)
        finally:
            self.sender.stop(_LAST_SENDS_S)
            self.spool.put((), replace(self.spool.checkpoint, is_ended=True))
            if self.writer is not None and not self.writer.stop(_LAST_WRITES_S):
                log.warning("the spool's disk does not answer, and may hold this process until it does")

    def stop(self) -> None:
        """End `run` soon: from a signal handler or another thread."""
        self.agent.stop()


def prepare(
    config: Config,
    *,
    source: Source | None = None,
    kernel_kills: KernelKills | None = None,
    wall_ns: Clock = time.time_ns,
    memory_states: MemoryStates | None = None,
    reads_trace: bool = False,
    open_asked: Callable[[], Asked | None] = lambda: None,
) -> ReadyAgent:
    """Prepare an agent that reads the device of the settings, with this kernel's counter, or the given source.

    reads_trace: it takes victims out of the kernel's trace ring, which one agent of a machine can do
    open_asked: opens what the wait for the device answers, once this agent has its spool
    kernel_kills: the counter of the kernel whose log `source` is; None: /proc/vmstat for the device, no counter for a
    given source
    memory_states: of the cgroups that the log names; None: of this machine for the device, none for a given source

    1. The spool is loaded first: its checkpoint says where in the kernel log to begin.
    2. The start point is decided before the log is opened: the device is opened at the checkpoint.
    3. The log is opened before the sender is built: its first record shows whether uncounted records are missing. Then
       totals begin again at 0, and the sender must see no others.
    4. The sender is built before a backlog is counted: a fork in the backlog must end the series of the old identity.
    5. A backlog that an earlier agent may have exported is counted before the series opens: a total never goes back.
    6. The series opens before the loop runs: only then does a metrics backend see the first kill as an increase.

    `ReadyAgent.run` starts the threads that send and write: nothing is sent or stored before all of this is done.

    Raises: NoDeviceError, NoPermissionError, NoSpoolError, SpoolHeldError, UsageError.
    """
    health = Health()
    writer, stored = load_spool(config)
    try:
        states = memory_states or (open_memory_states(config.cgroupfs) if source is None else None)
        return _prepare(config, health, writer, stored, source, kernel_kills, wall_ns, states, open_asked, reads_trace)
    except BaseException:
        if writer is not None:
            writer.stop(_LAST_WRITES_S)
        raise


def _prepare(
    config: Config,
    health: Health,
    writer: SpoolWriter | None,
    stored: Stored | None,
    source: Source | None,
    kernel_kills: KernelKills | None,
    wall_ns: Clock,
    memory_states: MemoryStates | None,
    open_asked: Callable[[], Asked | None],
    reads_trace: bool,  # noqa: FBT001 `prepare` names it
) -> ReadyAgent:
    point = find_start_point(stored, config, health, wall_ns)
    checkpoint = point.checkpoint
    counters = open_counters(config.cgroupfs) if source is None else None
    if kernel_kills is None:
        kernel_kills = procfs.oom_kills if source is None else _no_counter
    source = source or Device(
        config.device,
        from_ring=point.reads_backlog,
        resume_at=checkpoint.cursor if checkpoint.first_uncounted else None,
        clock=wall_ns,
        asked=open_asked(),
    )
    spool = Spool(
        health,
        checkpoint,
        stored=stored.events if stored else (),
        has_writer=writer is not None,
        wake_reader=source.wake,
    )
    if stored is not None:
        health.spool_up()
        if stored.damage:
            health.spool_damaged(stored.damage, stored.lost)
    elif writer is not None:
        spool.not_saved(f"{config.spool}: {writer.failure}")
    has_host_cgroups = sees_host_cgroups()
    look = glance if point.sees_host_pids and has_host_cgroups else no_glance
    kernel_log = open_log(
        source,
        spool,
        health,
        point.machine,
        kernel_kills=kernel_kills,
        look=look,
        reads_backlog=point.reads_backlog,
        wall_ns=wall_ns,
    )
    is_always = config.fork_identity == "always"
    forks = ForkDetection(
        BackgroundRead(lambda: read_known_machine(config, health)),
        is_always=is_always,
        random_part=random_part if stored is None or is_always else str,
        now_s=time.monotonic(),
    )
    trace, trace_lines = open_trace(health, is_resumed=kernel_log.is_resumed) if reads_trace else (NO_TRACE, [])
    agent = Agent(
        kernel_log,
        spool,
        health,
        point.machine,
        _event_builder(config, health, point, VictimCgroups(health, trace.find, counters), memory_states),
        forks,
        kernel_kills=kernel_kills,
        source_at=lambda cursor: Device(config.device, from_ring=True, resume_at=cursor or None, clock=wall_ns),
        kill_log=KillLog(is_on=config.log.shows_kills),
        reads_backlog=point.reads_backlog,
        wall_ns=wall_ns,
        trace=trace,
    )
    sender = build_sender.build(
        config,
        spool,
        health,
        resource_defaults={
            schema.SERVICE_NAME: "otel-oom",
            schema.SERVICE_VERSION: __version__,
            **operating_system_attributes(),
        },
        kernel_kills=kernel_kills,
        wall_ns=wall_ns,
    )
    # An agent that crashed may have exported newer totals of this series than it had stored.
    is_same_series = point.crashed is not None and point.crashed.series.key == spool.checkpoint.series.key
    if point.has_new_identity or (is_same_series and checkpoint.carried_over is None):
        agent.replay_backlog()
    sender.open_series()
    for line in trace_lines:
        log.info("%s", line)
    if not point.sees_host_pids:
        remedy = surroundings.PID_NAMESPACE.here()
        log.warning("not in the initial pid namespace: events come without executable and parent (%s)", remedy)
    if not has_host_cgroups:
        remedy = surroundings.CGROUP_NAMESPACE.here()
        log.warning("not in the initial cgroup namespace: kills without a report have no cgroup (%s)", remedy)
    return ReadyAgent(agent, sender, spool, health, writer, source.wake_fd)


def _no_counter() -> None:
    """The counter of a kernel that does not count."""


def _event_builder(
    config: Config,
    health: Health,
    point: StartPoint,
    victim_cgroups: VictimCgroups,
    memory_states: MemoryStates | None,
) -> EventBuilder:
    def look_at_victim(kill: OomKill) -> Mapping[str, victim_process.Fact]:
        if not point.sees_host_pids:
            return {}
        return victim_process.look_at_victim(kill, with_command_line=config.with_command_line)

    return EventBuilder(
        health,
        point.machine.boot_id,
        look_at_victim,
        victim_cgroups,
        memory_states,
        log_epoch_ns=point.checkpoint.log_epoch_ns,
        previous_pid=point.crashed.agent_pid if point.crashed else 0,
    )
