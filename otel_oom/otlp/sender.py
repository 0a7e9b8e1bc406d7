"""Export thread: sends what is due, and handles each outcome.

Rules:
- A log record leaves as soon as the thread is free, the counter after it (`metric_schedule` says which totals).
- Logs and metrics fail, wait and recover independently. While logs fail, metrics that are due go first: logs that hang
  delay them by one attempt at most.
- After a jump of the wall clock, or a fork, both signals reconnect and export at once: the machine may have slept.
- A batch that is rejected permanently is halved until the one event at fault is alone; that event is given up.
"""

from __future__ import annotations

import math
import random
import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final, TypeVar

from otel_oom.config.otlp_export import ExportSettings
from otel_oom.health import Health
from otel_oom.otlp import remedies
from otel_oom.otlp.delivery_log import DeliveryLog
from otel_oom.otlp.export_outcome import Exporter, NotEncodableError, Outcome
from otel_oom.otlp.log_records import LogSender
from otel_oom.otlp.metric_schedule import Collection, MetricSchedule
from otel_oom.otlp.outcome_text import OutcomeText
from otel_oom.otlp.point_times import Moment
from otel_oom.otlp.retry_backoff import Backoff
from otel_oom.spool.spool import Spool
from otel_oom.telemetry.event import Event

if TYPE_CHECKING:
    from opentelemetry.sdk.metrics.export import MetricsData

_BATCH_EVENTS: Final = 512
_BATCH_BYTES: Final = 512 << 10

Data = TypeVar("Data")


class Sender(threading.Thread):
    """Drains the spool into the exporters until it is stopped.

    points: a collection as the data of `metrics`; now: reads both clocks
    exports: settings of logs and of metrics; texts: of their outcomes
    """

    def __init__(
        self,
        spool: Spool,
        logs: LogSender,
        metrics: Exporter[MetricsData],
        schedule: MetricSchedule,
        health: Health,
        *,
        points: Callable[[Collection], MetricsData],
        now: Callable[[], Moment],
        exports: tuple[ExportSettings, ExportSettings],
        texts: tuple[OutcomeText, OutcomeText],
    ) -> None:
        super().__init__(name="otlp-sender", daemon=True)
        self._spool = spool
        self._logs = logs
        self._metrics = metrics
        self._schedule = schedule
        self._health = health
        self._points = points
        self._now = now
        self._logs_export, self._metrics_export = exports
        self._logs_text, self._metrics_text = texts
        self._log_backoff = Backoff(is_loopback=self._logs_export.is_loopback, jitter=random.uniform)
        self._metric_backoff = Backoff(is_loopback=self._metrics_export.is_loopback, jitter=random.uniform)
        self._batch_events = _BATCH_EVENTS
        self._reconnects = health.reconnects
        self._stop_at_s = math.inf
        self._deliveries = DeliveryLog()

    def warm_up(self, events: Sequence[Event]) -> None:
        """Build a request from these events, and do not send it. Called before the start."""
        self._logs.warm_up(events)

    def open_series(self) -> None:
        """See `MetricSchedule`."""
        self._schedule.open_series()

    @property
    def delivered(self) -> int:
        """Events that the collector accepted since the start."""
        return self._deliveries.delivered

    @property
    def has_delivered_totals(self) -> bool:
        """Whether the collector acknowledged the newest totals."""
        return self._schedule.is_done

    def stop(self, patience_s: float) -> None:
        """Deliver what is left for at most patience_s, then end. Returns when the thread has ended, or at that time."""
        self._stop_at_s = time.monotonic() + patience_s
        self._spool.wake()
        self.join(patience_s)

    def run(self) -> None:
        """The loop. An unexpected error is logged and the turn repeated: it must not end deliveries silently."""
        self._deliveries.begin(len(self._spool))
        seen, is_hurried, news = 0, False, (0, self._schedule.state)
        while True:
            try:
                due_s = self._turn()
            except Exception as error:  # noqa: BLE001 nothing may end deliveries silently
                self._health.bug("the sender", error)
                due_s = time.monotonic() + 1.0
            if self._is_stopping and (self._is_done or time.monotonic() >= self._stop_at_s):
                break
            seen = self._spool.wait(seen, max(0.0, min(due_s, self._stop_at_s) - time.monotonic()))
            before, news = news, (self._spool.newest_number, self._schedule.state)
            for backoff in (self._log_backoff, self._metric_backoff):
                if self._is_stopping and not is_hurried:
                    backoff.hurry()
                elif news != before:
                    backoff.probe()
            is_hurried = self._is_stopping
        self._logs.close()
        self._metrics.close()

    @property
    def _is_stopping(self) -> bool:
        return self._stop_at_s < math.inf

    @property
    def _is_done(self) -> bool:
        return self._schedule.is_done and not len(self._spool)

    def _turn(self) -> float:
        """Do what is due; returns when something will be due again, monotonic seconds."""
        if self._reconnects != self._health.reconnects:
            self._reconnect()
        is_outage = self._log_backoff.is_outage
        if is_outage:
            self._send_due_metrics()
        if len(self._spool) and self._log_backoff.due_s <= time.monotonic():
            self._send_logs()  # one batch, so that a storm does not hold up the counter
        if not is_outage:
            self._send_due_metrics()
        due_s = self._metrics_due_s  # read again: there may be newer totals than those just delivered
        return min(due_s, self._log_backoff.due_s) if len(self._spool) else due_s

    def _reconnect(self) -> None:
        self._reconnects = self._health.reconnects
        self._logs.reconnect()
        self._metrics.reconnect()
        self._log_backoff.hurry()
        self._metric_backoff.hurry()

    def _send_due_metrics(self) -> None:
        self._spool.check_disk(time.monotonic())
        if self._metrics_due_s <= time.monotonic():
            self._send_metrics()

    @property
    def _metrics_due_s(self) -> float:
        """When the next metrics may be sent, monotonic seconds."""
        return max(self._schedule.due_s, self._metric_backoff.due_s)

    def _send_logs(self) -> None:
        batch = self._spool.peek(self._batch_events, _BATCH_BYTES)
        outcome = self._logs_text.of(_attempt(self._logs.send, batch), self._logs_export.remedy)
        if outcome.is_silent:  # the collector may be dead for both signals: only one of them waits for a timeout
            self._metrics.reconnect()
        if not self._count_outcome(outcome, self._logs_export, self._log_backoff):
            if outcome.is_too_large:
                self._batch_events = max(1, len(batch) // 2)
            self._deliveries.interrupted()
            return
        if outcome.result == "rejected" and len(batch) > 1:
            self._batch_events = len(batch) // 2
            return
        refused = []
        if outcome.result == "rejected":
            self._health.event_dropped(
                "rejected", 1, f"the collector rejects {batch[0].uid} permanently: {outcome.why}"
            )
            refused = [(batch[0], outcome.why)]
        dropped = min(outcome.dropped, len(batch))
        if dropped:
            self._health.event_dropped("rejected", dropped, f"partial success: {outcome.why}")
        self._spool.remove_first(len(batch), refused)
        if self._logs_export.exporter != "none":
            self._deliveries.batch_done(batch, len(batch) - dropped - len(refused), len(self._spool))
        self._batch_events = min(self._batch_events * 2, _BATCH_EVENTS)

    def _send_metrics(self) -> None:
        collection = self._schedule.collect(self._now())
        outcome = self._metrics_text.of(
            _attempt(self._metrics.send, self._points(collection)), self._metrics_export.remedy
        )
        if outcome.is_silent:
            self._logs.reconnect()
        if self._count_outcome(outcome, self._metrics_export, self._metric_backoff, is_required=collection.is_required):
            self._schedule.handle_outcome(collection, outcome, time.monotonic())
            if outcome.dropped:
                self._health.points_rejected(outcome.dropped, outcome.why)

    def _count_outcome(
        self, outcome: Outcome, export: ExportSettings, backoff: Backoff, *, is_required: bool = False
    ) -> bool:
        """Count and log the outcome, set the backoff; returns whether it is final. is_required: a rejection is not."""
        if outcome.clock_offset_s is not None:
            self._health.clock_compared(outcome.clock_offset_s)
        if outcome.result == "ok":
            if export.exporter != "none":  # `none` delivers nothing; a write to the console is a delivery
                self._health.exported(export.signal)
                self._deliveries.accepted(export)
            if outcome.why and not outcome.dropped:
                self._health.export_warned(export.signal, outcome.why)
        else:
            remedy = outcome.remedy
            # The cause may be the proxy or the collector, so a line that does not name the proxy gets its name.
            if export.proxy is not None and str(export.proxy) not in outcome.why:
                remedy = f"{remedy}; the requests go through {export.proxy}"
            self._health.export_failed(export.signal, outcome.result, outcome.why, remedy)
        if outcome.result == "retry" or (is_required and outcome.result == "rejected"):
            needs_operator = outcome.needs_operator or outcome.result == "rejected"
            backoff.failed(time.monotonic(), outcome.retry_after_s, needs_operator=needs_operator)
            return False
        backoff.succeeded()
        return True


def _attempt(send: Callable[[Data], Outcome], data: Data) -> Outcome:
    """One request. Only data that cannot be encoded is given up; other errors (no memory, no thread) may pass."""
    try:
        return send(data)
    except NotEncodableError as error:
        return Outcome("rejected", str(error), remedy=remedies.NOT_ENCODABLE)
    except Exception as error:  # noqa: BLE001 the libraries raise anything
        return Outcome("retry", repr(error))
