"""OTLP over gRPC: one call with the configuration of the SDK's own exporters, and its complete answer.

Imported only where the protocol is grpc: the library takes 12 MiB and six threads. The timeout of a call is measured
here with the monotonic clock, because the library's own deadline is a time of the wall clock.
Source: OTLP specification, "OTLP/gRPC Response" (success, partial success, failures, throttling).
"""

from __future__ import annotations

import os
import threading
from dataclasses import replace
from typing import Any, Final

# Before the import of grpc: its C core writes its own lines to stderr without a limit. Failures are in the outcome.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")

from grpc import Call, Compression, StatusCode
from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.grpc.exporter import OTLPExporterMixin
from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter

from otel_oom.config.otlp_export import ExportSettings
from otel_oom.otlp.export_outcome import Outcome, encoded
from otel_oom.otlp.grpc_answer import answered, failed

_CHANNEL_OPTIONS: Final = (
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.max_reconnect_backoff_ms", 5_000),
)
# A connection that died without a sign is closed after a call's timeout. Where that is longer, pings detect it after
# 4 s. Not everywhere, because the library's timers for them also run while idle, and take 0.1 % of a core.
_DETECTED_S: Final = 4.0
_KEEPALIVE: Final = (
    ("grpc.keepalive_time_ms", 2_000),
    ("grpc.keepalive_timeout_ms", 2_000),
    ("grpc.http2.ping_timeout_ms", 2_000),
    ("grpc.keepalive_permit_without_calls", 0),
)

_COMPRESSION: Final = {"none": Compression.NoCompression, "gzip": Compression.Gzip}


class _GrpcExporter(OTLPExporterMixin[Any, Any, Any, Any]):
    """What both signals share. The SDK's own exporter follows it in the list of bases."""

    def __init__(self, export: ExportSettings) -> None:
        super().__init__(**_arguments(export))
        self._is_tls = not export.is_insecure

    def send(self, data: Any) -> Outcome:
        """Call Export once."""
        request = encoded(self._translate_data, data)
        client: Any = self._client  # the SDK declares it and the channel as None
        call: Call = client.Export.future(request, metadata=self._headers)
        is_over = threading.Event()
        call.add_done_callback(lambda _: is_over.set())
        if not is_over.wait(self._timeout):
            call.cancel()
            self.reconnect()
            return Outcome("retry", "timed out", is_silent=True)
        if call.code() is StatusCode.OK:
            return answered(call, call.result())
        is_silent = call.code() is StatusCode.UNAVAILABLE  # in most cases; a server may answer so too
        if is_silent:
            self.reconnect()
        return replace(failed(call, is_tls=self._is_tls), is_silent=is_silent)

    def reconnect(self) -> None:
        """Open a new channel for the next request: the old one may be dead without a sign of it.

        An old one also has a backoff of its own, of 5 s and more, in which calls fail without an attempt. A server that
        is only slow or overloaded pays for this with one handshake per attempt, as over HTTP after a timeout.
        """
        self.close()
        self._initialize_channel_and_stub()  # type: ignore[no-untyped-call]

    def close(self) -> None:
        """Close the channel."""
        channel: Any = self._channel
        channel.close()


class GrpcLogs(_GrpcExporter, OTLPLogExporter):
    """Log records over gRPC."""


class GrpcMetrics(_GrpcExporter, OTLPMetricExporter):
    """Metrics over gRPC."""


def _arguments(export: ExportSettings) -> dict[str, Any]:
    """Constructor arguments of the SDK's own exporters. They read other settings from the environment."""
    return {
        "endpoint": export.url,
        "insecure": export.is_insecure,
        "timeout": export.timeout_s,
        "compression": _COMPRESSION[export.compression],
        "channel_options": _CHANNEL_OPTIONS + (_KEEPALIVE if export.timeout_s > _DETECTED_S else ()),
    }
