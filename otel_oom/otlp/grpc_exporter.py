"""OTLP over gRPC: one call with the configuration of the stock exporters, and its whole answer.

Imported only where the protocol is grpc: the library takes 12 MiB and six threads. The time of a call is measured
here, on the monotonic clock: the library's own deadline is a point on the wall clock.
Source: OTLP specification, "OTLP/gRPC Response" (success, partial success, failures, throttling).
"""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

# Before the import of grpc: its C core writes lines of its own to stderr, unlimited. What fails is in the outcome.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")

from google.protobuf.message import DecodeError
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from grpc import Compression, StatusCode
from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter

from otel_oom.config.otlp_export import Export
from otel_oom.otlp.export_outcome import KEY_REMEDY, Outcome, accepted, encoded

if TYPE_CHECKING:
    from opentelemetry.sdk.metrics.export import MetricsData

_CHANNEL_OPTIONS: Final = (
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.max_reconnect_backoff_ms", 5_000),
)
# A connection that died without a word is left after a call's timeout. Where that is longer, pings notice it after 4 s;
# not everywhere, because the library's timers for them run in idle too, and take 0.1 % of a core.
_NOTICED_S: Final = 4.0
_KEEPALIVE: Final = (
    ("grpc.keepalive_time_ms", 2_000),
    ("grpc.keepalive_timeout_ms", 2_000),
    ("grpc.http2.ping_timeout_ms", 2_000),
    ("grpc.keepalive_permit_without_calls", 0),
)

_COMPRESSION: Final = {"none": Compression.NoCompression, "gzip": Compression.Gzip}
_NOT_GRPC_MEND: Final = (
    "if it speaks HTTP, set OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf, or name the collector's gRPC port"
)


class GrpcLogs(OTLPLogExporter):
    """Log records over gRPC."""

    def send(self, batch: Sequence[Any]) -> Outcome:
        """Call Export with one batch of SDK log records."""
        return _call(self, batch)

    def reconnect(self) -> None:
        """Leave the channel for a new one."""
        _reconnect(self)

    def close(self) -> None:
        """Close the channel."""
        self.shutdown()


class GrpcMetrics(OTLPMetricExporter):
    """Metrics over gRPC."""

    def send(self, data: MetricsData) -> Outcome:
        """Call Export with one collection."""
        return _call(self, data)

    def reconnect(self) -> None:
        """Leave the channel for a new one."""
        _reconnect(self)

    def close(self) -> None:
        """Close the channel."""
        self.shutdown()


def arguments(export: Export) -> dict[str, Any]:
    """Constructor arguments of the stock exporters; all else they read from the environment themselves."""
    return {
        "endpoint": export.url,
        "insecure": export.is_insecure,
        "timeout": export.timeout_s,
        "compression": _COMPRESSION[export.compression],
        "channel_options": _CHANNEL_OPTIONS + (_KEEPALIVE if export.timeout_s > _NOTICED_S else ()),
    }


def _call(exporter: Any, data: Any) -> Outcome:
    request = encoded(exporter._translate_data, data)
    call = exporter._client.Export.future(request, metadata=exporter._headers)
    is_over = threading.Event()
    call.add_done_callback(lambda _: is_over.set())
    if not is_over.wait(exporter._timeout):
        call.cancel()
        _reconnect(exporter)
        return Outcome("retry", "timed out", is_silent=True)
    if call.code() is StatusCode.OK:
        return accepted(call.result().partial_success)
    is_silent = call.code() is StatusCode.UNAVAILABLE  # in most cases: a server may say so too
    if is_silent:
        _reconnect(exporter)
    return replace(_failure(call), is_silent=is_silent)


def _reconnect(exporter: Any) -> None:
    """Take a new channel for the next try: the old one may be dead without knowing it.

    And it has a backoff of its own, up to 5 s and more, in which it fails calls without trying. A server that is merely
    slow or overloaded pays for this with one handshake for each try of ours, as over HTTP after a timeout.
    """
    exporter._channel.close()
    exporter._initialize_channel_and_stub()


def _failure(error: Any) -> Outcome:
    code, details = error.code(), error.details() or ""
    if "http1.x server" in details or "Failed parsing HTTP/2" in details:
        return Outcome("retry", f"{code.name}: the answer is not gRPC", remedy=_NOT_GRPC_MEND)
    innermost = details.rpartition("; last error: ")[2].rpartition("Failed to connect to remote host: ")[2]
    why = f"{code.name}: {innermost}"
    # RESOURCE_EXHAUSTED is two things: throttling, and a message larger than the server takes.
    if code is StatusCode.INVALID_ARGUMENT or (code is StatusCode.RESOURCE_EXHAUSTED and "larger than max" in details):
        return Outcome("rejected", why)
    remedy = KEY_REMEDY if code in {StatusCode.UNAUTHENTICATED, StatusCode.PERMISSION_DENIED} else ""
    return Outcome("retry", why, _retry_after_s(error), remedy=remedy)


def _retry_after_s(error: Any) -> float | None:
    for name, value in error.trailing_metadata() or ():
        if name == "grpc-status-details-bin":
            info = RetryInfo()
            try:
                if any(detail.Unpack(info) for detail in Status.FromString(value).details):
                    return float(info.retry_delay.seconds + info.retry_delay.nanos / 1e9)
            except DecodeError:
                return None  # in words that we do not know: our own backoff it is
    return None
