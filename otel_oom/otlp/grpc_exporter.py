"""OTLP over gRPC: one call with the configuration of the SDK's own exporters, and its complete answer.

Imported only where the protocol is grpc: the library takes 12 MiB and six threads. The timeout of a call is measured
here with the monotonic clock, because the library's own deadline is a time of the wall clock.
Source: OTLP specification, "OTLP/gRPC Response" (success, partial success, failures, throttling).
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final, cast

# Before the import of grpc: its C core writes its own lines to stderr without a limit. Failures are in the outcome.
# This also hides the line of a failed check, which ends the process (SIGABRT), see `cli.log_output.trace_crashes`.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")

from grpc import Call, ChannelCredentials, Compression, StatusCode, ssl_channel_credentials
from opentelemetry.exporter.otlp.proto.grpc import _USER_AGENT_HEADER_VALUE
from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.grpc.exporter import OTLPExporterMixin
from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter

from otel_oom import __version__
from otel_oom.config.environment import variable_and_value
from otel_oom.config.otlp_export import ExportSettings
from otel_oom.config.python_sdk_variables import has_credential_provider
from otel_oom.config.standard_variables import HEADERS
from otel_oom.errors import UsageError
from otel_oom.otlp.export_outcome import MAX_ANSWER_BYTES, Outcome, encoded
from otel_oom.otlp.grpc_answer import answered, failed
from otel_oom.otlp.tls_files import pem

_CHANNEL_OPTIONS: Final = (
    ("grpc.primary_user_agent", f"otel-oom/{__version__} {_USER_AGENT_HEADER_VALUE}"),
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.max_reconnect_backoff_ms", 5_000),
    ("grpc.max_receive_message_length", MAX_ANSWER_BYTES),  # the library's own limit is 4 MiB
)
# A connection that died without a sign is closed after a call's timeout. Where that timeout is longer than 4 s, pings
# detect the dead connection after 4 s. With a shorter timeout there are no pings, because the library's timers for them
# also run while idle, and take 0.1 % of a core.
_DETECTED_S: Final = 4.0
_KEEPALIVE: Final = (
    ("grpc.keepalive_time_ms", 2_000),
    ("grpc.keepalive_timeout_ms", 2_000),
    ("grpc.http2.ping_timeout_ms", 2_000),
    ("grpc.keepalive_permit_without_calls", 0),
)

# gRPC over HTTP/2, "Requests": Header-Name. Names with -bin carry bytes, which a variable cannot hold.
_METADATA_KEY: Final = re.compile(r"[0-9a-z_.-]+")

_COMPRESSION: Final = {"none": Compression.NoCompression, "gzip": Compression.Gzip}


class _GrpcExporter(OTLPExporterMixin[Any, Any, Any, Any]):
    """What both signals share. The SDK's own exporter follows it in the list of bases."""

    def __init__(self, export: ExportSettings) -> None:
        self._export_settings = export  # before the SDK's constructor, which opens the channel
        super().__init__(**_arguments(export))
        headers = dict(cast("Iterable[tuple[str, str]]", self._headers))
        if export.endpoint.authorization:
            headers.setdefault("authorization", export.endpoint.authorization)
        _check_metadata(headers, variable_and_value(os.environ, HEADERS, export.signal)[0])
        self._headers = tuple(headers.items())

    def _initialize_channel_and_stub(self) -> None:
        """Open a channel. The SDK's constructor calls this too."""
        self._endpoint = self._export_settings.url  # the SDK takes dns://authority/host as the host `authority`
        super()._initialize_channel_and_stub()  # type: ignore[no-untyped-call]

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
        return replace(failed(call, is_tls=self._export_settings.tls is not None), is_silent=is_silent)

    def reconnect(self) -> None:
        """Open a new channel for the next request: the old one may be dead without a sign of it.

        The old channel also has a backoff of its own, of 5 s and more, in which calls fail without an attempt. A server
        that is only slow or overloaded gets one handshake per attempt instead, as over HTTP after a timeout.
        """
        self.close()
        with suppress(UsageError):  # a file that is being replaced now: the last content is kept
            self._credentials = _credentials(self._export_settings) or self._credentials
        self._initialize_channel_and_stub()

    def close(self) -> None:
        """Close the channel."""
        channel: Any = self._channel
        channel.close()


class GrpcLogs(_GrpcExporter, OTLPLogExporter):
    """Log records over gRPC."""


class GrpcMetrics(_GrpcExporter, OTLPMetricExporter):
    """Metrics over gRPC."""


def _check_metadata(headers: Mapping[str, str], variable: str) -> None:
    """Check that gRPC can carry each header: otherwise every call fails. variable: the one that names the headers.

    Raises: UsageError, without the value, which may be a key.
    """
    for name, value in headers.items():
        is_ascii = value.isascii() and value.isprintable()
        if not _METADATA_KEY.fullmatch(name) or name.endswith("-bin") or not is_ascii:
            raise UsageError(f"{variable}: {name!r} is no header that gRPC can carry", "correct its name and value")


def _arguments(export: ExportSettings) -> dict[str, Any]:
    """Constructor arguments of the SDK's own exporters. They read the headers from the environment.

    Raises: UsageError for a file of TLS.
    """
    return {
        "endpoint": export.endpoint.shown,
        "insecure": export.tls is None,
        "credentials": _credentials(export),
        "timeout": export.timeout_s,
        "compression": _COMPRESSION[export.compression],
        "channel_options": _channel_options(export),
    }


def _channel_options(export: ExportSettings) -> tuple[tuple[str, Any], ...]:
    options = [*_CHANNEL_OPTIONS, *(_KEEPALIVE if export.timeout_s > _DETECTED_S else ())]
    # gRPC's own rule for proxies differs from ours: it ignores the scheme, capitals and all_proxy.
    options += [("grpc.http_proxy", export.proxy.url)] if export.proxy else [("grpc.enable_http_proxy", 0)]
    if export.endpoint.is_socket:
        # Else the authority is the percent-encoded path, which other HTTP/2 servers refuse and no certificate names.
        options.append(("grpc.default_authority", "localhost"))
    return tuple(options)


def _credentials(export: ExportSettings) -> ChannelCredentials | None:
    """Credentials from the files as they are now. None: no TLS, or a provider makes them. Raises: UsageError."""
    if export.tls is None or has_credential_provider(os.environ, export.signal, "GRPC"):
        return None
    content = pem(export.tls)
    return ssl_channel_credentials(content.ca, content.key, content.certificate)
