"""Reads the resource attributes that the user chooses. No I/O.

    OTEL_RESOURCE_ATTRIBUTES=host.name=web-1,team=a%20b

Source: resource SDK specification, "Specifying resource information via an environment variable". Names and values are
percent-encoded UTF-8. After any error the whole value is discarded, because what is left might name another machine.

Rules:
- A message never contains a part of the value: it may be a secret that was written in the wrong place.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import unquote_to_bytes

from otel_oom import schema
from otel_oom.config.environment import Environment, variable_and_value
from otel_oom.config.standard_variables import RESOURCE_ATTRIBUTES, SERVICE_NAME

_STRAY_PERCENT: Final = re.compile("%(?![0-9A-Fa-f]{2})")


def chosen_attributes(env: Environment) -> dict[str, str]:
    """Return the attributes by name, with OTEL_SERVICE_NAME; a malformed list is a warning."""
    chosen = {}
    try:
        chosen = parse(variable_and_value(env, RESOURCE_ATTRIBUTES)[1])
    except ValueError as error:
        env.warnings.append(
            f"{RESOURCE_ATTRIBUTES.variable} is discarded as a whole: {error}; write name=value,name=value"
        )
    name = env.get(SERVICE_NAME.variable, "")
    if name.isprintable() and name:
        chosen[schema.SERVICE_NAME] = name
    elif name:
        env.warnings.append(f"{env.written(SERVICE_NAME)} cannot be printed, so it is left out; write it in UTF-8")
    return chosen


def parse(text: str) -> dict[str, str]:
    """Return the attributes of a list by name. Raises: ValueError, with the number of the part, from 1 on.

    Parts that are empty are left out: `a=b,` is one attribute. The first equals sign of a part ends the name.
    """
    attributes = {}
    for number, part in enumerate(text.split(","), 1):
        if not part.strip():
            continue
        name, equals, value = (_decoded(half, number) for half in part.partition("="))
        if not equals:
            raise ValueError(f"its part {number} has no equals sign")
        if not name:
            raise ValueError(f"its part {number} has no name")
        attributes[name] = value
    return attributes


def _decoded(text: str, number: int) -> str:
    text = text.strip()
    if _STRAY_PERCENT.search(text):
        raise ValueError(f"its part {number} has a percent sign that encodes nothing (write it as %25)")
    try:
        return unquote_to_bytes(text).decode()
    except UnicodeError:  # also of a byte that is not percent-encoded
        raise ValueError(f"its part {number} is not UTF-8") from None
