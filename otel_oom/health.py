"""The agent's own numbers. Every failure has its one home here: a counter and a rate-limited line.

Rules:
- The first failure of a kind is said at once, the next ones of that kind at most once a minute, with their number.
- Each counter is written by one thread (records: the reader; exports: the sender), and read by any.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from typing import Final

from otel_oom.kmsg import Malformed, Record

log = logging.getLogger("otel_oom")

_SAY_AGAIN_S: Final = 60.0


class Health:
    """Counters behind the `otel_oom.*` metrics, and the lines that go with them."""

    def __init__(self) -> None:
        self.records: Counter[str] = Counter()
        self.exports: Counter[tuple[str, str]] = Counter()
        self.dropped: Counter[str] = Counter()
        self.down_reason: str | None = "starting"
        """Why the kernel log cannot be read; None while it can."""
        self.down_reasons: set[str] = set()
        """All reasons so far."""
        self._said: dict[str, tuple[float, int]] = {}

    def records_lost(self, count: int) -> None:
        """The ring was overwritten before the read."""
        self.records["lost"] += count
        self.say("lost", logging.WARNING, "%d records of the kernel log were overwritten before the read", count)

    def record_malformed(self, malformed: Malformed) -> None:
        """The device gave bytes that are no record."""
        self.records["malformed"] += 1
        self.say("malformed", logging.WARNING, "malformed kernel log record: %s: %r", malformed.reason, malformed.raw)

    def record_refused(self, record: Record) -> None:
        """User space wrote something that looks like OOM into the kernel log."""
        self.records["refused"] += 1
        self.say(
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
        self.say("device", logging.ERROR, "cannot read the kernel log: %s; trying again every 5 s", reason)

    def device_up(self) -> None:
        """The kernel log can be read."""
        self.down_reason = None

    def event_dropped(self, reason: str, count: int, why: str) -> None:
        """Events were given up: reason `overflow` or `rejected`."""
        self.dropped[reason] += count
        self.say(f"dropped {reason}", logging.ERROR, "gave up %d undelivered event(s): %s", count, why)

    def export_failed(self, signal: str, outcome: str, why: str, mend: str) -> None:
        """A request was not accepted: outcome `retry` or `rejected`."""
        self.exports[signal, outcome] += 1
        self.say(f"export {signal}", logging.WARNING, "cannot deliver %s: %s; %s", signal, why, mend)

    def exported(self, signal: str) -> None:
        """A request was accepted."""
        self.exports[signal, "ok"] += 1
        if self._said.pop(f"export {signal}", None) is not None:
            log.info("%s are delivered again", signal)

    def say(self, kind: str, level: int, message: str, *arguments: object) -> None:
        """Log a line, at most once a minute for each kind."""
        now = time.monotonic()
        last, muted = self._said.get(kind, (float("-inf"), 0))
        if now - last < _SAY_AGAIN_S:
            self._said[kind] = (last, muted + 1)
            return
        self._said[kind] = (now, 0)
        log.log(level, "%s%s", message % arguments, f" ({muted} more like it before)" if muted else "")
