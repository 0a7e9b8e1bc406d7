"""Where logs and metrics go: the standard OTEL_* variables as their specification says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, cast
from urllib.parse import urlsplit

from otel_oom.config.environment import flag, milliseconds, word
from otel_oom.errors import UsageError
from otel_oom.schema import Signal

ExporterKind = Literal["otlp", "console", "none"]
OtlpProtocol = Literal["grpc", "http/protobuf"]
Compression = Literal["none", "gzip", "deflate"]

EXPORTERS: Final = ("otlp", "console", "none")
PROTOCOLS: Final = ("grpc", "http/protobuf")
COMPRESSIONS: Final = {"grpc": ("none", "gzip"), "http/protobuf": ("none", "gzip", "deflate")}

_DEFAULT_ENDPOINTS: Final = {"grpc": "http://localhost:4317", "http/protobuf": "http://localhost:4318"}
_USUAL_PORTS: Final = {"grpc": 4317, "http/protobuf": 4318}
# Shorter than the specification's 10 s: a connection that died without a word is given up after it.
_DEFAULT_TIMEOUT_MS: Final = 4_000
_LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class Export:
    """Where one signal goes.

    endpoint: as the user wrote it, or the default; url: what the requests go to
    timeout_s: of one request, seconds; is_insecure: gRPC without TLS
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
        """The place in a few words."""
        return f"{_without_password(self.endpoint)} ({self.protocol})" if self.exporter == "otlp" else self.exporter

    @property
    def is_loopback(self) -> bool:
        """Whether the collector is on this machine."""
        return self._url.hostname in _LOOPBACK

    @property
    def remedy(self) -> str:
        """What to look at when nothing can be delivered there."""
        usual = {port: protocol for protocol, port in _USUAL_PORTS.items()}.get(self._url.port or 0)
        if usual is not None and usual != self.protocol:
            return (
                f"port {self._url.port} usually speaks {usual} and the protocol is {self.protocol}: "
                f"set OTEL_EXPORTER_OTLP_PROTOCOL={usual} or the other port"
            )
        return (
            f"does a collector at {_without_password(self.endpoint)} speak {self.protocol}? "
            "OTEL_EXPORTER_OTLP_ENDPOINT and OTEL_EXPORTER_OTLP_PROTOCOL name them"
        )

    @property
    def _url(self) -> _Url:
        return _url(self.endpoint)


def read_export(env: Mapping[str, str], signal: Signal) -> Export:
    own, common = f"OTEL_EXPORTER_OTLP_{signal.upper()}_", "OTEL_EXPORTER_OTLP_"
    exporter = word(env, (f"OTEL_{signal.upper()}_EXPORTER",), EXPORTERS, "otlp")
    if env.get("OTEL_SDK_DISABLED", "").lower() == "true":
        exporter = "none"
    protocol = word(env, (f"{own}PROTOCOL", f"{common}PROTOCOL"), PROTOCOLS, "http/protobuf")
    names = (f"{own}ENDPOINT", f"{common}ENDPOINT")
    name = next((name for name in names if name in env), names[-1])
    default = _DEFAULT_ENDPOINTS[protocol]
    endpoint = env.get(name, default) if exporter == "otlp" else default
    _check_endpoint(name, endpoint, protocol)
    return Export(
        signal=signal,
        exporter=cast("ExporterKind", exporter),
        protocol=cast("OtlpProtocol", protocol),
        endpoint=endpoint,
        url=endpoint if protocol == "grpc" or name.startswith(own) else f"{endpoint.rstrip('/')}/v1/{signal}",
        compression=cast(
            "Compression", word(env, (f"{own}COMPRESSION", f"{common}COMPRESSION"), COMPRESSIONS[protocol], "none")
        ),
        is_insecure=_is_insecure(env, (f"{own}INSECURE", f"{common}INSECURE"), endpoint),
        timeout_s=milliseconds(env, (f"{own}TIMEOUT", f"{common}TIMEOUT"), _DEFAULT_TIMEOUT_MS),
    )


def _is_insecure(env: Mapping[str, str], names: tuple[str, ...], endpoint: str) -> bool:
    """The scheme decides; the variable speaks for an endpoint without one (OTLP exporter specification)."""
    scheme = _url(endpoint).scheme
    name = next((name for name in names if name in env), names[-1])
    return scheme == "http" or (scheme != "https" and flag(env, name))


def _check_endpoint(name: str, endpoint: str, protocol: str) -> None:
    remedy = f"write it as {_DEFAULT_ENDPOINTS[protocol].replace('localhost', 'HOST')}"
    try:
        url = _url(endpoint)
    except ValueError as error:
        raise UsageError(f"{name}={endpoint!r} is no URL: {error}", remedy) from error
    # gRPC's own form without a scheme is allowed by the specification.
    if not url.hostname or (url.scheme not in {"http", "https"} and (protocol != "grpc" or "://" in endpoint)):
        raise UsageError(f"{name}={endpoint!r} is no endpoint for {protocol}", remedy)


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
    """For log lines."""
    scheme, separator, rest = endpoint.rpartition("://")
    authority, slash, path = rest.partition("/")
    return f"{scheme}{separator}{authority.rpartition('@')[2]}{slash}{path}"
