"""A kill as one flat object: the attributes that the agent would send, as far as a text can say them. No I/O.

Rules:
- Keys and values are those of the agent's event; what a text does not say is left out.
- Never there: `log.record.uid` (it needs the boot and the sequence), and what only the running system knows.
- `oom.group.id` ties the victims of one group in this text; the agent's own has another value.
"""

from __future__ import annotations

import json

from otel_oom import schema
from otel_oom.oom import OomKill
from otel_oom.parse.found import where
from otel_oom.telemetry import Attributes, Sighting, kill_event

_AS_SEEN = Sighting()
_ENCODER = json.JSONEncoder(ensure_ascii=False)


def attributes(kill: OomKill) -> Attributes:
    """The attributes of a kill out of a text."""
    record = where(kill)
    boot_id = record.line.boot_id
    found = kill_event(kill, boot_id or "", _AS_SEEN).attributes
    del found[schema.RECORD_UID.name]
    if boot_id is None:
        del found[schema.BOOT_ID.name]
    if not record.has_sequence:
        del found[schema.KMSG_SEQUENCE.name]
    if not record.line.has_clock:
        del found[schema.KMSG_TIMESTAMP.name]
    return found


def as_json(kill: OomKill) -> str:
    """One line of JSON."""
    return _ENCODER.encode(attributes(kill))
