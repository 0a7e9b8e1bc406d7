"""Settings: the standard OTEL_* variables as their specification says, our own OTEL_OOM_* ones, and flags, which win.

Rules:
- The environment is passed in; nothing here reads the world.
- A value that cannot be meant is a `UsageError` with its mend, at the start and never later.
- An empty variable is an unset one (OpenTelemetry environment variable specification).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, cast
from urllib.parse import urlsplit

from otel_oom.errors import UsageError
from otel_oom.schema import Signal

Exporter = Literal["otlp", "console", "none"]
Protocol = Literal["grpc", "http/protobuf"]
Compression = Literal["none", "gzip", "deflate"]
ForkIdentity = Literal["changed", "always"]

EXPORTERS: Final = ("otlp", "console", "none")
PROTOCOLS: Final = ("grpc", "http/protobuf")
FORK_IDENTITIES: Final = ("changed", "always")
COMPRESSIONS: Final = {"grpc": ("none", "gzip"), "http/protobuf": ("none", "gzip", "deflate")}

_DEFAULT_ENDPOINTS: Final = {"grpc": "http://localhost:4317", "http/protobuf": "http://localhost:4318"}
_USUAL_PORTS: Final = {"grpc": 4317, "http/protobuf": 4318}
# Shorter than the specification's 10 s: a connection that died without a word is given up after it.
_DEFAULT_TIMEOUT_MS: Final = 4_000
_DEFAULT_INTERVAL_MS: Final = 60_000
_LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class Export:
    """Where one signal goes.

    endpoint: as the user wrote it, or the default; url: what the requests go to
    timeout_s: of one request, seconds; is_insecure: gRPC without TLS
    """

    signal: Signal
    exporter: Exporter
    protocol: Protocol
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
    def mend(self) -> str:
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


@dataclass(frozen=True, slots=True)
class Config:
    """All settings of `otel-oom run`.

    spool: the directory of the queue on disk, None for memory alone; oom_score_adj: of the agent itself
    identity_file: what it says tells copies of this machine apart
    fork_identity: when a fork makes another machine of this one: if its identity has changed, or each time
    """

    device: str
    from_ring: bool
    spool: Path | None
    is_spool_required: bool
    oom_score_adj: int
    identity_file: Path | None
    fork_identity: ForkIdentity
    with_command_line: bool
    heartbeat_s: float
    logs: Export
    metrics: Export


def load(
    environment: Mapping[str, str],
    *,
    is_root: bool = True,
    device: str | None = None,
    from_ring: bool | None = None,
    with_command_line: bool | None = None,
    spool: str | None = None,
    is_spool_required: bool | None = None,
    oom_score_adj: str | None = None,
    identity_file: str | None = None,
    fork_identity: str | None = None,
) -> Config:
    """Settings from the environment, each one given as an argument (a flag) winning over it.

    is_root: whether the agent may write below /var/lib. Raises: UsageError.
    """
    env = {name: value.strip() for name, value in environment.items() if value.strip()}
    directory = _spool(env, spool, is_root=is_root)
    is_required = _flag(env, "OTEL_OOM_SPOOL_REQUIRED") if is_spool_required is None else is_spool_required
    if is_required and directory is None:
        raise UsageError("the spool is required, and it is `none`", "give one of the two up: --spool DIRECTORY")
    return Config(
        device=device or env.get("OTEL_OOM_DEVICE", "/dev/kmsg"),
        from_ring=_flag(env, "OTEL_OOM_FROM_RING") if from_ring is None else from_ring,
        spool=directory,
        is_spool_required=is_required,
        oom_score_adj=_score(oom_score_adj or env.get("OTEL_OOM_SCORE_ADJ", "-999")),
        identity_file=_identity_file(identity_file or env.get("OTEL_OOM_IDENTITY_FILE")),
        fork_identity=_fork_identity(fork_identity or env.get("OTEL_OOM_FORK_IDENTITY", "changed")),
        with_command_line=_flag(env, "OTEL_OOM_COMMAND_LINE") if with_command_line is None else with_command_line,
        heartbeat_s=_milliseconds(env, ("OTEL_METRIC_EXPORT_INTERVAL",), _DEFAULT_INTERVAL_MS),
        logs=_export(env, "logs"),
        metrics=_export(env, "metrics"),
    )


def _score(word: str) -> int:
    """Of proc_pid_oom_score_adj(5)."""
    digits = word.removeprefix("-")
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 4 and -1000 <= int(word) <= 1000):
        raise UsageError(f"--oom-score-adj {word!r} is no such number", "give one from -1000 (never killed) to 1000")
    return int(word)


def _identity_file(path: str | None) -> Path | None:
    if path and not path.startswith("/"):
        raise UsageError(f"--identity-file {path!r} is no absolute path", "write --identity-file /a/file")
    return Path(path) if path else None


def _fork_identity(word: str) -> ForkIdentity:
    if word not in FORK_IDENTITIES:
        raise UsageError(f"--fork-identity {word!r} is not supported", f"use one of: {', '.join(FORK_IDENTITIES)}")
    return cast("ForkIdentity", word)


def _spool(env: Mapping[str, str], flag: str | None, *, is_root: bool) -> Path | None:
    """Where the user says, else where systemd says (StateDirectory=), else where such things are kept."""
    said = flag or env.get("OTEL_OOM_SPOOL")
    if said:
        if said != "none" and not said.startswith("/"):
            raise UsageError(f"--spool {said!r} is neither `none` nor an absolute path", "write --spool /a/directory")
        return None if said == "none" else Path(said)
    if "STATE_DIRECTORY" in env:
        return Path(env["STATE_DIRECTORY"].partition(":")[0])
    if is_root or "HOME" not in env:
        return Path("/var/lib/otel-oom")
    return Path(env.get("XDG_STATE_HOME", f"{env['HOME']}/.local/state")) / "otel-oom"


def _export(env: Mapping[str, str], signal: Signal) -> Export:
    own, common = f"OTEL_EXPORTER_OTLP_{signal.upper()}_", "OTEL_EXPORTER_OTLP_"
    exporter = _word(env, (f"OTEL_{signal.upper()}_EXPORTER",), EXPORTERS, "otlp")
    if env.get("OTEL_SDK_DISABLED", "").lower() == "true":
        exporter = "none"
    protocol = _word(env, (f"{own}PROTOCOL", f"{common}PROTOCOL"), PROTOCOLS, "http/protobuf")
    names = (f"{own}ENDPOINT", f"{common}ENDPOINT")
    name = next((name for name in names if name in env), names[-1])
    default = _DEFAULT_ENDPOINTS[protocol]
    endpoint = env.get(name, default) if exporter == "otlp" else default
    _check_endpoint(name, endpoint, protocol)
    return Export(
        signal=signal,
        exporter=cast("Exporter", exporter),
        protocol=cast("Protocol", protocol),
        endpoint=endpoint,
        url=endpoint if protocol == "grpc" or name.startswith(own) else f"{endpoint.rstrip('/')}/v1/{signal}",
        compression=cast(
            "Compression", _word(env, (f"{own}COMPRESSION", f"{common}COMPRESSION"), COMPRESSIONS[protocol], "none")
        ),
        is_insecure=_is_insecure(env, (f"{own}INSECURE", f"{common}INSECURE"), endpoint),
        timeout_s=_milliseconds(env, (f"{own}TIMEOUT", f"{common}TIMEOUT"), _DEFAULT_TIMEOUT_MS),
    )


def _word(env: Mapping[str, str], names: tuple[str, ...], words: tuple[str, ...], default: str) -> str:
    name = next((name for name in names if name in env), None)
    if name is None:
        return default
    word = env[name].lower()
    if word not in words:
        raise UsageError(f"{name}={env[name]!r} is not supported", f"use one of: {', '.join(words)}")
    return word


def _milliseconds(env: Mapping[str, str], names: tuple[str, ...], default: int) -> float:
    """A duration in seconds. The specification gives it in milliseconds; the SDK for Python reads seconds."""
    name = next((name for name in names if name in env), None)
    if name is None:
        return default / 1000
    digits = env[name]
    # Ten digits are 115 days; what is longer overflows the waits of the standard library.
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 10 and int(digits) > 0):
        raise UsageError(f"{name}={env[name]!r} is no duration", "give whole milliseconds above 0, such as 5000")
    return int(env[name]) / 1000


def _flag(env: Mapping[str, str], name: str) -> bool:
    word = env.get(name, "false").lower()
    if word not in {"true", "false"}:
        raise UsageError(f"{name}={env[name]!r} is neither true nor false", "write true or false")
    return word == "true"


def _is_insecure(env: Mapping[str, str], names: tuple[str, ...], endpoint: str) -> bool:
    """The scheme decides; the variable speaks for an endpoint without one (OTLP exporter specification)."""
    scheme = _url(endpoint).scheme
    name = next((name for name in names if name in env), names[-1])
    return scheme == "http" or (scheme != "https" and _flag(env, name))


def _check_endpoint(name: str, endpoint: str, protocol: str) -> None:
    mend = f"write it as {_DEFAULT_ENDPOINTS[protocol].replace('localhost', 'HOST')}"
    try:
        url = _url(endpoint)
    except ValueError as error:
        raise UsageError(f"{name}={endpoint!r} is no URL: {error}", mend) from error
    # gRPC's own form without a scheme is allowed by the specification.
    if not url.hostname or (url.scheme not in {"http", "https"} and (protocol != "grpc" or "://" in endpoint)):
        raise UsageError(f"{name}={endpoint!r} is no endpoint for {protocol}", mend)


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
