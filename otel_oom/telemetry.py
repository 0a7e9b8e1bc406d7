"""Findings to telemetry: a kill becomes an `Event` (one log record), the agent's totals become instruments.

Rules:
- Timestamp and ObservedTimestamp are one value, `Event.observed_ns`: the wall clock at the moment of observation.
- A value that the kernel did not say is left out.
- Instruments observe totals that are kept elsewhere, so an export shows one state, and a restart can go on with it.
- Of OpenTelemetry only the public metrics API is imported here.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from otel_oom import cgroup, schema
from otel_oom.oom import NoVictim, OomKill, event_uid
from otel_oom.report import Task

if TYPE_CHECKING:
    from opentelemetry.metrics import Meter

    from otel_oom.checkpoint import Origin

SCOPE_NAME = "otel-oom"
"""Of logger and meter, without a version: a collector keeps a meter's series per version, so for some minutes after an
upgrade it would show the old totals beside the new ones. The version is `service.version` of the resource."""

_PID, _COMM, _RSS, _SCORE_ADJ = schema.TOP_TASK_KEYS

Scalar: TypeAlias = str | int | float | bool
Value: TypeAlias = Scalar | tuple[Mapping[str, Scalar], ...]
Attributes: TypeAlias = dict[str, Value]


@dataclass(frozen=True, slots=True)
class Event:
    """One log record to deliver.

    observed_ns: wall clock at the observation, ns since the Unix epoch
    origin: who sends it, whatever becomes of this machine; None: nobody yet
    """

    name: str
    observed_ns: int
    body: str
    attributes: Attributes
    origin: Origin | None = None

    @property
    def uid(self) -> str:
        """Equal in every repeat of this event."""
        return str(self.attributes[schema.RECORD_UID.name])

    @property
    def size_bytes(self) -> int:
        """About what the event takes on the wire."""
        return 64 + len(self.body) + sum(len(name) + _size(value) for name, value in self.attributes.items())


@dataclass(frozen=True, slots=True)
class Sighting:
    """What the agent knows about a kill besides its line.

    skew_s: how far the kernel log's clock lags, seconds; None where it cannot be known
    is_backlog: the kill is older than the agent's start
    process: what /proc still knew of the victim, by attribute name
    """

    skew_s: float | None = None
    is_backlog: bool = False
    process: Mapping[str, Scalar] | None = None


def kill_event(kill: OomKill, sighting: Sighting) -> Event:
    """The `system_oom_kill` event of one kill."""
    attributes = _attributes(schema.OOM_KILL, kill.uid, kill.boot_id, kill_values(kill, sighting))
    attributes.update(sighting.process or {})
    return Event(schema.OOM_KILL, kill.observed_ns, _kill_sentence(kill), attributes)


def kill_values(kill: OomKill, sighting: Sighting) -> dict[schema.Attribute, Value | None]:
    """What that event says of its kill; None is what nobody knows."""
    context = kill.context
    # The memcg whose limit was hit is the victim's or one above it: what it says of an owner holds for the victim too.
    owner = cgroup.owner(kill.cgroup or context.memcg_path or "")
    return {
        schema.SCOPE: kill.scope,
        schema.CONSTRAINT: context.constraint,
        schema.PID: kill.pid,
        schema.TGID: kill.tgid,
        schema.REAL_USER_ID: kill.real_user_id,
        schema.COMM: kill.comm,
        schema.TOTAL_VM: kill.total_vm,
        schema.RSS: kill.rss,
        schema.RSS_ANON: kill.rss_anon,
        schema.RSS_FILE: kill.rss_file,
        schema.RSS_SHMEM: kill.rss_shmem,
        schema.PGTABLES: kill.pgtables,
        schema.SCORE_ADJ: kill.score_adj,
        schema.VICTIM_CGROUP: kill.cgroup,
        schema.MEMCG_PATH: context.memcg_path,
        schema.MEMCG_USAGE: context.memcg_usage,
        schema.MEMCG_LIMIT: context.memcg_limit,
        schema.CONTAINER_ID: owner.container_id,
        schema.CONTAINER_RUNTIME: owner.runtime,
        schema.POD_UID: owner.pod_uid,
        schema.UNIT: owner.unit,
        schema.TRIGGER_COMM: context.trigger_comm,
        schema.TRIGGER_PID: context.trigger_pid,
        schema.TRIGGER_GFP_MASK: context.trigger_gfp_mask,
        schema.TRIGGER_ORDER: context.trigger_order,
        schema.MEMORY_TOTAL: context.memory_total,
        schema.MEMORY_FREE: context.memory_free,
        schema.SWAP_TOTAL: context.swap_total,
        schema.SWAP_FREE: context.swap_free,
        schema.TOP_TASKS: tuple(_task(task) for task in context.top_tasks) or None,
        schema.GROUP_ID: kill.group_id,
        schema.REPORT: context.completeness,
        schema.BACKLOG: sighting.is_backlog or None,
        schema.KMSG_SEQUENCE: kill.record.sequence,
        schema.KMSG_TIMESTAMP: kill.record.monotonic_us / 1e6,
        schema.KMSG_SKEW: sighting.skew_s,
        schema.RECORD_ORIGINAL: kill.record.text,
    }


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
    return Event(schema.NO_VICTIM, finding.observed_ns, body, _attributes(schema.NO_VICTIM, uid, boot_id, values))


def unaccounted_event(count: int, boot_id: str, observed_ns: int) -> Event:
    """The `system_oom_unaccounted` event: the kernel counted this many kills that its log did not show."""
    body = f"the kernel counted {_plural(count, 'OOM kill')} that its log did not show"
    return _made_here(schema.UNACCOUNTED, boot_id, observed_ns, body, {schema.COUNT: count})


def records_lost_event(count: int, boot_id: str, observed_ns: int) -> Event:
    """The `kmsg_records_lost` event: this many records were overwritten before they were read."""
    body = f"{_plural(count, 'record')} of the kernel log {'was' if count == 1 else 'were'} overwritten before the read"
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
        schema.SCORE_ADJ: kill.score_adj,
        schema.KMSG_SEQUENCE: kill.record.sequence,
        schema.KMSG_TIMESTAMP: kill.record.monotonic_us / 1e6,
        schema.RECORD_ORIGINAL: kill.record.text,
    }
    uid = event_uid(schema.AGENT_KILLED, kill.boot_id, kill.record)
    body = f"otel-oom itself (pid {kill.pid}) was OOM-killed; its next start found it in the kernel log"
    return Event(
        schema.AGENT_KILLED, kill.observed_ns, body, _attributes(schema.AGENT_KILLED, uid, kill.boot_id, values)
    )


Observations: TypeAlias = Iterable[tuple[Mapping[str, str], float]]


def register(meter: Meter, observe: Mapping[schema.Metric, Callable[[], Observations]]) -> None:
    """Create an observable instrument for each metric of the table; each collection calls `observe[metric]()`."""
    from opentelemetry.metrics import CallbackOptions, Observation

    create = {
        "counter": meter.create_observable_counter,
        "updowncounter": meter.create_observable_up_down_counter,
        "gauge": meter.create_observable_gauge,
    }

    def callback(read: Callable[[], Observations]) -> Callable[[CallbackOptions], list[Observation]]:
        return lambda _: [Observation(value, dict(attributes)) for attributes, value in read()]

    for metric, read in observe.items():
        create[metric.kind](metric.name, [callback(read)], metric.unit, metric.brief)


def _made_here(
    name: str, boot_id: str, observed_ns: int, body: str, values: Mapping[schema.Attribute, Value | None]
) -> Event:
    # No record of the kernel stands behind it, so its id is random: made once, and kept with the event.
    return Event(name, observed_ns, body, _attributes(name, str(uuid.uuid4()), boot_id, values))


def _attributes(name: str, uid: str, boot_id: str, values: Mapping[schema.Attribute, Value | None]) -> Attributes:
    attributes: Attributes = {
        schema.EVENT_NAME.name: name,
        schema.RECORD_UID.name: uid,
        schema.BOOT_ID.name: boot_id,
    }
    attributes.update(said(values))
    return attributes


def said(values: Mapping[schema.Attribute, Value | None]) -> Attributes:
    """Values by their attributes' names, without those that nobody knows."""
    return {attribute.name: value for attribute, value in values.items() if value is not None}


def _task(task: Task) -> Mapping[str, Scalar]:
    return {_PID: task.pid, _COMM: task.comm, _RSS: task.rss, _SCORE_ADJ: task.score_adj}


def _kill_sentence(kill: OomKill) -> str:
    comm = kill.comm if kill.comm is not None else "a process"
    memory = "" if kill.rss is None else f" {_mib(kill.rss)} RSS,"
    context = kill.context
    if kill.scope == "system":
        where = "the machine was out of memory"
    elif context.memcg_path is None:
        where = "its cgroup was at its limit"
    elif context.memcg_limit is None:
        where = f"cgroup {context.memcg_path} at its limit"
    else:
        where = f"cgroup {context.memcg_path} at its {_mib(context.memcg_limit)} limit"
    return f"{comm} (pid {kill.pid}) was OOM-killed:{memory} {where}"


def _mib(size: int) -> str:
    return f"{size / 2**20:.1f} MiB"


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def _size(value: Value) -> int:
    if isinstance(value, str):
        return len(value.encode())
    if isinstance(value, tuple):
        return sum(len(name) + _size(part) for row in value for name, part in row.items())
    return 8
