"""The agent: wiring and the loop. No parsing, no kernel strings.

Rules:
- Read until nothing is left, then pass on: so the victims of one group are known before the first of them goes out.
- The kernel's counter is read before the log, so what it has counted is in the log already, or on its way.
- The reader never waits for the collector, and nothing that arrives ends the loop.
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
_BURST: Final = 1_000  # records read before what was found goes out, in a flood that never ends


@dataclass(slots=True)
class _Found:
    """What one burst of reading brought."""

    findings: list[Finding] = field(default_factory=list)
    lost: int = 0
    lost_ns: int = 0


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
        self._assembler = Assembler(identity.boot_id, identity.page_size)
        self._reconciliation: Reconciliation | None = None
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
        """Read, pass on, wait, until stopped."""
        look_s = 0.0
        while not self._is_stopped:
            now_s = time.monotonic()
            is_look = now_s >= look_s
            counted = self._kernel_kills() if is_look and self._reconciliation else None
            found, is_drained, closed = self._drain()
            unaccounted = 0
            if self._reconciliation and counted is not None and is_drained:
                unaccounted = self._reconciliation.look(counted, self._assembler.kill_lines, now_s)
            if is_look:
                look_s = now_s + _LOOK_S
            self._publish(found, unaccounted)
            self._is_backlog = self._is_backlog and not is_drained
            if closed is not None:
                self._reopen(closed)
            elif is_drained and not self._is_stopped:
                self._source.wait(look_s - time.monotonic())
        self._source.close()

    def _drain(self) -> tuple[_Found, bool, Closed | None]:
        """Read what is there, up to a burst: what was found, whether that was all, and why reading ended if it did."""
        found = _Found()
        for _ in range(_BURST):
            reading = self._source.read()
            if isinstance(reading, Item):
                found.findings += self._feed(reading)
            elif isinstance(reading, Lost):
                self._assembler.lost()
                self._health.records_lost(reading.count)
                found.lost += reading.count
                found.lost_ns = reading.observed_ns
            else:
                found.findings += self._assembler.settle()
                return found, True, reading
        return found, False, None

    def _feed(self, item: Item) -> tuple[Finding, ...]:
        self._health.records["read"] += 1
        is_anchor = grammar.ANCHOR.search(item.raw) is not None
        if not is_anchor and not self._assembler.is_open and kmsg.sequence_of(item.raw) is not None:
            return ()
        record = kmsg.parse(item.raw)
        if isinstance(record, kmsg.Malformed):
            self._health.record_malformed(record)
            return ()
        if record.facility != kmsg.FACILITY_KERNEL:
            if is_anchor:
                self._health.record_refused(record)
            return ()
        return self._assembler.feed(record, item.observed_ns)

    def _publish(self, found: _Found, unaccounted: int) -> None:
        """Events and the totals that they lead to go into the spool in one step."""
        events: list[Event] = []
        totals = self._spool.totals
        if found.lost:
            events.append(telemetry.records_lost_event(found.lost, self._boot_id, found.lost_ns))
        for finding in found.findings:
            if isinstance(finding, OomKill):
                events.append(telemetry.kill_event(finding, self._boot_id, self._sighting(finding)))
                totals = totals.plus(finding.scope, finding.observed_ns)
            else:
                events += self._no_victim(finding)
        if unaccounted:
            events.append(telemetry.unaccounted_event(unaccounted, self._boot_id, self._wall_ns()))
            totals = totals.plus_unaccounted(unaccounted)
        if events:
            self._spool.put(events, totals)

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
        self._health.device_down(closed.reason)
        self._spool.wake()
        while not self._is_stopped:
            self._source.wait(_REOPEN_S)
            try:
                self._source.open()
            except OtelOomError as error:
                self._health.device_down(error.wrong)
            else:
                self._health.device_up()
                return
