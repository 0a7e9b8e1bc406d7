"""Reads the settings of the agent's own lines on standard error. No I/O."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, cast

from otel_oom.config.environment import Environment, is_true, word
from otel_oom.config.options import LOG_FORMAT, LOG_KILLS
from otel_oom.config.standard_variables import LOG_LEVEL

LogFormat = Literal["auto", "text", "json"]

#: The level of Python's logging for each word of OTEL_LOG_LEVEL.
_LEVELS: Final = {
    "none": 60,
    "fatal": 50,
    "error": 40,
    "warn": 30,
    "warning": 30,
    "info": 20,
    "debug": 10,
    "trace": 5,
}


@dataclass(frozen=True, slots=True)
class LogSettings:
    """Of the agent's own lines.

    level: the least severe lines that are written, as a number of Python's logging
    format: `auto` is `text`, with the priorities of sd-daemon(3) if standard error is the journal's
    shows_kills: a line for each kill
    """

    level: int
    format: LogFormat
    shows_kills: bool


def read_log_settings(env: Environment) -> LogSettings:
    """The settings. Raises: UsageError."""
    return LogSettings(_LEVELS[word(env, LOG_LEVEL)], cast("LogFormat", word(env, LOG_FORMAT)), is_true(env, LOG_KILLS))
