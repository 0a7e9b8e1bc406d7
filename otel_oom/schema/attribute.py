"""What an attribute of log records is: name, type, unit, meaning, and the events that carry it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from otel_oom.schema.events import OOM_KILL

Kind = Literal["int", "string", "string[]", "double", "bool", "map[]"]


@dataclass(frozen=True, slots=True, eq=False)  # compared by identity: cheap as a key
class Attribute:
    """An attribute of log records. events: those that can carry it; unit: UCUM, empty for none.

    requirement: required: always present in these events; recommended: if known; opt_in: if the user wants it
    """

    name: str
    kind: Kind
    brief: str
    unit: str = ""
    events: tuple[str, ...] = (OOM_KILL,)
    requirement: Literal["required", "recommended", "opt_in"] = "recommended"
