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

from otel_oom.config.environment import flag, milliseconds
from otel_oom.config.otlp_export import Export, read_export
from otel_oom.errors import UsageError

ForkIdentity = Literal["changed", "always"]
FORK_IDENTITIES: Final = ("changed", "always")
_DEFAULT_INTERVAL_MS: Final = 60_000


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


def load_config(
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
    is_required = flag(env, "OTEL_OOM_SPOOL_REQUIRED") if is_spool_required is None else is_spool_required
    if is_required and directory is None:
        raise UsageError("the spool is required, and it is `none`", "give one of the two up: --spool DIRECTORY")
    return Config(
        device=device or env.get("OTEL_OOM_DEVICE", "/dev/kmsg"),
        from_ring=flag(env, "OTEL_OOM_FROM_RING") if from_ring is None else from_ring,
        spool=directory,
        is_spool_required=is_required,
        oom_score_adj=_score(oom_score_adj or env.get("OTEL_OOM_SCORE_ADJ", "-999")),
        identity_file=_identity_file(identity_file or env.get("OTEL_OOM_IDENTITY_FILE")),
        fork_identity=_fork_identity(fork_identity or env.get("OTEL_OOM_FORK_IDENTITY", "changed")),
        with_command_line=flag(env, "OTEL_OOM_COMMAND_LINE") if with_command_line is None else with_command_line,
        heartbeat_s=milliseconds(env, ("OTEL_METRIC_EXPORT_INTERVAL",), _DEFAULT_INTERVAL_MS),
        logs=read_export(env, "logs"),
        metrics=read_export(env, "metrics"),
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
