"""OTLP over HTTP: one POST with the configuration of the stock exporters, and its whole answer.

Source: OTLP specification, "OTLP/HTTP Response" (success, partial success, failures, throttling).
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final
from urllib.request import getproxies

from google.protobuf.message import DecodeError
from opentelemetry.exporter.http.transport._urllib3 import Urllib3HTTPTransport
from opentelemetry.exporter.otlp.common.http import _extract_retry_after
from opentelemetry.exporter.otlp.proto.common._log_encoder import encode_logs
from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse

from otel_oom.config import Export
from otel_oom.otlp.outcome import OK, Outcome

if TYPE_CHECKING:
    from opentelemetry.exporter.otlp.common.http import _OTLPHTTPClient
    from opentelemetry.sdk.metrics.export import MetricsData

# The request itself is at fault and would be again; anything else may be mended on the way (a wrong path, a missing
# key, a proxy), so the data is kept.
_REFUSED: Final = frozenset({400, 413, 422})


class HttpLogs(OTLPLogExporter):
    """Log records over HTTP."""

    def send(self, batch: Sequence[Any]) -> Outcome:
        """POST one batch of SDK log records."""
        return _post(self._client, encode_logs(batch).SerializeToString(), ExportLogsServiceResponse)

    def close(self) -> None:
        """Close the connections."""
        self.shutdown()  # type: ignore[no-untyped-call]


class HttpMetrics(OTLPMetricExporter):
    """Metrics over HTTP."""

    def send(self, data: MetricsData) -> Outcome:
        """POST one collection."""
        return _post(self._client, encode_metrics(data).SerializeToString(), ExportMetricsServiceResponse)

    def close(self) -> None:
        """Close the connections."""
        self.shutdown()


def arguments(export: Export) -> dict[str, Any]:
    """Constructor arguments of the stock exporters; all else they read from the environment themselves."""
    lean = _lean_transport(os.environ, export.signal)
    return {"timeout": export.timeout_s} | ({"_transport": lean} if lean else {})


def _lean_transport(env: Mapping[str, str], signal: str) -> Urllib3HTTPTransport | None:
    """The exporters' own transport over urllib3: 4 MiB lighter than requests, which they take by default.

    None where only requests will do: a proxy, or a credential provider.
    """

    def value(name: str) -> str | None:
        return env.get(f"OTEL_EXPORTER_OTLP_{signal.upper()}_{name}") or env.get(f"OTEL_EXPORTER_OTLP_{name}")

    if getproxies() or any(name.endswith("_CREDENTIAL_PROVIDER") for name in env):
        return None
    certificate, key = value("CLIENT_CERTIFICATE"), value("CLIENT_KEY")
    return Urllib3HTTPTransport(
        verify=value("CERTIFICATE") or True,
        cert=(certificate, key) if certificate and key else certificate,
    )


def _post(client: _OTLPHTTPClient, data: bytes, response: type[Any]) -> Outcome:
    result = client._transport.request(
        "POST", client._endpoint, headers=client._headers, data=client._compress(data), timeout=client._timeout
    )
    status = result.status_code
    if status is None:
        return Outcome("retry", _innermost(result.error))
    if 200 <= status < 300:
        return _partial_success(result.content(), response)
    why = f"HTTP {status} {result.reason or ''}".strip()
    if status in _REFUSED:
        return Outcome("rejected", why)
    return Outcome("retry", why, _extract_retry_after(result))


def _partial_success(content: bytes, response: type[Any]) -> Outcome:
    try:
        partial = response.FromString(content).partial_success
    except DecodeError:
        return OK  # accepted, in words that we do not know
    dropped = getattr(partial, "rejected_log_records", 0) or getattr(partial, "rejected_data_points", 0)
    return Outcome("ok", partial.error_message, dropped=dropped) if dropped else OK


def _innermost(error: Exception | None) -> str:
    """The cause behind urllib3's and requests' wrappings: `Connection refused`, not three lines around it."""
    cause: object = error
    while True:
        inner = getattr(cause, "reason", None) or (
            cause.args[0] if isinstance(cause, Exception) and cause.args else None
        )
        if not isinstance(inner, Exception):
            break
        cause = inner
    if isinstance(cause, OSError) and cause.strerror:
        return cause.strerror
    return str(cause).rpartition(": ")[2] or type(cause).__name__
