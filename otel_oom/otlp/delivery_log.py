"""Log lines about what a collector accepted: the first export of each signal, and events that had waited.

    the first export of metrics was accepted by http://localhost:4318 (http/protobuf)
    delivered 12 event(s) that had waited, the oldest for 240 s

Events wait while a collector cannot take them, and from one run of the agent to the next.

Rules:
- Events that had waited are logged once the last of them was sent, at most once a minute. A line that was left out adds
  its number to the next one.
- The sender thread is the only caller. Ages come from the wall clock, so a clock that was set shifts them.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence

from otel_oom.config.otlp_export import ExportSettings
from otel_oom.rate_limited_log import RateLimitedLog
from otel_oom.schema import Signal
from otel_oom.telemetry.event import Event

log = logging.getLogger(__name__)


class DeliveryLog:
    """Counts and logs deliveries. wall_ns: wall clock, ns since the Unix epoch."""

    def __init__(self, wall_ns: Callable[[], int] = time.time_ns) -> None:
        self.delivered = 0
        """Events that the collector accepted since the start."""
        self._wall_ns = wall_ns
        self._log = RateLimitedLog()
        self._accepted: set[Signal] = set()
        self._is_interrupted = False
        self._waiting = 0
        """Events that had waited and are not sent yet."""
        self._arrived = 0
        """Events that had waited and were accepted, since the last line about them."""
        self._oldest_s = 0.0

    def accepted(self, export: ExportSettings) -> None:
        """An export was accepted."""
        if export.signal not in self._accepted:
            self._accepted.add(export.signal)
            log.info("the first export of %s was accepted by %s", export.signal, export.where)

    def begin(self, pending: int) -> None:
        """Deliveries begin. pending: events that are in the queue already."""
        self._waiting = pending

    def interrupted(self) -> None:
        """Events could not be delivered, and are kept: all that are in the queue at the next success had to wait."""
        self._is_interrupted = True

    def batch_done(self, batch: Sequence[Event], accepted: int, left: int) -> None:
        """A batch left the queue. accepted: how many of it the collector took; left: events in the queue now."""
        self.delivered += accepted
        if self._is_interrupted:
            self._is_interrupted, self._waiting = False, len(batch) + left
        if not self._waiting:
            return
        self._arrived += min(accepted, self._waiting)
        self._oldest_s = max(self._oldest_s, (self._wall_ns() - batch[0].observed_ns) / 1e9)
        self._waiting = max(0, self._waiting - len(batch)) if left else 0
        if not self._waiting and self._arrived and self._log_waited():
            self._arrived, self._oldest_s = 0, 0.0

    def _log_waited(self) -> bool:
        message = "delivered %d event(s) that had waited, the oldest for %.0f s"
        return self._log.log("waited", logging.INFO, message, self._arrived, self._oldest_s)
