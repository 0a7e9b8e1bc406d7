"""Reads where logs and metrics go, from the standard OTEL_* variables. No I/O.

Sources: OpenTelemetry environment variable specification; OTLP exporter specification. `standard_variables` lists the
differences.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple, cast

from otel_oom.config import standard_variables
from otel_oom.config.environment import Environment, is_true, seconds, variable_and_value, word
from otel_oom.config.otlp_endpoint import DEFAULT_ENDPOINTS, Endpoint, read_endpoint
from otel_oom.config.proxy import Proxy, read_proxy
from otel_oom.config.setting import Setting
from otel_oom.schema import Signal

ExporterKind = Literal["otlp", "console", "none"]
OtlpProtocol = Literal["grpc", "http/protobuf"]
Compression = Literal["none", "gzip", "deflate"]

_COMPRESSIONS: Final = {"grpc": ("none", "gzip"), "http/protobuf": standard_variables.COMPRESSION.choices}
_EXPORTERS: Final = {"logs": standard_variables.LOGS_EXPORTER, "metrics": standard_variables.METRICS_EXPORTER}
_USUAL_PROTOCOLS: Final = {4317: "grpc", 4318: "http/protobuf"}
_NO_LIMIT_S: Final = 60.0


class NamedFile(NamedTuple):
    """A file, and the variable that names it."""

    variable: str
    path: str


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """The files of TLS, None where no variable names one.

    ca: certificates that are trusted, in place of the system's
    system_ca: OpenSSL's own variable for the system's certificates
    certificate, key: of the client
    """

    ca: NamedFile | None = None
    system_ca: NamedFile | None = None
    certificate: NamedFile | None = None
    key: NamedFile | None = None


@dataclass(frozen=True, slots=True)
class ExportSettings:
    """Where one signal goes, and how.

    endpoint: as the user wrote it, or the default
    url: target of the requests: a URL, or a name for gRPC
    timeout_s: time limit of one request, seconds
    proxy: None for a direct connection
    tls: its files, None for a connection without TLS
    warnings: settings that are probably wrong, each in one line with its remedy
    """

    signal: Signal
    exporter: ExporterKind
    protocol: OtlpProtocol
    endpoint: Endpoint
    url: str
    timeout_s: float
    compression: Compression = "none"
    proxy: Proxy | None = None
    tls: TlsFiles | None = None
    warnings: tuple[str, ...] = ()

    @property
    def where(self) -> str:
        """The endpoint for a message: without user name, password and query."""
        return f"{self.endpoint.shown} ({self.protocol})" if self.exporter == "otlp" else self.exporter

    @property
    def is_loopback(self) -> bool:
        """Whether the collector is on this machine."""
        return self.endpoint.is_loopback

    @property
    def remedy(self) -> str:
        """What the user can check when nothing can be delivered there."""
        if self.exporter == "console":
            return "can standard output be written? redirect it to another place"
        usual = _USUAL_PROTOCOLS.get(self.endpoint.port or 0)
        if usual is not None and usual != self.protocol:
            return (
                f"port {self.endpoint.port} usually speaks {usual} and the protocol is {self.protocol}: "
                f"set OTEL_EXPORTER_OTLP_PROTOCOL={usual} or the other port"
            )
        return (
            f"does a collector at {self.endpoint.shown} speak {self.protocol}? "
            "check OTEL_EXPORTER_OTLP_ENDPOINT and OTEL_EXPORTER_OTLP_PROTOCOL"
        )


def read_export(env: Environment, signal: Signal) -> ExportSettings:
    """The settings of one signal; its own variables win over the common ones. Raises: UsageError."""
    exporter = word(env, _EXPORTERS[signal])
    if is_true(env, standard_variables.SDK_DISABLED):
        exporter = "none"
    protocol = word(env, standard_variables.PROTOCOL, signal)
    default = DEFAULT_ENDPOINTS[protocol]
    variable, _ = variable_and_value(env, standard_variables.ENDPOINT, signal)
    is_otlp, is_grpc = exporter == "otlp", protocol == "grpc"
    endpoint = read_endpoint(variable, env.get(variable, default) if is_otlp else default, protocol)
    is_base = not is_grpc and variable == standard_variables.ENDPOINT.variable
    is_secure = not _is_insecure(env, signal, endpoint)
    files = _tls_files(env, signal, is_grpc=is_grpc)
    return ExportSettings(
        signal=signal,
        exporter=cast("ExporterKind", exporter),
        protocol=cast("OtlpProtocol", protocol),
        endpoint=endpoint,
        url=endpoint.with_path(f"/v1/{signal}") if is_base else endpoint.target,
        timeout_s=_timeout_s(env, signal),
        compression=cast("Compression", word(env, standard_variables.COMPRESSION, signal, _COMPRESSIONS[protocol])),
        proxy=read_proxy(env, endpoint, is_grpc=is_grpc, is_secure=is_secure) if is_otlp else None,
        tls=files if is_secure else None,
        warnings=tuple(_warnings(variable, endpoint, files, is_base=is_base, is_secure=is_secure)) if is_otlp else (),
    )


def _is_insecure(env: Environment, signal: Signal, endpoint: Endpoint) -> bool:
    """The scheme decides; the variable only applies to an endpoint without one (OTLP exporter specification).

    A unix socket has no TLS by default, as in the SDK for Go: the files' permissions protect it.
    """
    is_chosen = is_true(env, standard_variables.INSECURE, signal)
    if endpoint.scheme in {"http", "https"}:
        return endpoint.scheme == "http"
    is_set = any(name in env for name in standard_variables.INSECURE.variables(signal))
    return is_chosen if is_set else endpoint.is_socket


def _timeout_s(env: Environment, signal: Signal) -> float:
    """The time limit of a request, seconds.

    0 means no limit in the specification. Here it is one minute: a request that never ends would block both signals.
    """
    return seconds(env, standard_variables.TIMEOUT, signal, least=0) or _NO_LIMIT_S


def _tls_files(env: Environment, signal: Signal, *, is_grpc: bool) -> TlsFiles:
    def of_setting(setting: Setting) -> NamedFile | None:
        variable, path = variable_and_value(env, setting, signal)
        return NamedFile(variable, path) if path else None

    def of_variable(variable: str) -> NamedFile | None:
        return NamedFile(variable, env[variable]) if variable in env else None

    return TlsFiles(
        ca=of_setting(standard_variables.CERTIFICATE)
        or (of_variable("GRPC_DEFAULT_SSL_ROOTS_FILE_PATH") if is_grpc else None),
        system_ca=of_variable("SSL_CERT_FILE"),
        certificate=of_setting(standard_variables.CLIENT_CERTIFICATE),
        key=of_setting(standard_variables.CLIENT_KEY),
    )


def _warnings(variable: str, endpoint: Endpoint, files: TlsFiles, *, is_base: bool, is_secure: bool) -> Iterator[str]:
    """Settings that are probably wrong. is_base: the path of the signal is appended to the endpoint."""
    if is_base and (path := endpoint.signal_path):
        written = f"{variable}={endpoint.shown!r}"
        yield f"{written} ends in {path}, and /v1/logs or /v1/metrics is added to it; leave {path} out"
    variables = [file.variable for file in (files.ca, files.certificate, files.key) if file is not None]
    unused = [variable for variable in variables if variable.startswith("OTEL_")]
    if unused and not is_secure:
        yield f"{', '.join(unused)}: no effect, because {endpoint.shown} is without TLS; write https://"
