"""The agent's own numbers. Every failure has its one home here: a counter and a rate-limited line.

Rules:
- The first failure of a kind is said at once, the next ones of that kind at most once a minute, with their number.
- What is said is one readable line, whatever a collector or a process put into it.
- Each counter is written by one thread (records: the reader; exports: the sender), and read by any. Each kind of
  line belongs to one thread as well; that of the spool to two, and a line too many is all that can come of it.
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
_STARTING: Final = "starting"


class Health:
    """Counters behind the `otel_oom.*` metrics, and the lines that go with them."""

    def __init__(self) -> None:
        self.records: Counter[schema.RecordOutcome] = Counter()
        self.exports: Counter[tuple[schema.Signal, schema.ExportOutcome]] = Counter()
        self.dropped: Counter[schema.DropReason] = Counter()
        self.down_reason: str | None = _STARTING
        """Why the kernel log cannot be read; None while it can."""
        self.down_reasons: set[str] = set()
        """All reasons so far."""
        self.is_durable: bool | None = None
        """Whether undelivered events and totals are on disk, but for the last moments; None: nobody wants it."""
        self.reconnect_epoch = 0
        """How often the machine may have slept: each time connections are made anew, and all totals told."""
        self.clock_offset_s: float | None = None
        """This machine's wall clock minus the collector's, seconds; None where no collector has shown its own."""
        self._log = RateLimitedLog()
        self._failing: set[str] = set()

    def records_lost(self, count: int) -> None:
        """The ring was overwritten before the read."""
        self.records["lost"] += count
        self._log.log("lost", logging.WARNING, "%d records of the kernel log were overwritten before the read", count)

    def record_malformed(self, malformed: Malformed) -> None:
        """The device gave bytes that are no record."""
        self.records["malformed"] += 1
        self._log.log(
            "malformed", logging.WARNING, "malformed kernel log record: %s: %r", malformed.reason, malformed.raw
        )

    def record_failed(self, raw: bytes, error: Exception) -> None:
        """A record that this agent could not handle: a bug, or no memory left for it."""
        self.records["malformed"] += 1
        self._log.log("failed", logging.ERROR, "a kernel log record was not understood: %r: %r", error, raw[:200])

    def record_refused(self, record: Record) -> None:
        """User space wrote something that looks like OOM into the kernel log."""
        self.records["refused"] += 1
        self._log.log(
            "refused",
            logging.WARNING,
            "refused a kernel log record that user space wrote (facility %d): %s",
            record.facility,
            record.text[:120],
        )

    def device_down(self, reason: str) -> None:
        """The kernel log cannot be read at the moment."""
        self.down_reason = reason
        self.down_reasons.add(reason)
        if self._log.log("device", logging.ERROR, "cannot read the kernel log: %s; trying again every 5 s", reason):
            self._failing.add("device")

    def device_up(self) -> None:
        """The kernel log can be read."""
        self.down_reason = None
        self._recovered("device", "the kernel log is read again")

    def event_dropped(self, reason: schema.DropReason, count: int, why: str) -> None:
        """Events were given up: reason `overflow` or `rejected`."""
        self.dropped[reason] += count
        self._log.log(f"dropped {reason}", logging.ERROR, "gave up %d undelivered event(s): %s", count, why)

    def spool_down(self, why: str) -> None:
        """The disk does not take what is undelivered."""
        self.is_durable = False
        if self._log.log("spool", logging.ERROR, "cannot write the spool, going on in memory alone: %s", why):
            self._failing.add("spool")

    def spool_up(self) -> None:
        """The disk has taken what is undelivered."""
        self.is_durable = True
        self._recovered("spool", "the spool is written again")

    def clock_jumped(self, jumped_s: float) -> None:
        """The wall clock left the kernel's clock: the machine slept, or the clock was set."""
        self.reconnect_epoch += 1
        self.clock_offset_s = None  # until it is seen again
        self._log.log(
            "clock jump",
            logging.WARNING,
            "the wall clock left the kernel's clock by %+.1f s (the machine slept, or the clock was set); "
            "connections are made anew",
            jumped_s,
        )

    def forked(self) -> None:
        """The kernel says that its virtual machine was forked, as it does at many a resume of the only copy."""
        self.reconnect_epoch += 1
        self._log.log("fork", logging.INFO, "the virtual machine was forked, or resumed; connections are made anew")

    def changed_identity(self, identity: ResourceIdentity, unacknowledged: int) -> None:
        """This machine is another one than before: its events and totals go out as that one's.

        unacknowledged: of how many that it was, kills are still to be told
        """
        if unacknowledged == MAX_RETIRED_SERIES:
            self._log.log(
                "former", logging.ERROR, "kills before %d forks are untold: the oldest are given up", unacknowledged
            )
        self._log.log(
            "moved", logging.WARNING, "this is another machine now: going on as instance %s", identity.instance_id
        )

    def identity_file_unreadable(self, path: Path) -> None:
        """The identity file says nothing."""
        self._log.log(
            "identity",
            logging.WARNING,
            "the identity file %s cannot be read, or is empty: copies of this machine look alike",
            path,
        )

    def clock_compared(self, offset_s: float) -> None:
        """The collector has shown its clock; offset_s: how far this machine's is ahead of it."""
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
        """A request was not accepted: outcome `retry` (what was in it is kept) or `rejected`."""
        self.exports[signal, outcome] += 1
        kept = " (kept, and tried again)" if outcome == "retry" else ""
        if self._log.log(f"export {signal}", logging.WARNING, "cannot deliver %s%s: %s; %s", signal, kept, why, remedy):
            self._failing.add(f"export {signal}")

    def exported(self, signal: schema.Signal) -> None:
        """A request was accepted."""
        self.exports[signal, "ok"] += 1
        self._recovered(f"export {signal}", f"{signal} are delivered again")

    def points_rejected(self, count: int, why: str) -> None:
        """The collector took an export of metrics but for some of its points."""
        self._log.log("points", logging.WARNING, "the collector refused %d metric point(s): %s", count, why)

    def bug(self, where: str, error: Exception) -> None:
        """Something failed that cannot; the loop in which it did goes on."""
        if self._log.log(f"bug in {where}", logging.ERROR, "bug in %s, which goes on: %r", where, error):
            log.debug("where it came from", exc_info=error)

    def _recovered(self, kind: str, message: str) -> None:
        # Said only after a failure that was said, so that what flaps stays within the limit too.
        if kind in self._failing:
            self._failing.remove(kind)
            log.info(message)
