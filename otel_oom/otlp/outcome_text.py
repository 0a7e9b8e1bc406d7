"""Makes the words of an outcome fit for a log line and for the quarantine. No I/O.

Rules:
- A server may repeat what it was sent. No value of a header, no password and no query of a URL passes, except for one
  that is too short to be told from a word.
- The words are one line of bounded length. They are cut after that: the half of a key is one, too.
- The variable that is named is the one that is in effect: the signal's own variable wins where it is set.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Final
from urllib.parse import unquote, unquote_plus

from otel_oom.otlp.export_outcome import Outcome
from otel_oom.schema import Signal

_MAX_CHARACTERS: Final = 300
_SHORTEST: Final = 4  # characters of a secret
_HIDDEN: Final = "[hidden]"
_USER: Final = re.compile(r"(?:://|^(?!.*://))(?:([^/?#]*:.*)|([^/?#@]*))@")
_COMMON: Final = re.compile(r"\bOTEL_EXPORTER_OTLP_(?!LOGS_|METRICS_)([A-Z_]+)")


class OutcomeText:
    """The text of one signal's outcomes. env: the environment variables that the exporters read."""

    def __init__(self, env: Mapping[str, str], signal: Signal) -> None:
        found = {secret for secret in _secrets(env) if len(secret) >= _SHORTEST}
        self._secrets = sorted(found, key=len, reverse=True)  # the longest first: one may contain another
        self._own = f"OTEL_EXPORTER_OTLP_{signal.upper()}_"
        self._set = frozenset(name for name in env if name.startswith(self._own))

    def of(self, outcome: Outcome) -> Outcome:
        """The outcome with these words."""
        return replace(outcome, why=self._line(outcome.why), remedy=_COMMON.sub(self._variable, outcome.remedy))

    def _line(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, _HIDDEN)
        line = " ".join("".join(character if character.isprintable() else " " for character in text).split())
        return line if len(line) <= _MAX_CHARACTERS else f"{line[:_MAX_CHARACTERS]}…"

    def _variable(self, common: re.Match[str]) -> str:
        own = f"{self._own}{common[1]}"
        return own if own in self._set else common[0]


def _secrets(env: Mapping[str, str]) -> Iterator[str]:
    for name, value in env.items():
        if name.startswith("OTEL_EXPORTER_OTLP_") and name.endswith("HEADERS"):
            for pair in value.split(","):
                yield from _of_header(pair.partition("=")[2])
        elif name.upper().endswith(("_ENDPOINT", "_PROXY")):
            yield from _of_url(value)


def _of_header(raw: str) -> Iterator[str]:
    """The value as it is written and as it is sent, and the credentials behind the name of a scheme (`Basic`)."""
    for value in (raw.strip(), unquote(raw).strip()):
        yield value
        scheme, _, credentials = value.partition(" ")
        yield credentials.strip()
        if scheme.lower() == "basic":
            try:
                pair = base64.b64decode(credentials).decode()
            except (binascii.Error, ValueError):
                continue
            yield pair
            yield pair.partition(":")[2]


def _of_url(url: str) -> Iterator[str]:
    """User and password as they are written, as they are meant, and as Basic authentication sends them."""
    user = _USER.search(url)
    if user:
        for part in (user[1] or user[2], unquote(user[1] or user[2])):
            yield part
            yield part.partition(":")[2]
            yield base64.b64encode(part.encode()).decode()
    for pair in url.partition("?")[2].split("&"):
        value = pair.partition("=")[2]
        yield value
        yield unquote_plus(value)
