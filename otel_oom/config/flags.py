"""Puts the flags of the command line over the environment variables. No I/O."""

from __future__ import annotations

from collections.abc import Mapping

from otel_oom.config.environment import Environment
from otel_oom.config.options import WITH_FLAG


def with_flags(environment: Mapping[str, str], flags: Mapping[str, str | bool | None]) -> Environment:
    """The variables, with each flag in place of its variable.

    flags: by `Setting.name`, None or empty where not given

    Raises: KeyError for an unknown flag.
    """
    variables = {setting.name: setting.variable for setting in WITH_FLAG}
    values = {variables[name]: value for name, value in flags.items()}
    return Environment(environment, {name: str(value) for name, value in values.items() if value not in {None, ""}})
