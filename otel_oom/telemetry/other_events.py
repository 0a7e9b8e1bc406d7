"""All events that are not kills. No I/O."""

from __future__ import annotations

import uuid

from otel_oom import schema
from otel_oom.kernel.kmsg_record import Record
from otel_oom.kernel.oom_kill import NoVictim, OomKill, event_uid
from otel_oom.telemetry import event_bodies
from otel_oom.telemetry.event import Event, Value, event_attributes

Values = dict[schema.Attribute, Value | None]


def no_victim_event(finding: NoVictim, boot_id: str, count: int) -> Event:
    """Return a `system_oom_no_victim` event. count: tries since the last such event."""
    body = event_bodies.no_victim_body()
    return _event(schema.NO_VICTIM, boot_id, finding.observed_ns, body, {schema.COUNT: count}, finding.record)


def agent_killed_event(kill: OomKill) -> Event:
    """Return an `otel_oom_agent_killed` event: the victim of this kill was an agent."""
    values: Values = {schema.PID: kill.pid, schema.RSS: kill.rss, schema.SCORE_ADJ: kill.line.score_adj}
    body = event_bodies.agent_killed_body(kill)
    return _event(schema.AGENT_KILLED, kill.boot_id, kill.observed_ns, body, values, kill.record)


def surplus_event(count: int, boot_id: str, observed_ns: int) -> Event:
    """Return a `system_oom_unaccounted` event, or a `system_oom_unconfirmed` event.

    count: kills that the kernel counted and its log did not show; less than 0: that the log showed without a count
    """
    name, body = (
        (schema.UNACCOUNTED, event_bodies.unaccounted_body(count))
        if count > 0
        else (schema.UNCONFIRMED, event_bodies.unconfirmed_body(-count))
    )
    return _event(name, boot_id, observed_ns, body, {schema.COUNT: abs(count)})


def records_lost_event(count: int, boot_id: str, observed_ns: int) -> Event:
    """Return a `kmsg_records_lost` event. count: records that were overwritten before the read."""
    body = event_bodies.records_lost_body(count)
    return _event(schema.RECORDS_LOST, boot_id, observed_ns, body, {schema.COUNT: count})


def clock_jumped_event(jumped_s: float, boot_id: str, observed_ns: int) -> Event:
    """Return a `wall_clock_jumped` event. jumped_s: change of the wall clock against the kernel's clock, signed."""
    body = event_bodies.clock_jumped_body(jumped_s)
    return _event(schema.CLOCK_JUMPED, boot_id, observed_ns, body, {schema.CLOCK_JUMP: jumped_s})


def _event(name: str, boot_id: str, observed_ns: int, body: str, values: Values, record: Record | None = None) -> Event:
    # Without a kernel record the id is random. It is stored with the event, and equal in every delivery.
    uid = str(uuid.uuid4()) if record is None else event_uid(name, boot_id, record)
    if record is not None:
        values |= {
            schema.KMSG_SEQUENCE: record.sequence if record.has_sequence else None,
            schema.KMSG_TIMESTAMP: record.monotonic_us / 1e6,
            schema.RECORD_ORIGINAL: record.original,
        }
    return Event(name, observed_ns, body, event_attributes(name, uid, boot_id, values))
