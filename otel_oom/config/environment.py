"""Reads single values out of environment variables."""

from __future__ import annotations

from collections.abc import Mapping

from otel_oom.errors import UsageError


def word(env: Mapping[str, str], names: tuple[str, ...], words: tuple[str, ...], default: str) -> str:
    name = next((name for name in names if name in env), None)
    if name is None:
        return default
    value = env[name].lower()
    if value not in words:
        raise UsageError(f"{name}={env[name]!r} is not supported", f"use one of: {', '.join(words)}")
    return value


def milliseconds(env: Mapping[str, str], names: tuple[str, ...], default: int) -> float:
    """A duration in seconds. The specification gives it in milliseconds; the SDK for Python reads seconds."""
    name = next((name for name in names if name in env), None)
    if name is None:
        return default / 1000
    digits = env[name]
    # Ten digits are 115 days; what is longer overflows the waits of the standard library.
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 10 and int(digits) > 0):
        raise UsageError(f"{name}={env[name]!r} is no duration", "give whole milliseconds above 0, such as 5000")
    return int(env[name]) / 1000


def flag(env: Mapping[str, str], name: str) -> bool:
    value = env.get(name, "false").lower()
    if value not in {"true", "false"}:
        raise UsageError(f"{name}={env[name]!r} is neither true nor false", "write true or false")
    return value == "true"
