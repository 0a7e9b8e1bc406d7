"""The agent's own numbers. Each kind of failure has one method. It logs a rate-limited line, and most count as well.

Rules:
- One thread writes each value (records: the reader; exports: the sender), any thread may read it. Exceptions: the
  writer thread also counts `overflow` and `damaged`, for a spool that is found late; reader and sender set
  `clock_offset_s`.
- One thread logs each kind of line. Only the spool's kind has two threads: at worst one line too many is logged.
"""

from __future__ import annotations

import logging
from collections import Counter
from pathlib import Path
from typing import Final

from otel_oom import schema
from otel_oom.kernel.kmsg_record import Malformed, Record
from otel_oom.rate_limited_log import RateLimitedLog
from otel_oom.totals import MAX_RETIRED_SERIES, ResourceIdentity

log = logging.getLogger("otel_oom")
_CLOCK_OFF_S: Final = 2.0


class Health:
    """The values of the `otel_oom.*` metrics, and their log lines."""

    def __init__(self) -> None:
        self.records: Counter[schema.RecordOutcome] = Counter()
        self.exports: Counter[tuple[schema.Signal, schema.ExportOutcome]] = Counter()
        self.dropped: Counter[schema.DropReason] = Counter()
        self.down_reason: str | None = "starting"
        """Why the kernel log cannot be read. None: it can."""
        self.down_reasons: set[str] = set()
        """All values of `down_reason` after the start."""
        self.is_durable: bool | None = None
        """Whether undelivered events and totals are on disk. None: the agent runs without a spool."""
        self.reconnects = 0
        """Number of clock jumps and forks. The machine may have slept, so connections are opened again."""
        self.clock_offset_s: float | None = None
        """This machine's wall clock minus the collector's, seconds. None: it sent no time since the start or a jump."""
        self.trace_overwritten: int | None = None
        """Events of the kernel's trace ring that were overwritten before they were read. None: there is no ring."""
        self._log = RateLimitedLog()
        self._failing: set[str] = set()

    def records_lost(self, count: int) -> None:
        """Records were overwritten before the read."""
        self.records["lost"] += count
        self._log.log("lost", logging.WARNING, "%d records of the kernel log were overwritten before the read", count)

    def kills_found_in_trace(self, count: int) -> None:
        """Kill lines that the log lost are in the kernel's trace."""
        self._log.log(
            "found in trace", logging.WARNING, "%d kill(s) that the kernel log lost are in the kernel's trace", count
        )

    def trace_ring_read(self, overwritten: int) -> None:
        """The trace ring was read. overwritten: events that were lost in it, since it was made."""
        newly = overwritten - (self.trace_overwritten or 0)
        self.trace_overwritten = overwritten
        if newly > 0:
            self._log.log(
                "trace",
                logging.WARNING,
                "%d events of the kernel's trace ring were overwritten before the read: kills of that time have no"
                " cgroup from it; write a larger size to /sys/kernel/tracing/instances/otel-oom/buffer_size_kb",
                newly,
            )

    def record_malformed(self, malformed: Malformed) -> None:
        """The device returned bytes that are not a record."""
        self.records["malformed"] += 1
        self._log.log(
            "malformed", logging.WARNING, "malformed kernel log record: %s: %r", malformed.reason, malformed.raw
        )

    def record_failed(self, raw: bytes, error: Exception) -> None:
        """A record could not be processed: a bug, or not enough memory."""
        self.records["malformed"] += 1
        self._log.log("failed", logging.ERROR, "a kernel log record was not understood: %r: %r", error, raw[:200])

    def record_refused(self, record: Record) -> None:
        """User space wrote a line that looks like OOM into the kernel log, or chose the text of one."""
        self.records["refused"] += 1
        self._log.log(
            "refused",
            logging.WARNING,
            "refused a kernel log record that user space wrote or chose (facility %d): %s",
            record.facility,
            record.text[:120],
        )

    def device_down(self, reason: str) -> None:
        """The kernel log cannot be read."""
        self.down_reason = reason
        self.down_reasons.add(reason)
        if self._log.log("device", logging.ERROR, "cannot read the kernel log: %s; trying again every 5 s", reason):
            self._failing.add("device")

    def device_up(self) -> None:
        """The kernel log can be read again."""
        self.down_reason = None
        self._recovered("device", "the kernel log is read again")

    def event_dropped(self, reason: schema.DropReason, count: int, why: str) -> None:
        """Undelivered events were given up. why: for the log line."""
        self.dropped[reason] += count
        self._log.log(f"dropped {reason}", logging.ERROR, "gave up %d undelivered event(s): %s", count, why)

    def spool_down(self, why: str) -> None:
        """The spool's disk fails or hangs."""
        self.is_durable = False
        if self._log.log("spool", logging.ERROR, "cannot write the spool, continuing in memory only: %s", why):
            self._failing.add("spool")

    def spool_up(self) -> None:
        """The store was read, or a commit succeeded: all undelivered events are on disk."""
        self.is_durable = True
        self._recovered("spool", "the spool is written again")

    def spool_damaged(self, damage: str, lost: int) -> None:
        """The file of the spool was damaged. damage: what was wrong, and what was saved; lost: undelivered events."""
        self.dropped["damaged"] += lost
        self._log.log("spool damaged", logging.ERROR, "%s; check the disk of this machine", damage)

    def log_ends_too_early(self, records: int) -> None:
        """The spool is ahead of the kernel log. records: by how many."""
        self._log.log(
            "log ends too early",
            logging.WARNING,
            "the spool is %d records ahead of the kernel log (was this machine set back to a snapshot?); totals begin "
            "again at 0, and what the log already holds is not read",
            records,
        )

    def clock_jumped(self, jumped_s: float) -> None:
        """The wall clock jumped against the kernel's clock: the machine slept, or the clock was set."""
        self.reconnects += 1
        self.clock_offset_s = None  # until a collector sends its time again
        self._log.log(
            "clock jump",
            logging.WARNING,
            "the wall clock moved by %+.1f s relative to the kernel's clock (the machine was suspended, or the "
            "clock was set); connections are opened again",
            jumped_s,
        )

    def forked(self) -> None:
        """The kernel reported a fork of its virtual machine. Many platforms cause this at every resume."""
        self.reconnects += 1
        self._log.log("fork", logging.INFO, "the virtual machine was forked, or resumed; connections are opened again")

    def changed_identity(self, identity: ResourceIdentity, unacknowledged: int) -> None:
        """The machine's identity changed: new events and totals are exported under the new one.

        unacknowledged: number of retired series with kills that no collector acknowledged
        """
        if unacknowledged == MAX_RETIRED_SERIES:
            self._log.log(
                "retired",
                logging.ERROR,
                "%d earlier identities of this machine have undelivered kills: from now on the oldest is given up",
                unacknowledged,
            )
        self._log.log(
            "identity change",
            logging.WARNING,
            "the identity of this machine changed: continuing as instance %s",
            identity.service_instance_id,
        )

    def identity_file_unreadable(self, path: Path) -> None:
        """The identity file cannot be read, or is empty."""
        self._log.log(
            "identity",
            logging.WARNING,
            "the identity file %s cannot be read, or is empty: copies of this machine share one identity",
            path,
        )

    def clock_compared(self, offset_s: float) -> None:
        """The collector sent its time. offset_s: this machine's wall clock minus the collector's."""
        self.clock_offset_s = offset_s
        if abs(offset_s) <= _CLOCK_OFF_S:
            self._recovered("clock", "the wall clock agrees with the collector's again")
        elif "clock" not in self._failing and self._log.log(
            "clock",
            logging.WARNING,
            "the wall clock is %+.1f s off the collector's, and so are all stamps: set it (NTP), or the collector's",
            offset_s,
        ):
            self._failing.add("clock")

    def export_failed(self, signal: schema.Signal, outcome: schema.ExportOutcome, why: str, remedy: str) -> None:
        """A request was not accepted. outcome: `retry` (its content is kept) or `rejected`.

        Another remedy is another kind of line, so a new cause is logged at once. There are about 30 remedies; a server
        can choose among them, but it cannot make new ones.
        """
        self.exports[signal, outcome] += 1
        kept = ", will retry" if outcome == "retry" else ""
        kind = f"export {signal} {outcome}: {remedy}"
        if self._log.log(kind, logging.WARNING, "cannot deliver %s%s: %s; %s", signal, kept, why, remedy):
            self._failing.add(f"export {signal}")

    def exported(self, signal: schema.Signal) -> None:
        """A request was accepted."""
        self.exports[signal, "ok"] += 1
        self._recovered(f"export {signal}", f"{signal} are delivered again")

    def export_warned(self, signal: schema.Signal, why: str) -> None:
        """A request was accepted with a warning (partial success that rejects nothing)."""
        self._log.log(f"warned {signal}", logging.WARNING, "the collector accepted %s with a warning: %s", signal, why)

    def points_rejected(self, count: int, why: str) -> None:
        """The collector accepted an export of metrics except some points (partial success)."""
        self._log.log("points", logging.WARNING, "the collector rejected %d metric point(s): %s", count, why)

    def bug(self, where: str, error: Exception) -> None:
        """An unexpected error was caught in a loop, which continues."""
        if self._log.log(f"bug in {where}", logging.ERROR, "bug in %s, which continues: %r", where, error):
            log.debug("traceback of the bug", exc_info=error)

    def _recovered(self, kind: str, message: str) -> None:
        # Only after a failure that was logged: a failure that comes and goes stays within the rate limit as well.
        if kind in self._failing:
            self._failing.remove(kind)
            log.info(message)
