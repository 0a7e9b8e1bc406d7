"""Reads where logs and metrics go, from the standard OTEL_* variables. No I/O.

Sources: OpenTelemetry environment variable specification; OTLP exporter specification. `options` lists the differences.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal, cast
from urllib.parse import urlsplit

from otel_oom.config import standard_variables as options
from otel_oom.config.environment import Environment, is_true, seconds, word
from otel_oom.errors import UsageError
from otel_oom.schema import Signal

ExporterKind = Literal["otlp", "console", "none"]
OtlpProtocol = Literal["grpc", "http/protobuf"]
Compression = Literal["none", "gzip", "deflate"]

_COMPRESSIONS: Final = {"grpc": ("none", "gzip"), "http/protobuf": options.COMPRESSION.choices}
_EXPORTERS: Final = {"logs": options.LOGS_EXPORTER, "metrics": options.METRICS_EXPORTER}
_DEFAULT_ENDPOINTS: Final = {"grpc": "http://localhost:4317", "http/protobuf": options.ENDPOINT.default}
_USUAL_PROTOCOLS: Final = {4317: "grpc", 4318: "http/protobuf"}
_LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class ExportSettings:
    """Where one signal goes.

    endpoint: as the user wrote it, or the default
    url: target of the requests
    timeout_s: time limit of one request, seconds
    is_insecure: gRPC without TLS
    """

    signal: Signal
    exporter: ExporterKind
    protocol: OtlpProtocol
    endpoint: str
    url: str
    timeout_s: float
    compression: Compression = "none"
    is_insecure: bool = False

    @property
    def where(self) -> str:
        """The endpoint for a message: without user name, password and query."""
        return f"{_without_password(self.endpoint)} ({self.protocol})" if self.exporter == "otlp" else self.exporter

    @property
    def is_loopback(self) -> bool:
        """Whether the collector is on this machine."""
        return self._url.hostname in _LOOPBACK

    @property
    def remedy(self) -> str:
        """What the user can check when nothing can be delivered there."""
        usual = _USUAL_PROTOCOLS.get(self._url.port or 0)
        if usual is not None and usual != self.protocol:
            return (
                f"port {self._url.port} usually speaks {usual} and the protocol is {self.protocol}: "
                f"set OTEL_EXPORTER_OTLP_PROTOCOL={usual} or the other port"
            )
        return (
            f"does a collector at {_without_password(self.endpoint)} speak {self.protocol}? "
            "check OTEL_EXPORTER_OTLP_ENDPOINT and OTEL_EXPORTER_OTLP_PROTOCOL"
        )

    @property
    def _url(self) -> _Url:
        return _url(self.endpoint)


def read_export(env: Environment, signal: Signal) -> ExportSettings:
    """The settings of one signal; its own variables win over the common ones. Raises: UsageError."""
    exporter = word(env, _EXPORTERS[signal])
    if is_true(env, options.SDK_DISABLED):
        exporter = "none"
    protocol = word(env, options.PROTOCOL, signal)
    default = _DEFAULT_ENDPOINTS[protocol]
    name = next((name for name in options.ENDPOINT.variables(signal) if name in env), options.ENDPOINT.variable)
    endpoint = env.get(name, default) if exporter == "otlp" else default
    _check_endpoint(name, endpoint, protocol)
    is_whole_url = protocol == "grpc" or name != options.ENDPOINT.variable
    return ExportSettings(
        signal=signal,
        exporter=cast("ExporterKind", exporter),
        protocol=cast("OtlpProtocol", protocol),
        endpoint=endpoint,
        url=endpoint if is_whole_url else f"{endpoint.rstrip('/')}/v1/{signal}",
        compression=cast("Compression", word(env, options.COMPRESSION, signal, _COMPRESSIONS[protocol])),
        is_insecure=_is_insecure(env, signal, endpoint),
        timeout_s=seconds(env, options.TIMEOUT, signal),
    )


def _is_insecure(env: Environment, signal: Signal, endpoint: str) -> bool:
    """The scheme decides; the variable only applies to an endpoint without one (OTLP exporter specification)."""
    scheme = _url(endpoint).scheme
    return scheme == "http" or (scheme != "https" and is_true(env, options.INSECURE, signal))


def _check_endpoint(name: str, endpoint: str, protocol: str) -> None:
    remedy = f"write it as {_DEFAULT_ENDPOINTS[protocol].replace('localhost', 'HOST')}"
    shown = _without_password(endpoint)
    try:
        url = _url(endpoint)
    except ValueError as error:
        why = f": {error}" if shown == endpoint else ""  # the error may quote a part of the password
        raise UsageError(f"{name}={shown!r} is not a URL{why}", remedy) from error
    # gRPC's own form without a scheme is allowed by the specification.
    if not url.hostname or (url.scheme not in {"http", "https"} and (protocol != "grpc" or "://" in endpoint)):
        raise UsageError(f"{name}={shown!r} is not an endpoint for {protocol}", remedy)


@dataclass(frozen=True, slots=True)
class _Url:
    scheme: str
    hostname: str | None
    port: int | None


def _url(endpoint: str) -> _Url:
    """Raises: ValueError (a port that is no number, a broken IPv6 address)."""
    parts = urlsplit(endpoint if "://" in endpoint else f"//{endpoint}")
    return _Url(parts.scheme, parts.hostname, parts.port)


def _without_password(endpoint: str) -> str:
    """For messages: without user name and password, also of a malformed URL, and without the query."""
    match = re.match(r"([a-z][a-z0-9+.-]*://)?(.*@)?([^?]*)", endpoint, re.DOTALL | re.IGNORECASE)
    return f"{match[1] or ''}{match[3]}" if match else ""
