"""OTLP over HTTP: one POST with the configuration of the SDK's own exporters, and its complete answer.

Source: OTLP specification, "OTLP/HTTP Response" (success, partial success, failures, throttling).
"""

from __future__ import annotations

import errno
import os
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from google.protobuf.message import DecodeError
from h11 import RemoteProtocolError
from opentelemetry.exporter.otlp.common.http import _extract_retry_after
from opentelemetry.exporter.otlp.proto.common._log_encoder import encode_logs
from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse

from otel_oom import __version__
from otel_oom.config.otlp_export import ExportSettings, TlsFiles
from otel_oom.errors import UsageError
from otel_oom.otlp.export_outcome import KEY_REMEDY, OK, Outcome, accepted, encoded
from otel_oom.otlp.http_connection import Connection
from otel_oom.otlp.http_date_header import offset_s
from otel_oom.otlp.http_exchange import check_headers
from otel_oom.otlp.tls_files import ca_path, tls_context

if TYPE_CHECKING:
    from ssl import SSLContext

    from opentelemetry.exporter.http.transport._base import BaseHTTPResult
    from opentelemetry.exporter.otlp.common.http import _OTLPHTTPClient
    from opentelemetry.sdk.metrics.export import MetricsData

_AGENT: Final = f"otel-oom/{__version__}"
_SDK_AGENT: Final = "OTel-OTLP-Exporter-Python/"

# These statuses mean that the request itself is at fault. Anything else (a wrong path, a missing key, a proxy) may be
# corrected on the way, so the data is kept. 400 and 422 are a refusal only with a Status of OTLP, which the Collector
# (v0.159.0) sends in the request's own type. A TLS server answers 400 to plain HTTP as well, Go's without a type and
# nginx as text/html, and has not seen the data. Loki sends its Status as an octet stream.
_TOO_LARGE: Final = 413
_BAD_REQUEST: Final = frozenset({400, 422})
_OTLP_TYPES: Final = frozenset({"application/x-protobuf", "application/json", "application/octet-stream"})
_EXACT_S: Final = 1.0
_EVIDENCE: Final = 200  # bytes of an answer that is not OTLP: its first line names the cause

_REMEDIES: Final = {
    400: "the answer is not OTLP; if the port speaks TLS, write https://",
    401: KEY_REMEDY,
    403: KEY_REMEDY,
    404: "OTEL_EXPORTER_OTLP_ENDPOINT names the base URL, to which v1/logs and v1/metrics are added",
}
_NOT_HTTP_REMEDY: Final = "if it speaks gRPC, set OTEL_EXPORTER_OTLP_PROTOCOL=grpc, or name the collector's HTTP port"
_ERRNO: Final = re.compile(r"\[Errno -?\d+\] ")


class _HttpExporter:
    """What both signals share. The SDK's own exporter follows it in the list of bases, and makes the client."""

    _client: _OTLPHTTPClient

    def __init__(self, export: ExportSettings) -> None:
        super().__init__(**_arguments(export))
        headers = self._client._headers
        if headers.get("user-agent", "").startswith(_SDK_AGENT):  # the user set no other
            headers["user-agent"] = f"{_AGENT} {headers['user-agent']}"
        if export.endpoint.authorization:
            headers.setdefault("authorization", export.endpoint.authorization)
        check_headers(headers)

    def reconnect(self) -> None:
        """Close the connection, if there is one: the next request opens a new one."""
        self._client._transport.close()  # requests' transport closes its pools, which open new connections

    def close(self) -> None:
        """Close the connections."""
        self._client.shutdown()


class HttpLogs(_HttpExporter, OTLPLogExporter):
    """Log records over HTTP."""

    def send(self, batch: Sequence[Any]) -> Outcome:
        """POST one batch of SDK log records."""
        request: bytes = encoded(lambda records: encode_logs(records).SerializeToString(), batch)
        return _post(self._client, request, ExportLogsServiceResponse)


class HttpMetrics(_HttpExporter, OTLPMetricExporter):
    """Metrics over HTTP."""

    def send(self, data: MetricsData) -> Outcome:
        """POST one collection."""
        request: bytes = encoded(lambda collection: encode_metrics(collection).SerializeToString(), data)
        return _post(self._client, request, ExportMetricsServiceResponse)


def _arguments(export: ExportSettings) -> dict[str, Any]:
    """Constructor arguments of the SDK's own exporters. They read the headers from the environment."""
    own: dict[str, Any] = {"endpoint": export.url, "timeout": export.timeout_s}
    own["compression"] = Compression(export.compression)
    if export.tls is not None:
        tls_context(export.tls)  # so that a wrong file is an error at the start
    if not any(name.endswith("_CREDENTIAL_PROVIDER") for name in os.environ):
        # 10 MiB lighter than requests, the exporters' default, and with one deadline per request.
        tls = partial(_renewed, export.tls) if export.tls is not None else None
        return own | {"_transport": Connection(tls, export.proxy)}
    # A credential provider returns a session of requests, which by default trusts the list of certifi.
    return own | ({"certificate_file": ca_path(export.tls)} if export.tls is not None else {})


def _renewed(files: TlsFiles) -> SSLContext:
    """A context from the files as they are now. Raises: OSError."""
    try:
        return tls_context(files)
    except UsageError as error:
        raise OSError(errno.EINVAL, str(error)) from error


def _post(client: _OTLPHTTPClient, data: bytes, response: type[Any]) -> Outcome:
    body = client._compress(data)
    asked_ns, asked_s = time.time_ns(), time.monotonic()
    result = client._transport.request(
        "POST", client._endpoint, headers=client._headers, data=body, timeout=client._timeout
    )
    if result.status_code is None:
        return _no_answer(result.error)
    answered_ns, took_s = time.time_ns(), time.monotonic() - asked_s
    # The offset is inexact after a slow answer, and wrong if the clock was set during the request.
    is_exact = took_s < _EXACT_S and abs((answered_ns - asked_ns) / 1e9 - took_s) < _EXACT_S
    offset = offset_s(result.headers().get("date"), asked_ns, answered_ns) if is_exact else None
    return replace(_answered(result, response), clock_offset_s=offset)


def _answered(result: BaseHTTPResult, response: type[Any]) -> Outcome:
    status = result.status_code or 0
    if 200 <= status < 300:
        return _partial_success(result.content(), response)
    why = f"HTTP {status} {result.reason or ''}".strip()
    if status == _TOO_LARGE or (status in _BAD_REQUEST and _is_otlp(result.headers())):
        return Outcome("rejected", why)
    if status in _BAD_REQUEST:
        why = f"{why}: {result.content()[:_EVIDENCE].decode(errors='replace')}".rstrip(": \r\n")
    if 300 <= status < 400:
        where = result.headers().get("location", "another place")
        return Outcome("retry", f"{why}: to {where}", remedy="OTEL_EXPORTER_OTLP_ENDPOINT must name the final place")
    return Outcome("retry", why, _extract_retry_after(result), remedy=_REMEDIES.get(status, ""))


def _is_otlp(headers: Mapping[str, str]) -> bool:
    """By the content type, without its parameters (`; charset=utf-8`)."""
    return headers.get("content-type", "").partition(";")[0].strip().lower() in _OTLP_TYPES


def _partial_success(content: bytes, response: type[Any]) -> Outcome:
    try:
        partial = response.FromString(content).partial_success
    except DecodeError:
        return OK  # accepted, with a body in another form
    return accepted(partial)


def _no_answer(error: Exception | None) -> Outcome:
    """The innermost cause, without what requests wraps around it: `Connection refused`, not three lines."""
    cause = error
    while inner := _wrapped(cause):
        cause = inner
    # Compared by module name, because plain HTTP loads neither ssl nor http.client.
    module = type(cause).__module__
    if isinstance(cause, RemoteProtocolError) or (module == "http.client" and not isinstance(cause, OSError)):
        return Outcome("retry", "the answer is not HTTP", remedy=_NOT_HTTP_REMEDY)
    if module == "ssl":
        why = f"TLS: {getattr(cause, 'verify_message', '') or getattr(cause, 'reason', '') or cause}"
    elif isinstance(cause, OSError) and cause.strerror:
        why = cause.strerror
    elif "timed out" in str(cause):
        why = "timed out"
    else:
        why = _ERRNO.sub("", str(cause).rpartition(": ")[2]) or type(cause).__name__
    return Outcome("retry", why, is_silent=True)


def _wrapped(error: Exception | None) -> Exception | None:
    inside = (getattr(error, "reason", None), *getattr(error, "args", ()))
    return next((one for one in inside if isinstance(one, Exception)), None)
