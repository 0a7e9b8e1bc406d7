"""OTLP over gRPC: one call with the configuration of the stock exporters, and its whole answer.

Imported only where the protocol is grpc: the library takes 12 MiB and six threads.
Source: OTLP specification, "OTLP/gRPC Response" (success, partial success, failures, throttling).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from grpc import RpcError, StatusCode
from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter

from otel_oom.config import Export
from otel_oom.otlp.outcome import OK, Outcome

if TYPE_CHECKING:
    from opentelemetry.sdk.metrics.export import MetricsData

# A connection that died without a word is noticed by pings during a call; without them it never is.
_CHANNEL_OPTIONS: Final = (
    ("grpc.keepalive_time_ms", 3_000),
    ("grpc.keepalive_timeout_ms", 2_000),
    ("grpc.http2.ping_timeout_ms", 2_000),
    ("grpc.keepalive_permit_without_calls", 0),
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.max_reconnect_backoff_ms", 5_000),
)


class GrpcLogs(OTLPLogExporter):
    """Log records over gRPC."""

    def send(self, batch: Sequence[Any]) -> Outcome:
        """Call Export with one batch of SDK log records."""
        return _call(self, batch)

    def close(self) -> None:
        """Close the channel."""
        self.shutdown()


class GrpcMetrics(OTLPMetricExporter):
    """Metrics over gRPC."""

    def send(self, data: MetricsData) -> Outcome:
        """Call Export with one collection."""
        return _call(self, data)

    def close(self) -> None:
        """Close the channel."""
        self.shutdown()


def arguments(export: Export) -> dict[str, Any]:
    """Constructor arguments of the stock exporters; all else they read from the environment themselves."""
    return {"timeout": export.timeout_s, "channel_options": _CHANNEL_OPTIONS}


def _call(exporter: Any, data: Any) -> Outcome:
    request = exporter._translate_data(data)
    try:
        response = exporter._client.Export(request=request, metadata=exporter._headers, timeout=exporter._timeout)
    except RpcError as error:
        return _failure(error)
    partial = response.partial_success
    dropped = getattr(partial, "rejected_log_records", 0) or getattr(partial, "rejected_data_points", 0)
    return Outcome("ok", partial.error_message, dropped=dropped) if dropped else OK


def _failure(error: Any) -> Outcome:
    code, details = error.code(), error.details() or ""
    why = f"{code.name}: {details.rpartition('; last error: ')[2]}"
    # RESOURCE_EXHAUSTED is two things: throttling, and a message larger than the server takes.
    if code is StatusCode.INVALID_ARGUMENT or (code is StatusCode.RESOURCE_EXHAUSTED and "larger than max" in details):
        return Outcome("rejected", why)
    return Outcome("retry", why, _retry_after_s(error))


def _retry_after_s(error: Any) -> float | None:
    for name, value in error.trailing_metadata() or ():
        if name == "grpc-status-details-bin":
            for detail in Status.FromString(value).details:
                info = RetryInfo()
                if detail.Unpack(info):
                    return float(info.retry_delay.ToTimedelta().total_seconds())
    return None
