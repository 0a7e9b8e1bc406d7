"""Applies the limits of the attributes of a log record. The SDK's own limits would also remove `log.record.uid`.

Rules:
- The attributes of `config.attribute_limits.PROTECTED` always stay. The others are left out from the end of
  `schema.ATTRIBUTES`, in which the more important ones come first.
- An identifier is never cut: a query for a part of it finds nothing, or something else.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from opentelemetry.attributes import BoundedAttributes

from otel_oom import schema
from otel_oom.config.attribute_limits import PROTECTED, AttributeLimits
from otel_oom.telemetry.event import Attributes

_IDENTIFIERS: Final = frozenset(
    item.name
    for item in (
        schema.EVENT_NAME,
        schema.RECORD_UID,
        schema.SCOPE,
        schema.BOOT_ID,
        schema.GROUP_ID,
        schema.CONTAINER_ID,
        schema.CONTAINER_NAME,
        schema.POD_UID,
    )
)
_PLACES: Final = {item.name: place for place, item in enumerate(schema.ATTRIBUTES)}


class LimitedAttributes(BoundedAttributes):
    """The attributes that stay, in the SDK's form. dropped: how many were left out; OTLP reports this number."""

    def __init__(self, attributes: Mapping[str, Any], dropped: int) -> None:
        super().__init__(attributes=attributes)
        self.dropped += dropped


def limited(attributes: Attributes, limits: AttributeLimits) -> LimitedAttributes:
    """Return the attributes within the limits, in the SDK's form."""
    kept: dict[str, Any] = dict(attributes)
    if len(kept) > limits.count:
        ranked = sorted(kept, key=_rank)
        least = sum(name in PROTECTED for name in kept)
        kept = {name: kept[name] for name in ranked[: max(limits.count, least)]}
    if limits.characters is not None:
        kept = {name: value if name in _IDENTIFIERS else _cut(value, limits.characters) for name, value in kept.items()}
    return LimitedAttributes(kept, len(attributes) - len(kept))


def _rank(name: str) -> int:
    """Place of an attribute: protected ones first, then in the order of the table, then those that are not in it."""
    return -1 if name in PROTECTED else _PLACES.get(name, len(_PLACES))


def _cut(value: Any, characters: int) -> Any:
    """The value, with each text in it cut to this number of characters."""
    if isinstance(value, str):
        return value[:characters]
    if isinstance(value, Mapping):
        return {name: _cut(part, characters) for name, part in value.items()}
    if isinstance(value, tuple | list):
        return tuple(_cut(part, characters) for part in value)
    return value
