"""The attributes of log records: name, type, unit, meaning, and the events that carry them.

Their order is that of importance: a limit on their number drops them from the end (`otlp.attribute_limits`). Those of
`cgroup_attributes` are the last ones.
"""

from __future__ import annotations

from typing import Final

from otel_oom.schema.attribute import Attribute
from otel_oom.schema.cgroup_attributes import CGROUP_ATTRIBUTES
from otel_oom.schema.events import (
    AGENT_KILLED,
    CLOCK_JUMPED,
    EVENTS,
    NO_VICTIM,
    OOM_KILL,
    RECORDS_LOST,
    UNACCOUNTED,
    UNCONFIRMED,
)
from otel_oom.schema.memory_attributes import MEMORY_ATTRIBUTES

_ALL: Final = tuple(EVENTS)
_WITH_RECORD: Final = (OOM_KILL, NO_VICTIM, AGENT_KILLED)
_OF_VICTIM: Final = (OOM_KILL, AGENT_KILLED)

EVENT_NAME: Final = Attribute(
    "event.name", "string", "Equal to the log record's EventName.", events=_ALL, requirement="required"
)
RECORD_UID: Final = Attribute(
    "log.record.uid",
    "string",
    "Equal in every delivery of this event: count distinct uids.",
    events=_ALL,
    requirement="required",
)
RECORD_ORIGINAL: Final = Attribute(
    "log.record.original",
    "string",
    "The whole record of the kernel log as /dev/kmsg prints it: header, `;`, and the line with its escapes."
    " With `oom.from_trace` the line alone.",
    events=_WITH_RECORD,
    requirement="required",
)
COUNT: Final = Attribute(
    "oom.count",
    "int",
    "How many: kills unaccounted for or unconfirmed, records lost, tries without a victim.",
    events=(NO_VICTIM, UNACCOUNTED, UNCONFIRMED, RECORDS_LOST),
    requirement="required",
)
SCOPE: Final = Attribute(
    "oom.scope", "string", "`system` or `cgroup`: whose memory ran out. Always present.", requirement="required"
)
CONSTRAINT: Final = Attribute(
    "oom.constraint", "string", "`none`, `memcg`, `cpuset`, `memory_policy`, or the kernel's own words."
)
PID: Final = Attribute(
    "process.pid", "int", "The victim, in the initial pid namespace.", events=_OF_VICTIM, requirement="required"
)
TGID: Final = Attribute("oom.victim.tgid", "int", "Its thread group, where the kernel names another thread.")
REAL_USER_ID: Final = Attribute("process.real_user.id", "int", "The victim's user id, in the initial user namespace.")
COMM: Final = Attribute("oom.victim.comm", "string", r"The victim's name: up to 15 bytes that it chose itself.")
TOTAL_VM: Final = Attribute("oom.victim.total_vm", "int", "Address space.", "By")
RSS: Final = Attribute(
    "oom.victim.rss",
    "int",
    "Resident memory: anonymous, file and shared together. It can exceed the cgroup's limit.",
    "By",
    _OF_VICTIM,
)
RSS_ANON: Final = Attribute("oom.victim.rss_anon", "int", "Resident anonymous memory.", "By")
RSS_FILE: Final = Attribute("oom.victim.rss_file", "int", "Resident file pages.", "By")
RSS_SHMEM: Final = Attribute("oom.victim.rss_shmem", "int", "Resident shared memory.", "By")
PGTABLES: Final = Attribute("oom.victim.pgtables", "int", "Page tables.", "By")
SCORE_ADJ: Final = Attribute("oom.victim.score_adj", "int", "Its oom_score_adj, -1000 to 1000.", events=_OF_VICTIM)
VICTIM_CGROUP: Final = Attribute("oom.victim.cgroup", "string", "The victim's cgroup (kernel: task_memcg).")
VICTIM_CGROUP_SOURCE: Final = Attribute(
    "oom.victim.cgroup_source",
    "string",
    "How that is known: `report`: the kernel printed it; `tracefs`: its trace event; `proc`: /proc/PID/cgroup; "
    "`counter`: the kill counters of all cgroups.",
)
MEMCG_PATH: Final = Attribute("oom.memcg.path", "string", "The cgroup whose limit was hit (kernel: oom_memcg).")
MEMCG_USAGE: Final = Attribute("oom.memcg.usage", "int", "Memory charged to that cgroup.", "By")
MEMCG_LIMIT: Final = Attribute("oom.memcg.limit", "int", "Its limit; absent if it has none.", "By")
CONTAINER_ID: Final = Attribute(
    "container.id", "string", "The innermost container in the cgroup's path; absent where the path has its name."
)
CONTAINER_NAME: Final = Attribute("container.name", "string", "The same, where the path has a name: LXC and nspawn.")
CONTAINER_RUNTIME: Final = Attribute(
    "container.runtime.name",
    "string",
    "`docker`, `containerd`, `cri-o`, `podman`, `lxc`, `nomad` or `systemd-nspawn`, if the path says.",
)
POD_UID: Final = Attribute(
    "k8s.pod.uid", "string", "The pod in that path; a static pod's is the 32-digit hash of its manifest."
)
UNIT: Final = Attribute(
    "systemd.unit.name", "string", "The innermost unit in that path; a slice only where no smaller unit is named."
)
TRIGGER_COMM: Final = Attribute("oom.trigger.comm", "string", "Name of the thread whose allocation started the kill.")
TRIGGER_PID: Final = Attribute("oom.trigger.pid", "int", "The pid of that thread.")
TRIGGER_GFP_MASK: Final = Attribute("oom.trigger.gfp_mask", "string", "The allocation's flags.")
TRIGGER_ORDER: Final = Attribute("oom.trigger.order", "int", "It asked for 2^order pages; -1: requested with SysRq-f.")
MEMORY_TOTAL: Final = Attribute("oom.memory.total", "int", "RAM of the machine (system OOM).", "By")
MEMORY_FREE: Final = Attribute("oom.memory.free", "int", "Free RAM (system OOM).", "By")
SWAP_TOTAL: Final = Attribute("oom.swap.total", "int", "Swap of the machine (system OOM).", "By")
SWAP_FREE: Final = Attribute("oom.swap.free", "int", "Free swap (system OOM).", "By")
TOP_TASKS: Final = Attribute("oom.top_tasks", "map[]", "Up to 5 tasks by rss: pid, comm, rss (By), score_adj.")
TOP_TASK_KEYS: Final = ("pid", "comm", "rss", "score_adj")
GROUP_ID: Final = Attribute("oom.group.id", "string", "Ties the victims of one memory.oom.group kill together.")
REPORT: Final = Attribute(
    "oom.report",
    "string",
    "`full`, `partial`, or `suppressed`: the kernel prints ten reports in 5 s.",
    requirement="required",
)
BACKLOG: Final = Attribute("oom.backlog", "bool", "True: older than the agent's start, found in the ring.")
IS_UNCONFIRMED: Final = Attribute(
    "oom.unconfirmed",
    "bool",
    "True: the kernel did not count all kill lines that were read together with this one (4.13+).",
)
IS_FROM_TRACE: Final = Attribute(
    "oom.from_trace",
    "bool",
    "True: the kernel log lost the kill line. Its text and its time come from the kernel's trace event.",
)
EXECUTABLE_NAME: Final = Attribute("process.executable.name", "string", "The victim's program, if /proc still had it.")
EXECUTABLE_PATH: Final = Attribute("process.executable.path", "string", "Path of that program, if /proc still had it.")
PARENT_PID: Final = Attribute("process.parent_pid", "int", "The victim's parent, if /proc still had it.")
CREATION_TIME: Final = Attribute(
    "process.creation.time", "string", "The victim's start (ISO 8601), if /proc still had it."
)
COMMAND_ARGS: Final = Attribute(
    "process.command_args",
    "string[]",
    "Only with `--command-line`: they may hold secrets. The first 4096 bytes.",
    requirement="opt_in",
)
KMSG_SEQUENCE: Final = Attribute(
    "oom.kmsg.sequence",
    "int",
    "Number of the kernel log's record. Absent with `oom.from_trace`.",
    events=_WITH_RECORD,
)
KMSG_TIMESTAMP: Final = Attribute(
    "oom.kmsg.timestamp",
    "double",
    "The kernel log's own clock, since boot. It stops during suspend.",
    "s",
    events=_WITH_RECORD,
    requirement="required",
)
KMSG_SKEW: Final = Attribute(
    "oom.kmsg.skew", "double", "How far that clock is behind the wall clock: the error of a time made from it.", "s"
)
CLOCK_JUMP: Final = Attribute(
    "oom.clock.jump",
    "double",
    "By how much the wall clock moved relative to the kernel's clock between two checks; negative: it was set back.",
    "s",
    (CLOCK_JUMPED,),
    requirement="required",
)
BOOT_ID: Final = Attribute(
    "oom.boot.id", "string", "The boot that it happened in.", events=_ALL, requirement="required"
)

_OWN: Final = tuple(value for value in tuple(globals().values()) if isinstance(value, Attribute))
_MEMORY_AT: Final = _OWN.index(GROUP_ID)
ATTRIBUTES: Final = (*_OWN[:_MEMORY_AT], *MEMORY_ATTRIBUTES, *_OWN[_MEMORY_AT:], *CGROUP_ATTRIBUTES)
