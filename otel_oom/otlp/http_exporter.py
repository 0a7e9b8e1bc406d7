"""OTLP over HTTP: one POST with the encoding and the headers of the SDK's own exporters, and its complete answer.

Their classes are not used: with the modules that they import they take 1.7 MiB (1.45, Python 3.11).
Source: OTLP specification, "OTLP/HTTP Response" (success, partial success, failures, throttling).
"""

from __future__ import annotations

import errno
import os
import time
import zlib
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.exporter.otlp.proto.common._log_encoder import encode_logs
from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.exporter.otlp.proto.http import _OTLP_HTTP_HEADERS
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse
from opentelemetry.util.re import parse_env_headers

from otel_oom import __version__
from otel_oom.config.environment import variable_and_value
from otel_oom.config.otlp_export import Compression, ExportSettings, TlsFiles
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

    from opentelemetry.exporter.http.transport._base import BaseHTTPTransport
    from opentelemetry.sdk.metrics.export import MetricsData

_AGENT: Final = f"otel-oom/{__version__}"
_SDK_AGENT: Final = "OTel-OTLP-Exporter-Python/"
_EXACT_S: Final = 1.0  # a longer or inconsistent duration makes the clock offset unusable
_GZIP_WBITS: Final = 31  # zlib's number for a gzip header; the module gzip is not loaded for it


class _HttpExporter:
    """What both signals share. response: class of the message that answers a request."""

    _response: type[Any]

    def __init__(self, export: ExportSettings) -> None:
        self._url = export.url
        self._timeout_s = export.timeout_s
        self._compression = export.compression
        self._is_forwarded = export.proxy is not None and export.tls is None
        self._transport = _transport(export)
        self._headers = _headers(export)
        check_headers(self._headers, variable_and_value(os.environ, HEADERS, export.signal)[0])

    def _post(self, data: bytes) -> Outcome:
        """POST one encoded request."""
        body = _compressed(data, self._compression)
        asked_ns, asked_s = time.time_ns(), time.monotonic()
        result = self._transport.request("POST", self._url, headers=self._headers, data=body, timeout=self._timeout_s)
        if result.status_code is None:
            return no_answer(result.error)
        answered_ns, took_s = time.time_ns(), time.monotonic() - asked_s
        # The offset is inexact after a slow answer, and wrong if the clock was set during the request.
        is_exact = took_s < _EXACT_S and abs((answered_ns - asked_ns) / 1e9 - took_s) < _EXACT_S
        offset = offset_s(result.headers().get("date"), asked_ns, answered_ns) if is_exact else None
        outcome = answered(result, self._response, self._url, is_forwarded=self._is_forwarded)
        return replace(outcome, clock_offset_s=offset)

    def reconnect(self) -> None:
        """Close the connection, if there is one: the next request opens a new one."""
        self._transport.close()

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()


class HttpLogs(_HttpExporter):
    """Log records over HTTP."""

    _response = ExportLogsServiceResponse

    def send(self, batch: Sequence[Any]) -> Outcome:
        """POST one batch of SDK log records."""
        return self._post(encoded(lambda records: encode_logs(records).SerializeToString(), batch))


class HttpMetrics(_HttpExporter):
    """Metrics over HTTP."""

    _response = ExportMetricsServiceResponse

    def send(self, data: MetricsData) -> Outcome:
        """POST one collection."""
        return self._post(encoded(lambda collection: encode_metrics(collection).SerializeToString(), data))


def _headers(export: ExportSettings) -> dict[str, str]:
    """The header fields of each request, their names in lower case. The user's own replace those of the SDK."""
    chosen = parse_env_headers(variable_and_value(os.environ, HEADERS, export.signal)[1], liberal=True)
    headers = {name.lower(): value for name, value in _OTLP_HTTP_HEADERS.items()} | dict(chosen)
    if export.compression != "none":
        headers.setdefault("content-encoding", export.compression)
    if headers["user-agent"].startswith(_SDK_AGENT):  # the user set no other
        headers["user-agent"] = f"{_AGENT} {headers['user-agent']}"
    if export.endpoint.authorization:
        headers.setdefault("authorization", export.endpoint.authorization)
    return headers


def _compressed(data: bytes, compression: Compression) -> bytes:
    if compression == "gzip":
        gzip = zlib.compressobj(wbits=_GZIP_WBITS)
        return gzip.compress(data) + gzip.flush()
    return zlib.compress(data) if compression == "deflate" else data


def _transport(export: ExportSettings) -> BaseHTTPTransport:
    """A connection, or the session of a credential provider over a connection. Raises: UsageError.

    Of a provider also: ImportError, RuntimeError, and what the provider raises.
    """
    if not has_credential_provider(os.environ, export.signal, "HTTP"):
        return _connection(export, export.tls)
    from otel_oom.otlp import http_provider_session  # imports requests

    transport, session = http_provider_session.load(export.signal)
    files = http_provider_session.with_certificate(export.tls, session) if export.tls is not None else None
    http_provider_session.mount_connection(session, export.url, _connection(export, files))
    return transport


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
