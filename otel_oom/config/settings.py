"""Reads all settings of `otel-oom run` into one value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

from otel_oom.config import options
from otel_oom.config.environment import is_true, seconds, variable_and_value
from otel_oom.config.otlp_export import ExportSettings, read_export
from otel_oom.errors import UsageError

ForkIdentity = Literal["changed", "always"]


@dataclass(frozen=True, slots=True)
class Config:
    """All settings of `otel-oom run`.

    spool: directory of the store, None to keep everything in memory
    oom_score_adj: of the agent itself
    identity_file: its text distinguishes copies of this machine
    fork_identity: take a new identity after a fork of the machine: if the machine identity changed, or always
    heartbeat_s: time between two exports of unchanged metrics, seconds
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
    logs: ExportSettings
    metrics: ExportSettings


def load_config(environment: Mapping[str, str], *, is_root: bool = True, **flags: str | bool | None) -> Config:
    """Settings from the environment and the flags.

    is_root: whether the agent may write below /var/lib; flags: by `Setting.name`, None or empty where not given

    Raises: UsageError.
    """
    env = {name: value.strip() for name, value in environment.items() if value.strip()}
    own = {setting.name: setting for setting in options.OWN}
    given = {own[name].variable: value for name, value in flags.items()}
    env |= {name: str(value) for name, value in given.items() if value not in {None, ""}}
    spool = _spool(env, is_root=is_root)
    is_required = is_true(env, options.SPOOL_REQUIRED)
    if is_required and spool is None:
        raise UsageError("the spool is required, and it is `none`", "give --spool DIRECTORY or --no-spool-required")
    return Config(
        device=variable_and_value(env, options.DEVICE)[1],
        from_ring=is_true(env, options.FROM_RING),
        spool=spool,
        is_spool_required=is_required,
        oom_score_adj=_oom_score_adj(variable_and_value(env, options.OOM_SCORE_ADJ)[1]),
        identity_file=_identity_file(variable_and_value(env, options.IDENTITY_FILE)[1]),
        fork_identity=_fork_identity(variable_and_value(env, options.FORK_IDENTITY)[1]),
        with_command_line=is_true(env, options.COMMAND_LINE),
        heartbeat_s=seconds(env, options.METRIC_EXPORT_INTERVAL),
        logs=read_export(env, "logs"),
        metrics=read_export(env, "metrics"),
    )


def _named(setting: options.Setting) -> str:
    """Both names, because a message does not know which one the user has used."""
    return f"{setting.flag} ({setting.variable})"


def _oom_score_adj(word: str) -> int:
    """Range of proc_pid_oom_score_adj(5)."""
    digits = word.removeprefix("-")
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 4 and -1000 <= int(word) <= 1000):
        raise UsageError(
            f"{_named(options.OOM_SCORE_ADJ)} {word!r} is not a score", "give -1000 (never killed) to 1000"
        )
    return int(word)


def _identity_file(path: str) -> Path | None:
    if path and not path.startswith("/"):
        raise UsageError(f"{_named(options.IDENTITY_FILE)} {path!r} is not an absolute path", "write it as /a/file")
    return Path(path) if path else None


def _fork_identity(word: str) -> ForkIdentity:
    choices = options.FORK_IDENTITY.choices
    if word not in choices:
        raise UsageError(
            f"{_named(options.FORK_IDENTITY)} {word!r} is not supported", f"use one of: {', '.join(choices)}"
        )
    return cast("ForkIdentity", word)


def _spool(env: Mapping[str, str], *, is_root: bool) -> Path | None:
    """The directory that the user chose, else systemd's (StateDirectory=), else the usual place of such data."""
    chosen = variable_and_value(env, options.SPOOL)[1]
    if chosen:
        if chosen != "none" and not chosen.startswith("/"):
            raise UsageError(
                f"{_named(options.SPOOL)} {chosen!r} is neither `none` nor an absolute path", "write it as /a/directory"
            )
        return None if chosen == "none" else Path(chosen)
    if "STATE_DIRECTORY" in env:
        return Path(env["STATE_DIRECTORY"].partition(":")[0])
    if is_root or "HOME" not in env:
        return Path("/var/lib/otel-oom")
    return Path(env.get("XDG_STATE_HOME", f"{env['HOME']}/.local/state")) / "otel-oom"
