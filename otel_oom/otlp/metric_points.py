"""Collections as OTLP metrics: a pure function to the SDK's data model, and the exporter for it.

Rules:
- A counter starts where it was 0: the kernel's own at the boot, those of kills at `Totals.start_ns`, which a restart
  keeps, and the agent's own ones at its start. With delta temporality each point starts where the last acknowledged one
  ended, the first at the agent's start.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from opentelemetry.sdk.metrics import ObservableCounter
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    ConsoleMetricExporter,
    Gauge,
    Metric,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from otel_oom import schema
from otel_oom.config.otlp_export import Export
from otel_oom.otlp.export_outcome import OK, Discard, Exporter, Outcome
from otel_oom.otlp.metric_schedule import Collection
from otel_oom.otlp.metric_values import Attributes
from otel_oom.otlp.resource import SCOPE_NAME
from otel_oom.totals import ResourceIdentity

_SCOPE: Final = InstrumentationScope(SCOPE_NAME)


@dataclass(frozen=True, slots=True)
class CounterStarts:
    """Where counters that do not survive this process were 0, wall clock ns: the kernel's own, and the agent's own."""

    boot_ns: int
    agent_ns: int


def points(collection: Collection, resource: Resource, starts: CounterStarts) -> MetricsData:
    """The collection as metrics. resource: of its series."""
    metrics = [_metric(collection, metric, starts) for metric in collection.values]
    return MetricsData([ResourceMetrics(resource, [ScopeMetrics(_SCOPE, metrics, "")], resource.schema_url)])


def _metric(collection: Collection, metric: schema.Metric, starts: CounterStarts) -> Metric:
    values = collection.values[metric]
    if metric.kind == "counter" and collection.base is not None:
        before = collection.base.values.get(metric, {})
        values = {attributes: value - before.get(attributes, 0) for attributes, value in values.items()}
    data_points = [
        NumberDataPoint(
            dict(attributes),
            _start_ns(collection, metric, attributes, starts),  # type: ignore[arg-type]  # None: a gauge has none
            collection.times.of(_scope(metric, attributes)),
            value,
        )
        for attributes, value in values.items()
    ]
    is_delta = collection.base is not None
    return Metric(metric.name, metric.brief, metric.unit, _data(metric, data_points, is_delta=is_delta))


def _data(metric: schema.Metric, data_points: list[NumberDataPoint], *, is_delta: bool) -> Sum | Gauge:
    if metric.kind == "gauge":
        return Gauge(data_points)
    is_monotonic = metric.kind == "counter"
    temporality = AggregationTemporality.DELTA if is_delta and is_monotonic else AggregationTemporality.CUMULATIVE
    return Sum(data_points, temporality, is_monotonic)


def _start_ns(
    collection: Collection, metric: schema.Metric, attributes: Attributes, starts: CounterStarts
) -> int | None:
    if metric.kind == "gauge":
        return None
    if metric.kind == "counter" and collection.base is not None:
        return collection.base.times.of(_scope(metric, attributes))
    if metric == schema.KERNEL_KILLS:
        return starts.boot_ns
    is_of_totals = metric in {schema.KILLS, schema.UNACCOUNTED_KILLS}
    return collection.series.totals.start_ns if is_of_totals else starts.agent_ns


def _scope(metric: schema.Metric, attributes: Attributes) -> str | None:
    """The scope of kills that a series counts, if it does."""
    return dict(attributes)[schema.SCOPE.name] if metric == schema.KILLS else None


class MetricSender:
    """Exports collections. resource_of: the resource of an identity."""

    def __init__(
        self,
        resource_of: Callable[[ResourceIdentity], Resource],
        exporter: Exporter[MetricsData],
        starts: CounterStarts,
    ) -> None:
        self._resource_of = resource_of
        self._exporter = exporter
        self._starts = starts

    def send(self, collection: Collection) -> Outcome:
        """Make one request."""
        return self._exporter.send(points(collection, self._resource_of(collection.series.identity), self._starts))

    def reconnect(self) -> None:
        """Close the connection: the next request opens a new one."""
        self._exporter.reconnect()

    def close(self) -> None:
        """Close the connections."""
        self._exporter.close()


class _Console(ConsoleMetricExporter):
    """JSON on stdout."""

    def send(self, data: MetricsData) -> Outcome:
        self.export(data)
        return OK

    def reconnect(self) -> None:
        """Do nothing: only stdout is open."""

    def close(self) -> None:
        """Do nothing: stdout stays open."""


def exporter(export: Export) -> Exporter[MetricsData]:
    """The exporter that the settings name; its library is imported here and not before.

    Raises: what the exporter raises for settings that it refuses.
    """
    if export.exporter == "none":
        return Discard()
    if export.exporter == "console":
        return _Console(sys.stdout)
    if export.protocol == "grpc":
        from otel_oom.otlp import grpc_exporter

        return grpc_exporter.GrpcMetrics(**grpc_exporter.arguments(export))
    from otel_oom.otlp import http_exporter

    return http_exporter.HttpMetrics(**http_exporter.arguments(export))


def is_delta(exporter: Exporter[MetricsData]) -> bool:
    """Whether the user wants deltas of observed counters: OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE=delta."""
    temporality = getattr(exporter, "_preferred_temporality", None) or {}
    return temporality.get(ObservableCounter) is AggregationTemporality.DELTA
