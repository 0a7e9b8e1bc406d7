"""Collections as OTLP metrics: a pure function to the SDK's data model, and the exporter for it.

Rules:
- A counter starts where it was 0: the kernel's own at the boot, those of kills at `Totals.start_ns`, which a restart
  keeps, and the agent's own ones at its start. With delta temporality each point starts where the last acknowledged one
  ended, the first at the agent's start.
"""

from __future__ import annotations

import sys
from typing import Any, Final

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
from otel_oom.config.otlp_export import ExportSettings
from otel_oom.otlp.export_outcome import Exporter, LocalExporter
from otel_oom.otlp.metric_schedule import Collection
from otel_oom.otlp.resource import SCOPE_NAME

_SCOPE: Final = InstrumentationScope(SCOPE_NAME, schema_url=schema.METRICS_SCHEMA_URL)


def points(collection: Collection, resource: Resource, *, boot_ns: int, agent_start_ns: int) -> MetricsData:
    """The collection as metrics.

    resource: of its identity
    boot_ns, agent_start_ns: when the kernel's counter and the agent's own counters were 0, ns since the Unix epoch
    """
    zero_ns = {
        schema.KERNEL_KILLS: boot_ns,
        schema.KILLS: collection.series.totals.start_ns,
        schema.UNACCOUNTED_KILLS: collection.series.totals.start_ns,
    }
    metrics = [_metric(collection, metric, zero_ns.get(metric, agent_start_ns)) for metric in collection.values]
    return MetricsData(
        [ResourceMetrics(resource, [ScopeMetrics(_SCOPE, metrics, schema.METRICS_SCHEMA_URL)], resource.schema_url)]
    )


def _metric(collection: Collection, metric: schema.Metric, zero_ns: int) -> Metric:
    delta_start = collection.delta_start if metric.kind == "counter" else None
    before = delta_start.values.get(metric, {}) if delta_start is not None else {}
    data_points = []
    for attributes, value in collection.values[metric].items():
        scope = dict(attributes).get(schema.SCOPE.name)
        start_ns: Any = None if metric.kind == "gauge" else zero_ns
        if delta_start is not None:
            start_ns = delta_start.times.of(scope)
        time_ns = collection.times.of(scope)
        data_points.append(NumberDataPoint(dict(attributes), start_ns, time_ns, value - before.get(attributes, 0)))
    if metric.kind == "gauge":
        return Metric(metric.name, metric.brief, metric.unit, Gauge(data_points))
    temporality = AggregationTemporality.CUMULATIVE if delta_start is None else AggregationTemporality.DELTA
    is_monotonic = metric.kind == "counter"
    return Metric(metric.name, metric.brief, metric.unit, Sum(data_points, temporality, is_monotonic))


def exporter(export: ExportSettings) -> Exporter[MetricsData]:
    """The exporter that the settings name; its library is imported here and not before.

    Raises: ValueError, OSError, RuntimeError, ImportError or LookupError for settings that it refuses.
    """
    if export.exporter == "none":
        return LocalExporter(lambda _: None)
    if export.exporter == "console":
        return LocalExporter(ConsoleMetricExporter(sys.stdout).export)
    if export.protocol == "grpc":
        from otel_oom.otlp import grpc_exporter

        return grpc_exporter.GrpcMetrics(export)
    from otel_oom.otlp import http_exporter

    return http_exporter.HttpMetrics(export)
