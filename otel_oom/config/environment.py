"""Reads the value of one setting out of the environment variables, and checks its form. No I/O."""

from __future__ import annotations

from collections.abc import Mapping

from otel_oom.config.options import Setting
from otel_oom.errors import UsageError


def variable_and_value(env: Mapping[str, str], setting: Setting, signal: str = "") -> tuple[str, str]:
    """(Variable that decides, its value or the default). signal: `logs` or `metrics`, where they can differ."""
    name = next((name for name in setting.variables(signal) if name in env), setting.variable)
    return name, env.get(name, setting.default)


def word(env: Mapping[str, str], setting: Setting, signal: str = "", choices: tuple[str, ...] = ()) -> str:
    """One of the words in `choices` (default: all of the setting), in lower case. Raises: UsageError."""
    name, value = variable_and_value(env, setting, signal)
    choices = choices or setting.choices
    if value.lower() not in choices:
        raise UsageError(f"{name}={value!r} is not supported", f"use one of: {', '.join(choices)}")
    return value.lower()


def seconds(env: Mapping[str, str], setting: Setting, signal: str = "") -> float:
    """A duration in seconds; the specification gives it in milliseconds. Raises: UsageError."""
    name, digits = variable_and_value(env, setting, signal)
    # Ten digits are 115 days; what is longer overflows the waits of the standard library.
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 10 and int(digits) > 0):
        raise UsageError(f"{name}={digits!r} is not a duration", "give whole milliseconds above 0, such as 5000")
    return int(digits) / 1000


def is_true(env: Mapping[str, str], setting: Setting, signal: str = "") -> bool:
    """Whether the value is `true` and not `false`, in any case. Raises: UsageError."""
    name, value = variable_and_value(env, setting, signal)
    if value.lower() not in {"true", "false"}:
        raise UsageError(f"{name}={value!r} is neither true nor false", "write true or false")
    return value.lower() == "true"
