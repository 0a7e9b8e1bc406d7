"""One setting of `otel-oom run`: its names, its default and its meaning. No I/O."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

OTLP: Final = "OTEL_EXPORTER_OTLP_"

# What an invalid value does.
STOPS: Final = "exit code 2"
WARNS: Final = "warning, the default applies"


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting.

    variable: name of the environment variable
    default: the value that applies without it, as a user would write it; empty if there is none
    default_note: the default in words, where it depends on something else
    meaning: one phrase that starts in lower case
    invalid: what an invalid value does; empty if every value is valid
    flag: of `otel-oom run`; empty for a variable without a flag
    metavar: what the help calls the value of the flag; empty for a flag that is on or off
    choices: the words that are allowed; empty if the value is no fixed word
    difference: how the behaviour differs from the OpenTelemetry specification; empty if it is the same
    is_of_sdk: the SDK or its exporters read it in the environment
    """

    variable: str
    default: str
    meaning: str
    invalid: str = ""
    default_note: str = ""
    flag: str = ""
    metavar: str = ""
    choices: tuple[str, ...] = ()
    difference: str = ""
    is_of_sdk: bool = False

    @property
    def name(self) -> str:
        """Name of the flag's value in Python, such as `from_ring`."""
        return self.flag.removeprefix("--").replace("-", "_")

    @property
    def is_per_signal(self) -> bool:
        """Whether OTEL_EXPORTER_OTLP_LOGS_… and OTEL_EXPORTER_OTLP_METRICS_… override it for their signal."""
        return self.variable.startswith(OTLP) and not self.variable.startswith(f"{OTLP}METRICS_")

    def variables(self, signal: str = "") -> tuple[str, ...]:
        """The variables to look at, the one that wins first. signal: `logs` or `metrics`."""
        if not (self.is_per_signal and signal):
            return (self.variable,)
        return self.variable.replace(OTLP, f"{OTLP}{signal.upper()}_"), self.variable

    @property
    def all_variables(self) -> tuple[str, ...]:
        """The common variable, and those of logs and metrics."""
        return tuple(dict.fromkeys((self.variable, *self.variables("logs"), *self.variables("metrics"))))
