"""Reads all settings of `otel-oom run` into one value."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, cast

from otel_oom.config import options, unknown_variables
from otel_oom.config.attribute_limits import AttributeLimits, read_limits
from otel_oom.config.environment import Environment, is_true, number, seconds, variable_and_value, word
from otel_oom.config.flags import with_flags
from otel_oom.config.log_settings import LogSettings, read_log_settings
from otel_oom.config.otlp_export import ExportSettings, read_export
from otel_oom.config.resource_attributes import chosen_attributes
from otel_oom.config.spool_directory import is_absolute, spool_directory
from otel_oom.config.standard_variables import (
    METRIC_EXPORT_INTERVAL,
    METRIC_EXPORT_TIMEOUT,
    SDK_DISABLED,
    TEMPORALITY,
)
from otel_oom.config.variables_without_effect import CONFIG_FILES, ENTITIES
from otel_oom.errors import UsageError

ForkIdentity = Literal["changed", "always"]


@dataclass(frozen=True, slots=True)
class Config:
    """All settings of `otel-oom run`.

    device: path of the kernel log
    from_ring: the first start also reads what the kernel log holds of this boot
    spool: directory of the store, None to keep everything in memory
    oom_score_adj: of the agent itself
    identity_file: its text distinguishes copies of this machine
    fork_identity: take a new identity after a fork of the machine: if the machine identity changed, or always
    cgroupfs: path at or below which the cgroup filesystems are looked for
    heartbeat_s: time between two exports of unchanged metrics, seconds
    is_delta: counters are exported as increases since the last export
    resource_attributes: those that the user chose, by name
    limits: of the attributes of a log record
    log: of the agent's own lines
    warnings: log lines for the start
    """

    device: str
    from_ring: bool
    spool: Path | None
    is_spool_required: bool
    oom_score_adj: int
    identity_file: Path | None
    fork_identity: ForkIdentity
    with_command_line: bool
    cgroupfs: str
    heartbeat_s: float
    is_delta: bool
    logs: ExportSettings
    metrics: ExportSettings
    resource_attributes: Mapping[str, str]
    limits: AttributeLimits
    log: LogSettings
    warnings: tuple[str, ...]


def load_config(environment: Mapping[str, str], *, is_root: bool = True, **flags: str | bool | None) -> Config:
    """Settings from the environment and the flags.

    is_root: whether the agent may write below /var/lib; flags: by `Setting.name`, None or empty where not given

    Raises: UsageError; KeyError for an unknown flag.
    """
    env = with_flags(environment, flags)
    _refuse_configuration_file(env)
    spool = spool_directory(env, is_root=is_root)
    is_required = is_true(env, options.SPOOL_REQUIRED)
    if is_required and spool is None:
        raise UsageError(
            f"{env.written(options.SPOOL_REQUIRED)} and {env.written(options.SPOOL)} contradict each other",
            f"name a directory with {options.SPOOL.flag} or {options.SPOOL.variable}, or require no spool",
        )
    logs, metrics = read_export(env, "logs"), read_export(env, "metrics")
    limit_ms = number(env, METRIC_EXPORT_TIMEOUT)
    config = Config(
        device=variable_and_value(env, options.DEVICE)[1],
        from_ring=is_true(env, options.FROM_RING),
        spool=spool,
        is_spool_required=is_required,
        oom_score_adj=_oom_score_adj(env),
        identity_file=_identity_file(env),
        fork_identity=cast("ForkIdentity", word(env, options.FORK_IDENTITY)),
        with_command_line=is_true(env, options.COMMAND_LINE),
        cgroupfs=env.value(options.CGROUPFS, is_absolute, "is not an absolute path", "write it as /a/directory"),
        heartbeat_s=seconds(env, METRIC_EXPORT_INTERVAL),
        is_delta=word(env, TEMPORALITY) == "delta" and metrics.exporter == "otlp",
        logs=logs,
        metrics=replace(metrics, timeout_s=min(metrics.timeout_s, limit_ms / 1000)) if limit_ms else metrics,
        resource_attributes=chosen_attributes(env),
        limits=read_limits(env),
        log=read_log_settings(env),
        warnings=(),
    )
    warnings = (
        *env.warnings,
        *logs.warnings,
        *metrics.warnings,
        *unknown_variables.warnings(env),
        *_without_effect(env, config),
    )
    return replace(config, warnings=tuple(dict.fromkeys(warnings)))


def _refuse_configuration_file(env: Environment) -> None:
    """Refuse OTEL_CONFIG_FILE: it replaces all other variables (environment variable specification).

    Raises: UsageError.
    """
    for name in CONFIG_FILES:
        if name in env:
            raise UsageError(
                f"{name} is set, and otel-oom reads no configuration file",
                "unset it for otel-oom and set the OTEL_* variables instead",
            )


def _without_effect(env: Environment, config: Config) -> Iterator[str]:
    """Warnings about valid settings that prevent what the user may expect."""
    if ENTITIES in env:
        yield f"{ENTITIES} has no effect; write its attributes into OTEL_RESOURCE_ATTRIBUTES"
    if config.logs.exporter == config.metrics.exporter == "none":
        why, remedy = "both exporters are `none`", "set OTEL_LOGS_EXPORTER=otlp"
        if env.get(SDK_DISABLED.variable, "").lower() == "true":
            why, remedy = f"{SDK_DISABLED.variable} is true", "unset it"
        yield f"no kill is reported to anybody, because {why}; {remedy} for otel-oom"


def _oom_score_adj(env: Environment) -> int:
    """The score, in the range of proc_pid_oom_score_adj(5). Raises: UsageError."""

    def is_score(text: str) -> bool:
        digits = text.removeprefix("-")
        return digits.isascii() and digits.isdigit() and len(digits) <= 4 and -1000 <= int(text) <= 1000

    return int(env.value(options.OOM_SCORE_ADJ, is_score, "is not a score", "give -1000 (never killed) to 1000"))


def _identity_file(env: Environment) -> Path | None:
    path = env.value(options.IDENTITY_FILE, is_absolute, "is not an absolute path", "write it as /a/file")
    return Path(path) if path else None
