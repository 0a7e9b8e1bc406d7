"""Makes the words of an outcome fit for a log line and for the quarantine. No I/O.

Rules:
- A server may repeat what it was sent, so the secrets of the settings are replaced (`redaction`).
- The words are one line of bounded length. They are cut after the redaction, so that no part of a secret is left.
- A remedy names the variable that is in effect: the signal's own variable if it is set, else the common one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from otel_oom.config.redaction import redactor
from otel_oom.otlp.export_outcome import Outcome
from otel_oom.printable_text import printable_line
from otel_oom.schema import Signal

_MAX_CHARACTERS: Final = 300
_COMMON: Final = re.compile(r"\bOTEL_EXPORTER_OTLP_(?!LOGS_|METRICS_)([A-Z_]+)")


class OutcomeText:
    """The text of one signal's outcomes. env: the environment variables that the exporters read."""

    def __init__(self, env: Mapping[str, str], signal: Signal) -> None:
        self._redact = redactor(env)
        self._own = f"OTEL_EXPORTER_OTLP_{signal.upper()}_"
        self._set = frozenset(name for name in env if name.startswith(self._own))

    def of(self, outcome: Outcome, usual_remedy: str = "") -> Outcome:
        """The outcome with these words. usual_remedy: for an outcome without a remedy of its own."""
        remedy = _COMMON.sub(self._variable, outcome.remedy or usual_remedy)
        return replace(outcome, why=self._line(outcome.why), remedy=remedy)

    def _line(self, text: str) -> str:
        line = printable_line(self._redact(text))
        return line if len(line) <= _MAX_CHARACTERS else f"{line[:_MAX_CHARACTERS]}…"

    def _variable(self, common: re.Match[str]) -> str:
        own = f"{self._own}{common[1]}"
        return own if own in self._set else common[0]
