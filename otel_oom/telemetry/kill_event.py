"""The `system_oom_kill` event: a kill to the attributes and the body of one log record. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from otel_oom import schema
from otel_oom.kernel.oom_kill import OomKill
from otel_oom.kernel.task_table import Task
from otel_oom.telemetry import container_from_cgroup
from otel_oom.telemetry.container_from_cgroup import Owner
from otel_oom.telemetry.event import Event, Scalar, Value, event_attributes
from otel_oom.telemetry.event_bodies import kill_body
from otel_oom.telemetry.memory_attributes import memory_attributes

_PID, _COMM, _RSS, _SCORE_ADJ = schema.TOP_TASK_KEYS


@dataclass(frozen=True, slots=True)
class LiveFacts:
    """Facts about a kill that only the running system has, and the kernel log does not.

    skew_s: how far the kernel log's clock is behind the wall clock, seconds; None: unknown
    is_backlog: the kill is older than the agent's start
    is_unconfirmed: of the kill lines that were read together, the kernel did not count all
    is_from_trace: the kernel log lost the kill line, and its text comes from the kernel's trace
    process: facts from /proc about the victim, by attribute name
    memory: state of its cgroup and of the machine after the kill, by attribute name
    cgroup: path of the victim's cgroup, printable; cgroup_source: `tracefs`, `proc` or `counter`
    cgroup_tail: `UNKNOWN_PARENTS` and its last names, where the path is not known
    """

    skew_s: float | None = None
    is_backlog: bool = False
    is_unconfirmed: bool = False
    is_from_trace: bool = False
    process: Mapping[str, Value] | None = None
    memory: Mapping[str, Value] | None = None
    cgroup: str | None = None
    cgroup_source: str | None = None
    cgroup_tail: str | None = None


def kill_event(kill: OomKill, live: LiveFacts) -> Event:
    """Return the `system_oom_kill` event of one kill."""
    owner = victim_owner(kill, live)
    attributes = event_attributes(schema.OOM_KILL, kill.uid, kill.boot_id, kill_attributes(kill, live, owner))
    attributes.update(live.process or {})
    attributes.update(live.memory or {})
    body = kill_body(kill, owner, kill.cgroup or live.cgroup)
    return Event(schema.OOM_KILL, kill.observed_ns, body, attributes)


def victim_owner(kill: OomKill, live: LiveFacts) -> Owner:
    """Return the owner of the victim's cgroup."""
    # The cgroup whose limit was hit is the victim's or one above it. So its owner is the victim's owner as well.
    return container_from_cgroup.owner(kill.cgroup or live.cgroup or kill.context.memcg_path or live.cgroup_tail or "")


def kill_attributes(kill: OomKill, live: LiveFacts, owner: Owner) -> dict[schema.Attribute, Value | None]:
    """Return the event's values. None: unknown. owner: see `victim_owner`."""
    context = kill.context
    cgroup = kill.cgroup or live.cgroup
    return {
        schema.SCOPE: kill.scope,
        schema.CONSTRAINT: context.constraint,
        schema.PID: kill.pid,
        schema.TGID: kill.tgid,
        schema.REAL_USER_ID: kill.real_user_id,
        schema.COMM: kill.comm,
        schema.TOTAL_VM: kill.line.total_vm,
        schema.RSS: kill.rss,
        schema.RSS_ANON: kill.line.rss_anon,
        schema.RSS_FILE: kill.line.rss_file,
        schema.RSS_SHMEM: kill.line.rss_shmem,
        schema.PGTABLES: kill.line.pgtables,
        schema.SCORE_ADJ: kill.line.score_adj,
        schema.VICTIM_CGROUP: cgroup,
        schema.VICTIM_CGROUP_SOURCE: "report" if kill.cgroup else live.cgroup_source,
        schema.MEMCG_PATH: context.memcg_path,
        schema.MEMCG_USAGE: context.memcg_usage,
        schema.MEMCG_LIMIT: context.memcg_limit,
        schema.CONTAINER_ID: owner.container_id,
        schema.CONTAINER_NAME: owner.container_name,
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
        **memory_attributes(kill),
        schema.GROUP_ID: kill.group_id,
        schema.REPORT: context.completeness,
        schema.BACKLOG: live.is_backlog or None,
        schema.IS_UNCONFIRMED: live.is_unconfirmed or None,
        schema.IS_FROM_TRACE: live.is_from_trace or None,
        schema.KMSG_SEQUENCE: kill.record.sequence if kill.record.has_sequence else None,
        schema.KMSG_TIMESTAMP: kill.record.monotonic_us / 1e6,
        schema.KMSG_SKEW: live.skew_s,
        schema.RECORD_ORIGINAL: kill.record.original,
    }


def _task(task: Task) -> Mapping[str, Scalar]:
    return {_PID: task.pid, _COMM: task.comm, _RSS: task.rss, _SCORE_ADJ: task.score_adj}
