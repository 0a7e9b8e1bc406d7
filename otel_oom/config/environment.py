"""Reads the value of one setting, and checks its form. No I/O.

Rules:
- An empty variable is an unset one (environment variable specification).
- A value that is not valid stops the start, or is a warning and the default applies: `Setting.invalid` says which. A
  flag is given to this agent alone, so an invalid one always stops the start.
- A message names what the user has written: the flag or the variable.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping
from typing import Final

from otel_oom.config import python_sdk_variables
from otel_oom.config.setting import STOPS, Setting
from otel_oom.config.standard_variables import STANDARD
from otel_oom.errors import UsageError

_OF_SDK: Final = {
    *(name for item in STANDARD if item.is_of_sdk for name in item.all_variables),
    *python_sdk_variables.WITH_EFFECT,
}
# In milliseconds 115 days: a longer time overflows the waits of the standard library.
_GREATEST: Final = 9_999_999_999


class Environment(dict[str, str]):
    """The variables that are set, with the flags in place of theirs, and the warnings about them.

    flags: variable -> value that the command line gave
    """

    def __init__(self, variables: Mapping[str, str], flags: Mapping[str, str] | None = None) -> None:
        super().__init__({name: value.strip() for name, value in variables.items() if value.strip()})
        self.update(flags or {})
        self._flags = frozenset(flags or {})
        self.warnings: list[str] = []

    def is_flag(self, setting: Setting) -> bool:
        """Whether the command line gave the value."""
        return setting.variable in self._flags

    def written(self, setting: Setting, variable: str = "") -> str:
        """What the user has written: `--spool 'here'`, `OTEL_OOM_SPOOL='here'`.

        variable: the one that holds the value, by default the common one
        """
        variable = variable or setting.variable
        value = self.get(variable, setting.default)
        if not self.is_flag(setting):
            return f"{variable}={value!r}"
        if setting.metavar:
            return f"{setting.flag} {value!r}"
        return setting.flag if value.lower() == "true" else f"--no-{setting.flag.removeprefix('--')}"

    def value(
        self, setting: Setting, is_valid: Callable[[str], bool], problem: str, remedy: str, signal: str = ""
    ) -> str:
        """The first valid value of the setting's variables, else the default.

        problem, remedy: for the message about an invalid value; signal: `logs` or `metrics`, where they can differ

        An invalid value is a warning, or an error for a flag and where `Setting.invalid` is STOPS. Raises: UsageError.
        """
        names = [name for name in setting.variables(signal) if name in self]
        for place, name in enumerate(names):
            if is_valid(self[name]):
                return self[name]
            if setting.invalid == STOPS or self.is_flag(setting):
                raise UsageError(f"{self.written(setting, name)} {problem}", remedy)
            default = setting.default or setting.default_note.replace("`", "")
            instead = next(iter(names[place + 1 :]), default)
            self.warnings.append(f"{self.written(setting, name)} {problem}, so {instead} applies; {remedy}")
        return setting.default


def variable_and_value(env: Mapping[str, str], setting: Setting, signal: str = "") -> tuple[str, str]:
    """(Variable that decides, its value or the default). signal: `logs` or `metrics`, where they can differ."""
    name = next((name for name in setting.variables(signal) if name in env), setting.variable)
    return name, env.get(name, setting.default)


def word(env: Environment, setting: Setting, signal: str = "", choices: tuple[str, ...] = ()) -> str:
    """One of the words in `choices` (default: all of the setting), in lower case. Raises: UsageError."""
    allowed = choices or setting.choices
    remedy = f"use one of: {', '.join(allowed)}"
    return env.value(setting, lambda value: value.lower() in allowed, "is not supported", remedy, signal).lower()


def number(env: Environment, setting: Setting) -> int | None:
    """A whole number from 0 on, None for none. Raises: UsageError."""
    digits = env.value(setting, _is_number, "is not valid", f"give a whole number from 0 to {_GREATEST}")
    return int(digits) if digits else None


def seconds(env: Environment, setting: Setting, signal: str = "", *, least: int = 1) -> float:
    """A duration in seconds; the variable gives it in milliseconds, from `least` on. Raises: UsageError."""
    remedy = f"give milliseconds as a whole number from {least} to {_GREATEST}"
    digits = env.value(setting, lambda value: _is_number(value) and int(value) >= least, "is not valid", remedy, signal)
    return int(digits) / 1000


def is_true(env: Environment, setting: Setting, signal: str = "") -> bool:
    """Whether the value is `true`, in any case. Raises: UsageError."""
    words = {"true", "false"}
    problem = "is neither true nor false"
    value = env.value(setting, lambda value: value.lower() in words, problem, "write true or false", signal)
    return value.lower() == "true"


def hide_from_sdk(environ: MutableMapping[str, str]) -> None:
    """Remove all OTEL_* variables but those that the SDK and its exporters have to read themselves.

    Why: the SDK ends the start for values that are warnings here, accepts a part of a malformed list of resource
    attributes, and prints the values in it. It also does so when it is imported. An empty variable, which counts as
    unset, is 0 or an error for some of its parts (opentelemetry-sdk 1.45).
    """
    for name, value in list(environ.items()):
        if name.startswith("OTEL_") and not name.startswith("OTEL_OOM_") and not (name in _OF_SDK and value.strip()):
            del environ[name]


def _is_number(digits: str) -> bool:
    return digits.isascii() and digits.isdigit() and len(digits) <= len(str(_GREATEST))
