"""The agent's loop: read the kernel log, put what it brings into the spool, wait for more.

Rules:
- The kernel's counter is read after the log: the kernel counts before it prints, so each line read is counted. A line
  that is not counted is marked as unconfirmed.
- Before each reading the wall clock is compared with the kernel's. A jump is an event, and connections are made again.
- What was read before a fork of the virtual machine is passed on first, under the identity from before the fork.
- No failure ends the loop (a bug, no memory). It is logged, and what was read is passed on in the next turn.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from otel_oom.agent.comparison_times import ComparisonTimes
from otel_oom.agent.device_reopening import reopen
from otel_oom.agent.event_builder import EventBuilder
from otel_oom.agent.kill_log import KillLog
from otel_oom.agent.late_spool import read_missed
from otel_oom.agent.log_opening import OpenLog
from otel_oom.agent.read_batch import BurstEnd, Drained, More, ReadBatch
from otel_oom.agent.reader import Reader
from otel_oom.agent.trace_opening import NO_TRACE, Trace
from otel_oom.health import Health
from otel_oom.kernel.log_source import Clock, Closed, Source
from otel_oom.machine.clock_jumps import ClockJumps
from otel_oom.machine.fork_detection import ForkDetection
from otel_oom.machine.identity import MachineIdentity
from otel_oom.machine.service_manager import NO_SERVICE_MANAGER, ServiceManager
from otel_oom.spool.checkpoint import Checkpoint
from otel_oom.spool.spool import Spool
from otel_oom.telemetry import other_events
from otel_oom.telemetry.event import Event

_AFTER_BUG_S: Final = 0.1
_LAST_READS_S: Final = 0.5


class Agent:
    """Reads an open kernel log until it is stopped.

    kernel_kills: the kernel's counter, None without; wall_ns: the clock of all stamps
    source_at: the same log from a record on, to catch up with a spool that is found late
    reads_backlog: the log is read from before this agent's start
    trace: of kill lines that the log may lose
    """

    def __init__(
        self,
        kernel_log: OpenLog,
        spool: Spool,
        health: Health,
        machine: MachineIdentity,
        event_builder: EventBuilder,
        forks: ForkDetection,
        *,
        kernel_kills: Callable[[], int | None],
        source_at: Callable[[int], Source],
        kill_log: KillLog | None = None,
        reads_backlog: bool = False,
        wall_ns: Clock = time.time_ns,
        trace: Trace = NO_TRACE,
    ) -> None:
        self._kernel_log = kernel_log
        self._source = kernel_log.source
        self._reader = kernel_log.reader
        self._reconciliation = kernel_log.reconciliation
        self._spool = spool
        self._health = health
        self._machine = machine
        self._event_builder = event_builder
        self._forks = forks
        self._kernel_kills = kernel_kills
        self._source_at = source_at
        self._kill_log = kill_log or KillLog()
        self._wall_ns = wall_ns
        self._trace = trace
        self._clocks = ClockJumps(wall_ns, time.monotonic_ns)
        self._is_backlog = reads_backlog
        self._comparisons = ComparisonTimes(health.records, self._reconciliation)
        self._is_stopped = False
        self._surpluses: list[int] = []
        self._is_confirmed = True
        self._jumped_s = 0.0

    def replay_backlog(self) -> None:
        """Count the backlog before the first export: an agent that crashed may have exported a part of it."""
        end: BurstEnd = More()
        while isinstance(end, More):
            end = self._read()
            self._pass_on(time.monotonic(), is_drained=not isinstance(end, More))
        self._is_backlog = False
        self._spool.begin(self._spool.checkpoint)

    def stop(self) -> None:
        """End `run` soon: from a signal handler or another thread."""
        self._is_stopped = True
        self._source.wake()

    def run(self, service: ServiceManager = NO_SERVICE_MANAGER) -> None:
        """Read, pass on, wait, until stopped. What was in the log before the stop is passed on too."""
        while not self._is_stopped:
            try:
                self._turn(service)
            except Exception as error:  # noqa: BLE001, PERF203 the loop goes on
                self._health.bug("the reader", error)
                time.sleep(_AFTER_BUG_S)  # not `wait`: the device may be readable, and the next turn fail as well
        try:
            self._finish()
        except Exception as error:  # noqa: BLE001 the stop goes on
            self._health.bug("the reader", error)
        self._source.close()

    def _turn(self, service: ServiceManager = NO_SERVICE_MANAGER) -> None:
        now_s = time.monotonic()
        if jumped_s := self._clocks.jumped_s():
            self._jumped_s += jumped_s
            self._health.clock_jumped(jumped_s)
        end = self._read()
        is_drained = not isinstance(end, More)
        counted = None
        if is_drained and now_s >= self._comparisons.due_s:
            self._comparisons.begin(now_s)
            counted = self._kernel_kills()
            if isinstance(end, Drained):  # a device that closed may still have records
                self._take_lost_kills(counted)
            if counted is not None and (surplus := self._reconciliation.compare(counted, now_s)):
                self._surpluses.append(surplus)
        self._pass_on(now_s, is_drained=is_drained)
        self._event_builder.look_at_counters(self._reader.kill_lines, counted)
        earlier = self._spool.earlier_checkpoint
        if earlier is not None:
            try:
                self._catch_up(earlier)
            finally:
                self._spool.earlier_taken()
        self._is_backlog = self._is_backlog and not is_drained
        self._kill_log.end_turn(is_backlog=self._is_backlog)
        service.turned(now_s)  # last: a turn that always fails is no sign of life
        if isinstance(end, Closed):
            reopen(self._source, end, self._health, service, self._spool.wake, is_stopped=lambda: self._is_stopped)
        elif not self._is_stopped:  # in a flood as well, for no time: the wait answers `otel-oom check --live`
            due_s = min(self._comparisons.due_s, self._forks.due_s, self._kill_log.due_s) - time.monotonic()
            self._source.wait(min(due_s, service.longest_wait_s) if is_drained else 0)

    def _take_lost_kills(self, counted: int | None) -> None:
        """Take kills whose lines the log lost from the trace. counted: the kernel's counter, read after the log."""
        lost = self._trace.take_lost(self._reader.batch.kills, self._machine.boot_id, self._wall_ns())
        if self._kernel_log.add_lost_kills(lost, counted):
            self._health.kills_found_in_trace(len(lost.kills))

    def _finish(self) -> None:
        """Read to the end of the log, within the time that a stop has for it."""
        deadline_s = time.monotonic() + _LAST_READS_S
        end: BurstEnd = More()
        try:
            while isinstance(end, More) and time.monotonic() < deadline_s:
                end = self._read()
                self._pass_on(time.monotonic(), is_drained=False)
        finally:
            self._publish_read()
            self._kill_log.close()

    def _read(self) -> BurstEnd:
        """One burst, its kill lines reconciled even where it fails on the way."""
        before = self._reader.kill_lines
        try:
            return self._reader.burst()
        finally:
            self._judge(self._reader, self._reader.kill_lines - before)

    def _judge(self, reader: Reader, lines: int) -> None:
        """Compare what was read with the kernel's counter. lines: kill lines that were read since the last call."""
        claims = len(reader.batch.claims)
        if not lines and not claims:
            return
        self._reconciliation.add_lines(lines)  # first: what follows may fail (no memory)
        counted = self._kernel_kills()
        if claims:
            is_confirmed = self._reconciliation.confirms(counted, claims)
            reader.settle_claims(is_confirmed=is_confirmed)
            self._reconciliation.add_lines(claims if is_confirmed else 0)
        self._is_confirmed = self._reconciliation.confirms_new_lines(counted) and self._is_confirmed

    def _pass_on(self, now_s: float, *, is_drained: bool) -> None:
        """Put what was read into the spool under the identity of that time. After a fork the identity may change."""
        batch = self._publish_read()
        if batch.lost:
            self._trace.log_lost(is_backlog=self._is_backlog)
        if batch.is_forked:
            self._health.forked()
            self._spool.wake()
        if is_drained or batch.is_forked:
            identity = self._forks.changed_identity(self._spool.checkpoint.identity, now_s, is_forked=batch.is_forked)
            if identity is not None:
                begin = self._spool.change_identity(identity, self._wall_ns())
                self._health.changed_identity(identity, len(begin.retired))
                self._reconciliation.reset()

    def _catch_up(self, earlier: Checkpoint) -> None:
        """The spool was found late: count what the log holds between the earlier agent and this one."""
        identity = self._spool.checkpoint.identity
        missed = read_missed(earlier, self._kernel_log.began_at, identity, self._machine, self._health, self._source_at)
        if missed is not None:
            reader, left = missed
            self._reconciliation.extend_back(left.base, reader.kill_lines, is_new_base=left.is_new_base)
            self._judge(reader, reader.kill_lines)
            self._spool.add_retired(left.retired)
            self._spool.put((), replace(self._spool.checkpoint, carried_over=left.carried_over))
            self._publish(reader.batch, is_backlog=True)

    def _publish_read(self) -> ReadBatch:
        """Publish what was read, and return it. If that fails, the batch stays and goes out with the next turn."""
        batch = self._reader.batch
        self._publish(batch, is_backlog=self._is_backlog)
        self._reader.clear_batch()
        return batch

    def _publish(self, batch: ReadBatch, *, is_backlog: bool) -> None:
        """Put events, and the totals that they lead to, into the spool in one step."""
        boot_id = self._machine.boot_id
        before = self._spool.checkpoint
        totals = before.totals
        events: list[Event] = []
        if self._jumped_s:
            events.append(other_events.clock_jumped_event(self._jumped_s, boot_id, self._wall_ns()))
        if batch.lost:
            events.append(other_events.records_lost_event(batch.lost, boot_id, batch.lost_ns))
        is_unconfirmed, lines = not self._is_confirmed, self._reader.kill_lines
        events += self._event_builder.events_of(batch, lines, is_backlog=is_backlog, is_unconfirmed=is_unconfirmed)
        for kill in batch.kills:
            totals = totals.plus(kill.scope, kill.observed_ns)
        for surplus in self._surpluses:
            events.append(other_events.surplus_event(surplus, boot_id, self._wall_ns()))
            totals = totals.plus_surplus(surplus)
        carried_over = 0
        if before.carried_over is not None:
            totals = totals.plus_all(before.carried_over, self._wall_ns())
            carried_over = before.carried_over.surplus
        after = self._kernel_log.checkpoint(before, totals)
        base = None if after.base is None else after.base - carried_over
        self._spool.put(events, replace(after, base=base, carried_over=None))
        self._reconciliation.add_carried_over(carried_over)  # after the put: if it fails, all of this is done again
        self._surpluses, self._is_confirmed, self._jumped_s = [], True, 0.0
        self._kill_log.add(events)
