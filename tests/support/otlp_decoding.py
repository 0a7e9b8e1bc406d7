"""OTLP messages as plain values: log records, data points and resources. The only decoder of the tests.

The messages are those of opentelemetry-proto. Nothing of the package is used. A kind of metric that the agent never
sends (histogram, summary) raises AttributeError, so that it cannot pass unseen.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class LogRecord:
    """One log record with its resource and scope. A field that was not sent is "", 0, {} or None (body)."""

    event_name: str
    time_unix_nano: int
    observed_time_unix_nano: int
    severity_number: int
    severity_text: str
    body: Any
    attributes: dict[str, Any]
    resource: dict[str, Any]
    scope_name: str
    scope_version: str

    @property
    def uid(self) -> str:
        """`log.record.uid`. Raises: KeyError."""
        return str(self.attributes["log.record.uid"])

    @property
    def instance(self) -> str:
        """`service.instance.id` of the resource. Raises: KeyError."""
        return str(self.resource["service.instance.id"])


@dataclass(frozen=True)
class DataPoint:
    """One data point with its metric, resource and scope.

    kind: `counter`, `updowncounter` or `gauge`; value: int or float
    """

    name: str
    unit: str
    kind: str
    value: Any
    attributes: dict[str, Any]
    start_time_unix_nano: int
    time_unix_nano: int
    resource: dict[str, Any]
    scope_name: str
    scope_version: str

    @property
    def instance(self) -> str:
        """`service.instance.id` of the resource. Raises: KeyError."""
        return str(self.resource["service.instance.id"])


def log_records(message: Any) -> list[LogRecord]:
    """All log records of a LogsData or ExportLogsServiceRequest, in order."""
    return [
        LogRecord(
            event_name=record.event_name,
            time_unix_nano=record.time_unix_nano,
            observed_time_unix_nano=record.observed_time_unix_nano,
            severity_number=record.severity_number,
            severity_text=record.severity_text,
            body=plain_value(record.body),
            attributes=attributes_of(record.attributes),
            resource=attributes_of(block.resource.attributes),
            scope_name=scoped.scope.name,
            scope_version=scoped.scope.version,
        )
        for block in message.resource_logs
        for scoped in block.scope_logs
        for record in scoped.log_records
    ]


def log_record_count(message: Any) -> int:
    """The number of log records. None is decoded: a test of throughput must not spend its time here."""
    return sum(len(scoped.log_records) for block in message.resource_logs for scoped in block.scope_logs)


def data_points(message: Any) -> list[DataPoint]:
    """All data points of a MetricsData or ExportMetricsServiceRequest, in order."""
    return [
        DataPoint(
            name=metric.name,
            unit=metric.unit,
            kind=_kind(metric),
            value=getattr(point, point.WhichOneof("value")),
            attributes=attributes_of(point.attributes),
            start_time_unix_nano=point.start_time_unix_nano,
            time_unix_nano=point.time_unix_nano,
            resource=attributes_of(block.resource.attributes),
            scope_name=scoped.scope.name,
            scope_version=scoped.scope.version,
        )
        for block in message.resource_metrics
        for scoped in block.scope_metrics
        for metric in scoped.metrics
        for point in getattr(metric, metric.WhichOneof("data")).data_points
    ]


def attributes_of(pairs: Iterable[Any]) -> dict[str, Any]:
    """KeyValue messages as a dict."""
    return {pair.key: plain_value(pair.value) for pair in pairs}


def plain_value(value: Any) -> Any:
    """An AnyValue as str, bool, int, float, bytes, list or dict; None where it is empty."""
    kind = value.WhichOneof("value")
    if kind is None:
        return None
    if kind == "array_value":
        return [plain_value(item) for item in value.array_value.values]
    if kind == "kvlist_value":
        return attributes_of(value.kvlist_value.values)
    return getattr(value, kind)


def _kind(metric: Any) -> str:
    if metric.WhichOneof("data") == "gauge":
        return "gauge"
    return "counter" if metric.sum.is_monotonic else "updowncounter"
