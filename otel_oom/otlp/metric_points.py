"""Totals to metric points whose times are true, and never go back.

Rules:
- A point's time is the stamp of the newest kill in it if that is new, else the moment of the collection.
- It is always later than the last exported time of its series: collectors silently drop a point that goes back. After
  the wall clock stepped back, the times go on from the last one at the pace of the monotonic clock.
- A counter begins where its total was 0: the kernel's own at the boot, those of kills at `Totals.start_ns`, which a
  restart carries on, and those of the agent's own doings at its start. With delta temporality each point begins where
  the last one ended, the first at the agent's start.
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from opentelemetry.sdk.metrics import MeterProvider, ObservableCounter
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    ConsoleMetricExporter,
    Metric,
    MetricReader,
    MetricsData,
    NumberDataPoint,
    ScopeMetrics,
    Sum,
)
from opentelemetry.sdk.resources import Resource

from otel_oom import schema
from otel_oom.config.otlp_export import Export
from otel_oom.otlp.export_outcome import OK, Discard, Exporter, Outcome
from otel_oom.otlp.instruments import SCOPE_NAME
from otel_oom.spool.checkpoint import Checkpoint
from otel_oom.totals import RetiredSeries, Series, Totals

_STEP_NS: Final = 1_000_000  # stores keep milliseconds: the next point must be a later one there too

_CARRIED: Final = (schema.KILLS.name, schema.UNACCOUNTED_KILLS.name)

_Key = tuple[str, tuple[tuple[str, object], ...]]


class _OnDemand(MetricReader):
    """Collects when the sender says so."""

    collected = MetricsData([])

    def _receive_metrics(self, metrics_data: MetricsData, timeout_millis: float = 10_000, **_: Any) -> None:  # noqa: ARG002 the interface's
        self.collected = metrics_data

    def shutdown(self, timeout_millis: float = 30_000, **_: Any) -> None:
        """Nothing is open."""


class PointTimes:
    """Gives each point its start and its time.

    wall_ns, monotonic_ns: clocks; boot_ns: when the kernel began to count, wall clock ns since the Unix epoch
    begin: where this agent began: it knows what an earlier one exported
    """

    def __init__(
        self, wall_ns: Callable[[], int], monotonic_ns: Callable[[], int], *, boot_ns: int, begin: Checkpoint
    ) -> None:
        self._wall_ns = wall_ns
        self._monotonic_ns = monotonic_ns
        self._start_ns = wall_ns()
        self._start_monotonic_ns = monotonic_ns()
        self._boot_ns = boot_ns
        self._begin = begin
        self._last: dict[_Key, tuple[int, int, int]] = {}
        self.newest_ns = begin.exported_ns
        """The latest time that any point carried."""

    def for_series(self, begin: Checkpoint) -> PointTimes:
        """The same clocks for other series."""
        times = copy.copy(self)
        times._begin, times._last, times.newest_ns = begin, {}, begin.exported_ns
        times._start_monotonic_ns = self._monotonic_ns()
        return times

    def of_retired(self, retired: RetiredSeries) -> PointTimes:
        """Times without a clock: right after the last one, or that of the kill. Each copy of the machine has the same.

        A store that knows newer ones of what this machine was, because it goes on as well, drops them.
        """
        acknowledged = retired.acknowledged or Totals(retired.series.totals.start_ns)
        last_ns = max(retired.exported_ns, acknowledged.start_ns)
        times = self.for_series(replace(self._begin, totals=acknowledged, exported_ns=last_ns))
        times._start_ns, times._start_monotonic_ns = last_ns, 0
        times._wall_ns, times._monotonic_ns = lambda: last_ns + _STEP_NS, lambda: 0
        return times

    def stamp(self, data: MetricsData, totals: Totals) -> MetricsData:
        """The same data with times by the rules above."""
        now = (self._wall_ns(), self._monotonic_ns())

        def points(metric: Metric) -> Metric:
            stamped = [self._point(metric, point, totals, now) for point in metric.data.data_points]
            return replace(metric, data=replace(metric.data, data_points=stamped))  # type: ignore[arg-type]  # numbers all

        def scopes(scope: ScopeMetrics) -> ScopeMetrics:
            return replace(scope, metrics=[points(metric) for metric in scope.metrics])

        return MetricsData(
            [
                replace(resource, scope_metrics=[scopes(scope) for scope in resource.scope_metrics])
                for resource in data.resource_metrics
            ]
        )

    def _point(self, metric: Metric, point: Any, totals: Totals, now: tuple[int, int]) -> NumberDataPoint:
        wall_ns, monotonic_ns = now
        series = (metric.name, tuple(sorted((point.attributes or {}).items())))
        time_ns, newest_ns = wall_ns, 0
        if metric.name == schema.KILLS.name:
            newest_ns = totals.stamps_ns.get(str(point.attributes[schema.SCOPE.name]), 0)
        last_ns, last_monotonic_ns, last_newest_ns = self._last.get(series) or self._first(metric, point)
        if newest_ns != last_newest_ns:
            time_ns = newest_ns
        if time_ns // _STEP_NS <= last_ns // _STEP_NS:
            time_ns = last_ns + max(_STEP_NS, monotonic_ns - last_monotonic_ns)
        self._last[series] = (time_ns, monotonic_ns, newest_ns)
        self.newest_ns = max(self.newest_ns, time_ns)
        start_ns = None
        if isinstance(metric.data, Sum):
            is_delta = metric.data.aggregation_temporality is AggregationTemporality.DELTA
            start_ns = last_ns if is_delta else self._zero_ns(metric.name, totals)
        stamped: NumberDataPoint = replace(point, start_time_unix_nano=start_ns, time_unix_nano=time_ns)
        return stamped

    def _first(self, metric: Metric, point: Any) -> tuple[int, int, int]:
        """What stands for the last point of a series before its first one: what an earlier agent may have exported."""
        newest_ns = 0
        if metric.name == schema.KILLS.name:
            newest_ns = self._begin.totals.stamps_ns.get(str(point.attributes[schema.SCOPE.name]), 0)
        return max(self._start_ns, self._begin.exported_ns), self._start_monotonic_ns, newest_ns

    def _zero_ns(self, name: str, totals: Totals) -> int:
        if name == schema.KERNEL_KILLS.name:
            return self._boot_ns
        return totals.start_ns if name in _CARRIED else self._start_ns


class MetricSender:
    """Metrics of one origin through the OTel API, collected and out when the sender says so.

    series: where they begin
    """

    def __init__(self, resource: Resource, exporter: Any, times: PointTimes, series: Series) -> None:
        temporality = getattr(exporter, "_preferred_temporality", None) or {}
        self._reader = _OnDemand(temporality, getattr(exporter, "_preferred_aggregation", None))
        self._provider = MeterProvider([self._reader], resource, shutdown_on_exit=False)
        self._exporter: Exporter[MetricsData] = exporter
        self._times = times
        self.meter = self._provider.get_meter(SCOPE_NAME)
        self.key = series.key
        self.totals = series.totals
        """The totals that the instruments observe: those of the collection at hand."""
        self.is_delta = temporality.get(ObservableCounter) is AggregationTemporality.DELTA
        """Whether a collection that was not delivered is a loss: with delta temporality the next one starts anew."""

    @property
    def newest_ns(self) -> int:
        """The latest time that any point carried, wall clock ns since the Unix epoch."""
        return self._times.newest_ns

    def collect(self, totals: Totals) -> MetricsData:
        """One collection of all instruments, stamped."""
        self.totals = totals
        self._reader.collected = MetricsData([])
        self._reader.collect()
        return self._times.stamp(self._reader.collected, totals)

    def send(self, data: MetricsData) -> Outcome:
        """One request."""
        return self._exporter.send(data)

    def reconnect(self) -> None:
        """Leave the connection: the next request makes a new one."""
        self._exporter.reconnect()

    def end(self) -> None:
        """Nothing more is collected; the exporter goes on with other series."""
        self._provider.shutdown()

    def close(self) -> None:
        """Close the connections."""
        self._exporter.close()


class _Console(ConsoleMetricExporter):
    """JSON on stdout."""

    def send(self, data: MetricsData) -> Outcome:
        self.export(data)
        return OK

    def reconnect(self) -> None:
        """Nothing is open but stdout."""

    def close(self) -> None:
        """Stdout stays open."""


def exporter(export: Export) -> Exporter[MetricsData]:
    """The exporter that the settings name, its library imported here and not before."""
    if export.exporter == "none":
        return Discard()
    if export.exporter == "console":
        return _Console(sys.stdout)
    if export.protocol == "grpc":
        from otel_oom.otlp import grpc_exporter

        return grpc_exporter.GrpcMetrics(**grpc_exporter.arguments(export))
    from otel_oom.otlp import http_exporter

    return http_exporter.HttpMetrics(**http_exporter.arguments(export))
