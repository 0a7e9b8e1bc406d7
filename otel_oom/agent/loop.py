"""The agent: wiring and the loop. No parsing, no kernel strings.

Rules:
- The kernel's counter is read after the log: the kernel counts before it prints, so every line seen is counted.
- Events, totals and the place in the log go into the spool in one step.
- Before each reading the wall clock is held against the kernel's: where they part, that is an event, and the way to
  the collector is made anew.
- The reader never waits for the collector, nor for the disk.
- Behind a fork of the virtual machine, what was read before it is passed on first, as what this machine was.
- Nothing ends the loop: what fails (a bug, no memory) is said, and what was found goes out with the next turn.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

from otel_oom.agent.event_builder import EventBuilder
from otel_oom.agent.reader import ReadBatch, Reader
from otel_oom.agent.reconciliation import APART_S, Reconciliation
from otel_oom.errors import OtelOomError
from otel_oom.health import Health
from otel_oom.kernel.device import Clock, Closed, Source
from otel_oom.kernel.oom_kill import OomKill
from otel_oom.machine.clock_jumps import ClockJumps
from otel_oom.machine.fork_detection import ForkDetection
from otel_oom.machine.identity import MachineIdentity
from otel_oom.spool.checkpoint import Checkpoint
from otel_oom.spool.spool import Spool
from otel_oom.telemetry import other_events
from otel_oom.telemetry.event import Event, Scalar
from otel_oom.totals import ResourceIdentity, Totals

_LOOK_S: Final = APART_S
_REOPEN_S: Final = 5.0
_AFTER_BUG_S: Final = 0.1
_LAST_READS_S: Final = 0.5


class Agent:
    """Reads a source until it is stopped, and puts what it finds into the spool, whose checkpoint says where to begin.

    look_at_victim: what /proc knows of a victim, by attribute name; kernel_kills: the kernel's counter, None without
    has_backlog: what the source holds at first is older than this agent
    source_at: the same log from a record on, for what an earlier agent left if that is found late
    forks: whether this machine is another one now
    previous_pid: of an agent that did not end as it should, 0 for none; wall_ns: the clock of all stamps
    """

    def __init__(
        self,
        source: Source,
        spool: Spool,
        health: Health,
        machine: MachineIdentity,
        *,
        look_at_victim: Callable[[OomKill], Mapping[str, Scalar]],
        kernel_kills: Callable[[], int | None],
        forks: ForkDetection,
        has_backlog: bool = False,
        previous_pid: int = 0,
        source_at: Callable[[int], Source] | None = None,
        wall_ns: Clock = time.time_ns,
    ) -> None:
        self._source = source
        self._spool = spool
        self._health = health
        self._machine = machine
        self._kernel_kills = kernel_kills
        self._forks = forks
        self._wall_ns = wall_ns
        checkpoint = spool.checkpoint
        self._event_builder = EventBuilder(
            health,
            machine.boot_id,
            look_at_victim,
            log_epoch_ns=checkpoint.log_epoch_ns,
            previous_pid=previous_pid,
        )
        self._reader = Reader(source, health, machine, first_uncounted=checkpoint.first_uncounted)
        self._source_at = source_at
        self._began_at: int | None = None
        self._lines_before = 0
        self._reconciliation: Reconciliation | None = None
        self._unaccounted = 0
        self._clocks = ClockJumps(wall_ns, time.monotonic_ns)
        self._jumped_s = 0.0
        self._look_s = 0.0
        self._is_backlog = has_backlog
        self._is_stopped = False

    def open(self) -> None:
        """Open the source, and settle where counting begins. Raises: NoDeviceError, NoPermissionError."""
        self._source.open()
        self._health.device_up()
        checkpoint = self._spool.checkpoint
        counted = self._kernel_kills()
        if self._reader.has_gap():
            checkpoint = checkpoint.with_reset_totals(self._wall_ns())
        if counted is not None:
            base = counted if checkpoint.base is None else checkpoint.base
            self._reconciliation = Reconciliation(base, checkpoint.totals.unaccounted)
        self._lines_before = checkpoint.lines
        self._began_at = self._reader.next_sequence
        self._spool.begin(self._checkpoint(checkpoint.totals))

    def read_backlog(self) -> None:
        """Before the first export: count what the log holds already. An agent that died may have exported it so far."""
        is_drained = False
        while not is_drained:
            is_drained, _ = self._reader.burst()
            self._pass_on(time.monotonic(), is_look=is_drained)
        self._is_backlog = False
        self._spool.begin(self._spool.checkpoint)

    @property
    def wake_fd(self) -> int:
        """What wakes it too when a byte is written to it."""
        return self._source.wake_fd

    def wake(self) -> None:
        """There is something else to do than to wait for the log."""
        self._source.wake()

    def stop(self) -> None:
        """End `run` soon: from a signal handler or another thread."""
        self._is_stopped = True
        self._source.wake()

    def run(self) -> None:
        """Read, pass on, wait, until stopped. What was in the log before the stop is passed on too."""
        while not self._is_stopped:
            try:
                self._turn()
            except Exception as error:  # noqa: BLE001, PERF203 the loop goes on; what was found goes out next time
                self._health.bug("the reader", error)
                time.sleep(_AFTER_BUG_S)  # not `wait`: the device may be readable, and the next turn fail as well
        try:
            self._finish()
        except Exception as error:  # noqa: BLE001 the stop goes on
            self._health.bug("the reader", error)
        self._source.close()

    def _finish(self) -> None:
        """Read to the end of the log, within the time that a stop has for it."""
        deadline_s = time.monotonic() + _LAST_READS_S
        is_drained = False
        try:
            while not is_drained and time.monotonic() < deadline_s:
                is_drained, _ = self._reader.burst()
                self._pass_on(time.monotonic(), is_look=False)
        finally:
            self._publish(self._reader.found)

    def _turn(self) -> None:
        now_s = time.monotonic()
        if jumped_s := self._clocks.jumped_s():
            self._jumped_s += jumped_s
            self._health.clock_jumped(jumped_s)
        is_drained, closed = self._reader.burst()
        is_look = is_drained and now_s >= self._look_s
        if is_look:
            self._look_s = now_s + _LOOK_S
        counted = self._kernel_kills() if is_look and self._reconciliation else None
        if self._reconciliation and counted is not None:
            self._unaccounted += self._reconciliation.look(counted, self._lines, now_s)
        self._pass_on(now_s, is_look=is_look)
        if self._spool.earlier is not None:
            try:
                self._catch_up(self._spool.earlier)
            finally:
                self._spool.earlier = None
        self._is_backlog = self._is_backlog and not is_drained
        if closed is not None:
            self._reopen(closed)
        elif is_drained and not self._is_stopped:
            self._source.wait(self._look_s - time.monotonic())

    def _pass_on(self, now_s: float, *, is_look: bool) -> None:
        """What was read goes into the spool, as what this machine was then; after a fork it may be another one."""
        is_forked = self._reader.found.is_forked
        self._publish(self._reader.found)
        if is_forked:
            self._health.forked()
            self._spool.wake()
        if is_look or is_forked:
            identity = self._forks.changed_identity(self._spool.checkpoint.identity, now_s, is_forked=is_forked)
            if identity is not None:
                self._change_identity(identity)

    def _change_identity(self, identity: ResourceIdentity) -> None:
        """This machine is another one now: count from 0 as that one."""
        begin = self._spool.change_identity(identity, self._wall_ns())
        self._health.changed_identity(identity, len(begin.retired))
        self._lines_before = -self._reader.kill_lines
        if self._reconciliation is not None and begin.base is not None:
            self._reconciliation = Reconciliation(begin.base)

    def _catch_up(self, earlier: Checkpoint) -> None:
        """The spool was found late: count what the log holds between where an earlier agent stood and our beginning."""
        in_new_boot = Checkpoint(self._machine.boot_id, ResourceIdentity(""), Totals(0), cursor=0, base=0)
        stood = earlier if earlier.boot_id == self._machine.boot_id else in_new_boot
        if self._source_at is None or self._began_at is None or stood.cursor is None:
            return
        between = Reader(
            self._source_at(stood.cursor),
            self._health,
            self._machine,
            first_uncounted=stood.first_uncounted,
            until=self._began_at,
        )
        between.read_all()
        self._lines_before += between.kill_lines
        base = stood.with_reset_totals(0).base
        if self._reconciliation is not None and base is not None:
            self._reconciliation.base = base
        is_same = earlier.written_by(self._machine.instance_id)
        left = (
            earlier.with_reset_totals(0) if is_same else earlier.under_new_identity(self._spool.checkpoint.identity, 0)
        )
        self._spool.add_retired(left.retired)
        self._spool.put((), replace(self._spool.checkpoint, carried_over=left.carried_over))
        is_backlog, self._is_backlog = self._is_backlog, True
        self._publish(between.found)
        self._is_backlog = is_backlog

    @property
    def _lines(self) -> int:
        """Kill lines seen since the base, those before a restart among them."""
        return self._lines_before + self._reader.kill_lines

    def _publish(self, found: ReadBatch) -> None:
        """Events and the totals that they lead to go into the spool in one step."""
        events: list[Event] = []
        totals = self._spool.totals
        if self._jumped_s:
            jump = other_events.clock_jumped_event(self._jumped_s, self._machine.boot_id, self._wall_ns())
            events.append(jump)
        if found.lost:
            events.append(other_events.records_lost_event(found.lost, self._machine.boot_id, found.lost_ns))
        for finding in found.findings:
            events += self._event_builder.of(finding, is_backlog=self._is_backlog)
            if isinstance(finding, OomKill):
                totals = totals.plus(finding.scope, finding.observed_ns)
        if self._unaccounted:
            events.append(other_events.unaccounted_event(self._unaccounted, self._machine.boot_id, self._wall_ns()))
            totals = totals.plus_unaccounted(self._unaccounted)
        carried_over = self._spool.checkpoint.carried_over
        if carried_over is not None:
            totals = totals.plus_all(carried_over, self._wall_ns())
            if self._reconciliation is not None:  # they are not of this base
                self._reconciliation.base -= carried_over.unaccounted
                self._reconciliation.unaccounted += carried_over.unaccounted
        self._spool.put(events, replace(self._checkpoint(totals), carried_over=None))
        self._reader.found, self._unaccounted, self._jumped_s = ReadBatch(), 0, 0.0

    def _checkpoint(self, totals: Totals) -> Checkpoint:
        """Where reading stands, with the totals of all that was read."""
        return replace(
            self._spool.checkpoint,
            totals=totals,
            cursor=self._reader.cursor,
            first_uncounted=self._reader.first_uncounted,
            base=self._reconciliation.base if self._reconciliation else None,
            lines=self._lines,
        )

    def _reopen(self, closed: Closed) -> None:
        """The device ended: say so, and open it again every few seconds until it is back or the agent is stopped."""
        reason: str | None = closed.reason
        while reason is not None and not self._is_stopped:
            self._health.device_down(reason)
            self._spool.wake()  # a collector is told at once, not at the next heartbeat
            self._source.wait(_REOPEN_S)
            reason = self._open_again()
        if reason is None:
            self._health.device_up()
            self._spool.wake()

    def _open_again(self) -> str | None:
        """None, or why it cannot be opened."""
        try:
            self._source.open()
        except OtelOomError as error:
            return error.problem
        return None
