"""The agent: wiring and the loop. No parsing, no kernel strings.

Rules:
- Read until nothing is left, then pass on: so the victims of one group are known before the first of them goes out.
- The kernel's counter is read before the log, so what it has counted is in the log already, or on its way.
- The reader never waits for the collector.
- Nothing that arrives ends the loop: what cannot be handled (a bug, no memory) is counted and said, and a kill counts
  and is shipped with as much as could be made of it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from otel_oom import grammar, host, kmsg, telemetry
from otel_oom.device import Clock, Closed, Item, Lost, Source
from otel_oom.errors import OtelOomError
from otel_oom.health import Health
from otel_oom.oom import Assembler, Finding, NoVictim, OomKill
from otel_oom.reconcile import APART_S, Reconciliation
from otel_oom.spool import Spool
from otel_oom.telemetry import Event, Scalar, Sighting

_LOOK_S: Final = APART_S
_REOPEN_S: Final = 5.0
_NO_VICTIM_S: Final = 60.0
_AFTER_BUG_S: Final = 0.1
_LAST_READS_S: Final = 0.5
_BURST: Final = 1_000  # records read before what was found goes out, in a flood that never ends


@dataclass(slots=True)
class _Found:
    """What one burst of reading brought."""

    findings: list[Finding] = field(default_factory=list)
    lost: int = 0
    lost_ns: int = 0
    unaccounted: int = 0


class Agent:
    """Reads a source until it is stopped, and puts what it finds into the spool.

    look_at_victim: what /proc knows of a victim, by attribute name; kernel_kills: the kernel's counter, None without
    has_backlog: what the source holds at first is older than this agent; wall_ns: the clock of all stamps
    """

    def __init__(
        self,
        source: Source,
        spool: Spool,
        health: Health,
        identity: host.Identity,
        *,
        look_at_victim: Callable[[OomKill], Mapping[str, Scalar]],
        kernel_kills: Callable[[], int | None],
        has_backlog: bool = False,
        wall_ns: Clock = time.time_ns,
    ) -> None:
        self._source = source
        self._spool = spool
        self._health = health
        self._boot_id = identity.boot_id
        self._look_at_victim = look_at_victim
        self._kernel_kills = kernel_kills
        self._wall_ns = wall_ns
        self._page_size = identity.page_size
        self._assembler = self._fresh_assembler(0)
        self._reconciliation: Reconciliation | None = None
        self._found = _Found()
        """What was read and is not yet in the spool."""
        self._look_s = 0.0
        self._tries = 0
        self._tries_muted_until_s = 0.0
        # The log's clock laid on the wall clock as it stood when reading began: what a reader of it would stamp.
        self._log_epoch_ns = wall_ns() - time.monotonic_ns()
        self._is_backlog = has_backlog
        self._is_stopped = False

    def open(self) -> None:
        """Open the source and take the kernel's counter as the base. Raises: NoDeviceError, NoPermissionError."""
        self._source.open()
        self._health.device_up()
        counted = self._kernel_kills()
        self._reconciliation = None if counted is None else Reconciliation(counted)

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
                is_drained, _ = self._drain()
        finally:
            self._found.findings += self._assembler.settle()
            self._publish(self._found)

    def _turn(self) -> None:
        now_s = time.monotonic()
        is_look = now_s >= self._look_s
        if is_look:
            self._look_s = now_s + _LOOK_S
        counted = self._kernel_kills() if is_look and self._reconciliation else None
        is_drained, closed = self._drain()
        if self._reconciliation and counted is not None and is_drained:
            self._found.unaccounted += self._reconciliation.look(counted, self._assembler.kill_lines, now_s)
        self._publish(self._found)
        self._is_backlog = self._is_backlog and not is_drained
        if closed is not None:
            self._reopen(closed)
        elif is_drained and not self._is_stopped:
            self._source.wait(self._look_s - time.monotonic())

    def _drain(self) -> tuple[bool, Closed | None]:
        """Read what is there, up to a burst; returns whether that was all, and why reading ended if it did."""
        for _ in range(_BURST):
            reading = self._source.read()
            if isinstance(reading, Item):
                self._health.records["read"] += 1
                self._found.findings += self._feed(reading)
            elif isinstance(reading, Lost):
                self._assembler.lost()
                self._health.records_lost(reading.count)
                self._found.lost += reading.count
                self._found.lost_ns = reading.observed_ns
            else:
                self._found.findings += self._assembler.settle()
                return True, reading
        return False, None

    def _feed(self, item: Item) -> tuple[Finding, ...]:
        is_anchor = grammar.ANCHOR.search(item.raw) is not None
        if not is_anchor and not self._assembler.is_open and kmsg.sequence_of(item.raw) is not None:
            return ()
        try:
            return self._understand(item, is_anchor=is_anchor)
        except Exception as error:  # noqa: BLE001 whatever a record does, the next one is read
            self._health.record_failed(item.raw, error)
        # Once more without what came before it: the report around a kill line may be at fault, not the line itself.
        held = self._assembler.settle()
        self._assembler = self._fresh_assembler(self._assembler.kill_lines)
        try:
            return (*held, *self._understand(item, is_anchor=is_anchor))
        except Exception:  # noqa: BLE001 it was said; a kill line that was not counted here shows in the reconciliation
            return held

    def _fresh_assembler(self, kill_lines: int) -> Assembler:
        assembler = Assembler(self._boot_id, self._page_size)
        assembler.kill_lines = kill_lines
        return assembler

    def _understand(self, item: Item, *, is_anchor: bool) -> tuple[Finding, ...]:
        record = kmsg.parse(item.raw)
        if isinstance(record, kmsg.Malformed):
            self._health.record_malformed(record)
            return ()
        if record.facility != kmsg.FACILITY_KERNEL:
            if is_anchor:
                self._health.record_refused(record)
            return ()
        return self._assembler.feed(record, item.observed_ns)

    def _publish(self, found: _Found) -> None:
        """Events and the totals that they lead to go into the spool in one step."""
        events: list[Event] = []
        totals = self._spool.totals
        if found.lost:
            events.append(telemetry.records_lost_event(found.lost, self._boot_id, found.lost_ns))
        for finding in found.findings:
            events += self._events(finding)
            if isinstance(finding, OomKill):
                totals = totals.plus(finding.scope, finding.observed_ns)
        if found.unaccounted:
            events.append(telemetry.unaccounted_event(found.unaccounted, self._boot_id, self._wall_ns()))
            totals = totals.plus_unaccounted(found.unaccounted)
        if events or totals is not self._spool.totals:
            self._spool.put(events, totals)
        self._found = _Found()

    def _events(self, finding: Finding) -> list[Event]:
        """The events of a finding; of a kill without what surrounds it, or none, where they cannot be made."""
        try:
            if isinstance(finding, NoVictim):
                return self._no_victim(finding)
            return [telemetry.kill_event(finding, self._boot_id, self._sighting(finding))]
        except Exception as error:  # noqa: BLE001 a kill counts whatever fails
            self._health.record_failed(finding.record.text.encode(), error)
        try:
            bare = Sighting(is_backlog=self._is_backlog)
            return [telemetry.kill_event(finding, self._boot_id, bare)] if isinstance(finding, OomKill) else []
        except Exception:  # noqa: BLE001 it was said
            return []

    def _no_victim(self, finding: NoVictim) -> list[Event]:
        self._tries += 1
        now_s = time.monotonic()
        if now_s < self._tries_muted_until_s:
            return []
        count, self._tries = self._tries, 0
        self._tries_muted_until_s = now_s + _NO_VICTIM_S
        return [telemetry.no_victim_event(finding, self._boot_id, count)]

    def _sighting(self, kill: OomKill) -> Sighting:
        if self._is_backlog:
            return Sighting(is_backlog=True)
        skew_ns = kill.observed_ns - (kill.record.monotonic_us * 1000 + self._log_epoch_ns)
        return Sighting(skew_s=skew_ns / 1e9, process=self._look_at_victim(kill))

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
            return error.wrong
        return None
