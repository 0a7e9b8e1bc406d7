"""Events that are not kills: no victim found, kills unaccounted for, records lost, a clock that jumped, the agent killed."""

from __future__ import annotations

import uuid
from collections.abc import Mapping

from otel_oom import schema
from otel_oom.kernel.oom_kill import NoVictim, OomKill, event_uid
from otel_oom.telemetry.event import Event, Value, event_attributes
from otel_oom.telemetry.event_bodies import plural


def no_victim_event(finding: NoVictim, boot_id: str, count: int) -> Event:
    """The `system_oom_no_victim` event; count: tries since the last such event."""
    record = finding.record
    values: dict[schema.Attribute, Value | None] = {
        schema.COUNT: count,
        schema.KMSG_SEQUENCE: record.sequence,
        schema.KMSG_TIMESTAMP: record.monotonic_us / 1e6,
        schema.RECORD_ORIGINAL: record.text,
    }
    uid = event_uid(schema.NO_VICTIM, boot_id, record)
    body = "the kernel was out of memory and found no process that it may kill"
    return Event(schema.NO_VICTIM, finding.observed_ns, body, event_attributes(schema.NO_VICTIM, uid, boot_id, values))


def unaccounted_event(count: int, boot_id: str, observed_ns: int) -> Event:
    """The `system_oom_unaccounted` event: the kernel counted this many kills that its log did not show."""
    body = f"the kernel counted {plural(count, 'OOM kill')} that its log did not show"
    return _made_here(schema.UNACCOUNTED, boot_id, observed_ns, body, {schema.COUNT: count})


def records_lost_event(count: int, boot_id: str, observed_ns: int) -> Event:
    """The `kmsg_records_lost` event: this many records were overwritten before they were read."""
    body = f"{plural(count, 'record')} of the kernel log {'was' if count == 1 else 'were'} overwritten before the read"
    return _made_here(schema.RECORDS_LOST, boot_id, observed_ns, body, {schema.COUNT: count})


def clock_jumped_event(jumped_s: float, boot_id: str, observed_ns: int) -> Event:
    """The `wall_clock_jumped` event: by how many seconds the wall clock left the kernel's clock, signed."""
    body = f"the wall clock left the kernel's clock by {jumped_s:+.1f} s: the machine slept, or the clock was set"
    return _made_here(schema.CLOCK_JUMPED, boot_id, observed_ns, body, {schema.CLOCK_JUMP: jumped_s})


def agent_killed_event(kill: OomKill) -> Event:
    """The `otel_oom_agent_killed` event: this kill was that of an agent."""
    values: dict[schema.Attribute, Value | None] = {
        schema.PID: kill.pid,
        schema.RSS: kill.rss,
        schema.SCORE_ADJ: kill.line.score_adj,
        schema.KMSG_SEQUENCE: kill.record.sequence,
        schema.KMSG_TIMESTAMP: kill.record.monotonic_us / 1e6,
        schema.RECORD_ORIGINAL: kill.record.text,
    }
    uid = event_uid(schema.AGENT_KILLED, kill.boot_id, kill.record)
    body = f"otel-oom itself (pid {kill.pid}) was OOM-killed; its next start found it in the kernel log"
    return Event(
        schema.AGENT_KILLED, kill.observed_ns, body, event_attributes(schema.AGENT_KILLED, uid, kill.boot_id, values)
    )


def _made_here(
    name: str, boot_id: str, observed_ns: int, body: str, values: Mapping[schema.Attribute, Value | None]
) -> Event:
    # No record of the kernel stands behind it, so its id is random: made once, and kept with the event.
    return Event(name, observed_ns, body, event_attributes(name, str(uuid.uuid4()), boot_id, values))
