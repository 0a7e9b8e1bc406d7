"""Which totals a collector is told next, as whose, and when.

Rules:
- A series is opened at the total that it carried, before any new kill is added to it, and that is tried until it is
  delivered: only so does a store see the first kill as an increase.
- News is told within `_GATHER_S`, all else with the heartbeat.
- Where this machine is another one now, what it was is told first: its last totals as that one's, then its own open.
- After a sleep, too, the totals that were told last are told again before new ones: a store has an old sample at best.
  But not where newer ones may have been taken without an answer: to a store a total that goes back is a new beginning.
- What a collection says is not lost with its request: a cumulative one says it all again, and newer; one of delta
  temporality is kept as it is.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from otel_oom.health import Health
from otel_oom.otlp.export_outcome import Outcome
from otel_oom.otlp.metric_points import MetricSender, PointTimes
from otel_oom.spool.spool import Spool
from otel_oom.totals import RetiredSeries, Series, Totals

if TYPE_CHECKING:
    from opentelemetry.sdk.metrics.export import MetricsData

_GATHER_S: Final = 0.05  # a storm's kills go out as one point, not as hundreds


class State(NamedTuple):
    """What a collector should know at once when it changes: the totals that it may see, and the agent's health."""

    series: Series
    down_reason: str | None
    is_durable: bool | None
    reconnect_epoch: int


class MetricsOf(Protocol):
    """Makes the way of a series."""

    def __call__(
        self, series: Series, times: PointTimes, acknowledged: Totals | None, *, is_retired: bool
    ) -> MetricSender:
        """told: what a collector has taken of it; is_retired: of what this machine was, which has untold kills alone."""


class MetricSchedule:
    """Collects what is due; the sender sends it, and says what became of it."""

    def __init__(
        self, spool: Spool, health: Health, metrics_of: MetricsOf, times: PointTimes, heartbeat_s: float
    ) -> None:
        self._spool = spool
        self._health = health
        self._metrics_of = metrics_of
        self._times = times
        self._heartbeat_s = heartbeat_s
        self._metrics = metrics_of(spool.exportable, times, spool.checkpoint.acknowledged_of_current, is_retired=False)
        self._opening: Totals | None = None
        """The totals that must be delivered before any newer ones."""
        self._kept: tuple[MetricsData, State] | None = None
        self._retired: MetricSender | None = None
        self._retired_data: MetricsData | None = None
        self._exported = self._collected = self.state
        self._collected_retired: Series | None = None
        self._heartbeat_due_s = 0.0
        self._sent_s = 0.0

    def open_series(self) -> None:
        """From now on the totals as they are carried are delivered before anything newer. Before the first kill."""
        self._opening = self._spool.exportable.totals

    @property
    def state(self) -> State:
        """As it is now."""
        health = self._health
        return State(self._spool.exportable, health.down_reason, health.is_durable, health.reconnect_epoch)

    @property
    def due_s(self) -> float:
        """When something is to be told next, monotonic seconds: at the heartbeat, and sooner if there is news."""
        if self._spool.retired is not None:
            return 0.0
        due_s = self._heartbeat_due_s
        if self.state != self._exported:
            due_s = min(due_s, self._sent_s + _GATHER_S)
        return min(due_s, self._spool.held_until_s)

    @property
    def is_done(self) -> bool:
        """Whether a collector knows all that there is to know."""
        is_told = self._opening is None and self._kept is None and self._spool.retired is None
        is_newest = self._exported.series.totals == self._spool.totals  # none wait for the disk
        return is_told and is_newest and self.state == self._exported

    @property
    def is_opening(self) -> bool:
        """Whether what was collected must be delivered, even if it was refused."""
        return self._opening is not None and self._collected_retired is None and not self._metrics.is_delta

    @property
    def _is_certain(self) -> bool:
        """Whether a collector knows what was told last, and nothing newer. Of deltas nothing can be told again."""
        return self._opening is None and self._collected.series == self._exported.series and not self._metrics.is_delta

    def collect(self) -> MetricsData:
        """What is to be told now."""
        retired = self._spool.retired
        if retired is not None:
            return self._collect_retired(retired)
        self._collected_retired = None
        if self._retired is not None:
            self._retired.end()
            self._retired = self._retired_data = None
        if self._kept is not None:
            data, self._collected = self._kept
            return data
        state = self.state
        if state.series.key != self._metrics.key:
            self._change_identity(state.series)
        elif state.reconnect_epoch != self._exported.reconnect_epoch and self._is_certain:
            self._opening = self._exported.series.totals
        # The opening is collected anew for each try: after a long outage its old times would be refused for ever. With
        # delta temporality it is kept as it was, because its collection cannot be repeated.
        totals = self._opening or state.series.totals
        self._collected = state._replace(series=replace(state.series, totals=totals))
        data = self._metrics.collect(totals)
        if self._metrics.is_delta:
            self._kept = (data, self._collected)
        return data

    def send(self, data: MetricsData) -> Outcome:
        """One request."""
        try:
            return self._metrics.send(data)
        finally:
            self._sent_s = time.monotonic()

    def settled(self, outcome: Outcome) -> None:
        """The collector has what was collected, or will never take it."""
        if self._collected_retired is not None:
            self._retired_data = None
            self._spool.acknowledge(self._collected_retired, 0)
            return
        self._opening, self._kept, self._exported = None, None, self._collected
        if outcome.verdict == "ok":
            self._spool.acknowledge(self._collected.series, self._metrics.newest_ns)
        self._heartbeat_due_s = self._sent_s + self._heartbeat_s

    def reconnect(self) -> None:
        """Leave the connection: the next request makes a new one."""
        self._metrics.reconnect()

    def close(self) -> None:
        """Close the connections."""
        self._metrics.close()

    def _change_identity(self, series: Series) -> None:
        self._opening = Totals(series.totals.start_ns)
        begin = replace(self._spool.checkpoint, totals=self._opening, exported_ns=self._metrics.newest_ns)
        metrics = self._metrics_of(series, self._times.for_series(begin), None, is_retired=False)
        before, self._metrics = self._metrics, metrics
        before.end()

    def _collect_retired(self, retired: RetiredSeries) -> MetricsData:
        """Where no collector knows that series yet, it opens at 0 as well: a total is no increase, a delta is one."""
        self._kept = None  # it is part of what is to be told of the former one
        if self._retired is None or self._retired.key != retired.series.key:
            if self._retired is not None:
                self._retired.end()
            times = self._times.of_retired(retired)
            self._retired = self._metrics_of(retired.series, times, retired.acknowledged, is_retired=True)
            self._retired_data = None
        if self._retired_data is None:
            opens = retired.acknowledged is None and not self._metrics.is_delta
            totals = Totals(retired.series.totals.start_ns) if opens else retired.series.totals
            self._collected_retired = replace(retired.series, totals=totals)
            self._retired_data = self._retired.collect(totals)
        return self._retired_data
