"""An event: one log record to deliver, as a plain value. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from otel_oom import schema

if TYPE_CHECKING:
    from otel_oom.totals import ResourceIdentity


Scalar: TypeAlias = str | int | float | bool
Value: TypeAlias = Scalar | tuple[str | Mapping[str, Scalar], ...]
Attributes: TypeAlias = dict[str, Value]


@dataclass(frozen=True, slots=True)
class Event:
    """One log record to deliver.

    observed_ns: wall clock at the observation, ns since the Unix epoch
    identity: the identity that it is exported under, also after an identity change. None until it is queued.
    """

    name: str
    observed_ns: int
    body: str
    attributes: Attributes
    identity: ResourceIdentity | None = None

    @property
    def uid(self) -> str:
        """Unique id, equal in every delivery of this event."""
        return str(self.attributes[schema.RECORD_UID.name])

    @property
    def size_bytes(self) -> int:
        """Approximate size of the event in a request, bytes."""
        return 64 + len(self.body) + sum(len(name) + _size(value) for name, value in self.attributes.items())


def event_attributes(name: str, uid: str, boot_id: str, values: Mapping[schema.Attribute, Value | None]) -> Attributes:
    """Return all attributes of an event by name: those that every event has, and the known ones of `values`."""
    common = {schema.EVENT_NAME.name: name, schema.RECORD_UID.name: uid, schema.BOOT_ID.name: boot_id}
    return {**common, **without_unknown(values)}


def without_unknown(values: Mapping[schema.Attribute, Value | None]) -> Attributes:
    """Return the values by attribute name, without those that are None."""
    return {attribute.name: value for attribute, value in values.items() if value is not None}


def _size(value: Value) -> int:
    if isinstance(value, str):
        return len(value.encode())
    if isinstance(value, tuple):
        return sum(map(_size_of_element, value))
    return 8


def _size_of_element(element: str | Mapping[str, Scalar]) -> int:
    if isinstance(element, str):
        return 4 + len(element.encode())  # OTLP: type and length of the element, and of its value
    return sum(len(name) + _size(part) for name, part in element.items())
