"""A kill as one line of JSON: the attributes that the agent would send, as far as a text holds them. No I/O.

Rules:
- Keys and values are those of the agent's event. An attribute that the text does not hold is absent.
- Always absent: `log.record.uid` (it needs the boot and the sequence), and facts that only the running system has.
- `oom.group.id` is equal for the victims of one group in this text. The agent's value is another one.
"""

from __future__ import annotations

import json

from otel_oom import schema
from otel_oom.kernel.oom_kill import OomKill
from otel_oom.parse.text_record import record_of
from otel_oom.printable_text import printable_json
from otel_oom.telemetry.event import Attributes, without_unknown
from otel_oom.telemetry.kill_event import LiveFacts, kill_attributes, victim_owner

_AS_SEEN = LiveFacts()
_ENCODER = json.JSONEncoder(ensure_ascii=False, check_circular=False)


def attributes(kill: OomKill) -> Attributes:
    """The attributes of a kill that was found in a text."""
    record = record_of(kill)
    values = kill_attributes(kill, _AS_SEEN, victim_owner(kill, _AS_SEEN))
    if not record.has_sequence:
        del values[schema.KMSG_SEQUENCE]
    if not record.line.has_clock:
        del values[schema.KMSG_TIMESTAMP]
    head = {schema.EVENT_NAME: schema.OOM_KILL, schema.BOOT_ID: record.line.boot_id}
    return without_unknown(head) | without_unknown(values)


def as_json(kill: OomKill) -> str:
    """One line of JSON, printable: a text chooses the boot id of its journal entries."""
    return printable_json(_ENCODER.encode(attributes(kill)))
