"""OTLP over HTTP: one POST with the configuration of the SDK's own exporters, and its complete answer.

Source: OTLP specification, "OTLP/HTTP Response" (success, partial success, failures, throttling).
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final, cast

from opentelemetry.exporter.otlp.proto.common._log_encoder import encode_logs
from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse

from otel_oom import __version__
from otel_oom.config.environment import variable_and_value
from otel_oom.config.otlp_export import ExportSettings, TlsFiles
from otel_oom.config.python_sdk_variables import has_credential_provider
from otel_oom.config.standard_variables import HEADERS
from otel_oom.errors import UsageError
from otel_oom.otlp.export_outcome import Outcome, encoded
from otel_oom.otlp.http_answer import answered, no_answer
from otel_oom.otlp.http_connection import Connection
from otel_oom.otlp.http_date_header import offset_s
from otel_oom.otlp.http_exchange import check_headers
from otel_oom.otlp.tls_files import tls_context

if TYPE_CHECKING:
    from ssl import SSLContext

    from opentelemetry.exporter.http.transport._requests import RequestsHTTPTransport
    from opentelemetry.exporter.otlp.common.http import _OTLPHTTPClient
    from opentelemetry.sdk.metrics.export import MetricsData

_AGENT: Final = f"otel-oom/{__version__}"
_SDK_AGENT: Final = "OTel-OTLP-Exporter-Python/"
_EXACT_S: Final = 1.0  # a longer or inconsistent duration makes the clock offset unusable


class _HttpExporter:
    """What both signals share. The SDK's own exporter follows it in the list of bases, and makes the client."""

    _client: _OTLPHTTPClient

    def __init__(self, export: ExportSettings) -> None:
        super().__init__(**_arguments(export))
        self._is_forwarded = export.proxy is not None and export.tls is None
        if not isinstance(self._client._transport, Connection):
            _replace_session_transport(self._client, export)
        headers = self._client._headers
        if headers.get("user-agent", "").startswith(_SDK_AGENT):  # the user set no other
            headers["user-agent"] = f"{_AGENT} {headers['user-agent']}"
        if export.endpoint.authorization:
            headers.setdefault("authorization", export.endpoint.authorization)
        check_headers(headers, variable_and_value(os.environ, HEADERS, export.signal)[0])

    def reconnect(self) -> None:
        """Close the connection, if there is one: the next request opens a new one."""
        self._client._transport.close()

    def close(self) -> None:
        """Close the connections."""
        self._client.shutdown()


class HttpLogs(_HttpExporter, OTLPLogExporter):
    """Log records over HTTP."""

    def send(self, batch: Sequence[Any]) -> Outcome:
        """POST one batch of SDK log records."""
        request: bytes = encoded(lambda records: encode_logs(records).SerializeToString(), batch)
        return _post(self._client, request, ExportLogsServiceResponse, is_forwarded=self._is_forwarded)


class HttpMetrics(_HttpExporter, OTLPMetricExporter):
    """Metrics over HTTP."""

    def send(self, data: MetricsData) -> Outcome:
        """POST one collection."""
        request: bytes = encoded(lambda collection: encode_metrics(collection).SerializeToString(), data)
        return _post(self._client, request, ExportMetricsServiceResponse, is_forwarded=self._is_forwarded)


def _arguments(export: ExportSettings) -> dict[str, Any]:
    """Constructor arguments of the SDK's own exporters. They read the headers from the environment.

    Raises: UsageError for a file of TLS.
    """
    own: dict[str, Any] = {
        "endpoint": export.url,
        "timeout": export.timeout_s,
        "compression": Compression(export.compression),
    }
    if has_credential_provider(os.environ, export.signal, "HTTP"):
        return own  # a transport given here would take the provider's place
    # 10 MiB lighter than requests, the exporters' default, and with one deadline per request.
    return own | {"_transport": _connection(export, export.tls)}


def _replace_session_transport(client: _OTLPHTTPClient, export: ExportSettings) -> None:
    """Send the requests of a credential provider's session over a connection. Raises: UsageError."""
    from otel_oom.otlp.http_provider_session import mount_connection, with_certificate  # imports requests

    session = cast("RequestsHTTPTransport", client._transport)._session
    files = with_certificate(export.tls, session) if export.tls is not None else None
    mount_connection(session, export.url, _connection(export, files))


def _connection(export: ExportSettings, files: TlsFiles | None) -> Connection:
    """A connection that opens when it is used. files: None without TLS. Raises: UsageError."""
    if files is None:
        return Connection(None, export.proxy)
    tls_context(files)  # so that a wrong file is an error at the start
    return Connection(partial(_renewed, files), export.proxy)


def _renewed(files: TlsFiles) -> SSLContext:
    """A context from the files as they are now. Raises: OSError."""
    try:
        return tls_context(files)
    except UsageError as error:
        raise OSError(errno.EINVAL, str(error)) from error


def _post(client: _OTLPHTTPClient, data: bytes, response: type[Any], *, is_forwarded: bool) -> Outcome:
    """POST one encoded request. response: class of the response message; is_forwarded: a proxy reads the request."""
    body = client._compress(data)
    asked_ns, asked_s = time.time_ns(), time.monotonic()
    result = client._transport.request(
        "POST", client._endpoint, headers=client._headers, data=body, timeout=client._timeout
    )
    if result.status_code is None:
        return no_answer(result.error)
    answered_ns, took_s = time.time_ns(), time.monotonic() - asked_s
    # The offset is inexact after a slow answer, and wrong if the clock was set during the request.
    is_exact = took_s < _EXACT_S and abs((answered_ns - asked_ns) / 1e9 - took_s) < _EXACT_S
    offset = offset_s(result.headers().get("date"), asked_ns, answered_ns) if is_exact else None
    return replace(answered(result, response, client._endpoint, is_forwarded=is_forwarded), clock_offset_s=offset)
