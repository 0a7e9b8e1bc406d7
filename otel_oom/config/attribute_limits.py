"""Reads the limits of the attributes of a log record. No I/O.

Sources: common specification, "Attribute Limits"; environment variable specification, "LogRecord Limits". The variables
are often set for all programs of a machine, and then with spans in mind.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from otel_oom import schema
from otel_oom.config.environment import Environment, number
from otel_oom.config.setting import Setting
from otel_oom.config.standard_variables import COUNT_LIMIT, LENGTH_LIMIT, LOG_COUNT_LIMIT, LOG_LENGTH_LIMIT

#: They identify a kill, so no limit removes them.
PROTECTED: Final = (schema.EVENT_NAME.name, schema.RECORD_UID.name, schema.SCOPE.name, schema.PID.name)
_UUID_CHARACTERS: Final = 36


@dataclass(frozen=True, slots=True)
class AttributeLimits:
    """Limits of one log record. count: of attributes; characters: of a text, None for no limit."""

    count: int = int(COUNT_LIMIT.default)
    characters: int | None = None


def read_limits(env: Environment) -> AttributeLimits:
    """Return the limits. The variables of log records override the general ones.

    A limit that is too small for the attributes and identifiers that are always sent whole is a warning.
    """
    counted, count = _first(env, LOG_COUNT_LIMIT, COUNT_LIMIT)
    measured, characters = _first(env, LOG_LENGTH_LIMIT, LENGTH_LIMIT)
    if count is not None and count < len(PROTECTED):
        _warn(env, counted, LOG_COUNT_LIMIT, len(PROTECTED), f"{', '.join(PROTECTED)} are sent nevertheless")
    if characters is not None and characters < _UUID_CHARACTERS:
        _warn(env, measured, LOG_LENGTH_LIMIT, _UUID_CHARACTERS, "names and identifiers are not cut")
    return AttributeLimits(AttributeLimits().count if count is None else count, characters)


def _first(env: Environment, *settings: Setting) -> tuple[Setting, int | None]:
    """The first setting with a number, and the number; the last one where there is none."""
    for setting in settings:
        value = number(env, setting)
        if value is not None:
            return setting, value
    return setting, None


def _warn(env: Environment, decides: Setting, of_logs: Setting, least: int, what: str) -> None:
    """Add a warning. decides: the setting whose value applies; of_logs: the one for log records alone."""
    env.warnings.append(f"{env.written(decides)}: {what}; set {of_logs.variable} to {least} or more")
