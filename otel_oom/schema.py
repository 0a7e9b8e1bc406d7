"""THE table of all telemetry: every event, attribute and metric, with its type, unit and meaning.

The code takes its names from here, `otel-oom schema` prints it, and tests hold README.md, deploy/ and what a real
Collector received against it. No other file spells a telemetry name.

Rules:
- A record's time is the wall clock at the read of the kill line. The kernel log's own time is an attribute beside it
  and never a stamp, a filter or an order: that clock stands still while a machine sleeps.
- Attribute values are absent where the kernel did not say them: absent is not zero.
- Sizes are bytes (`By`). Every record carries `event.name` beside its EventName, which some stores drop.
- No pid, name, cgroup or container on a metric: their number has no bound.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, get_args

# Events: the EventName of a log record.
OOM_KILL: Final = "system_oom_kill"
NO_VICTIM: Final = "system_oom_no_victim"
UNACCOUNTED: Final = "system_oom_unaccounted"
RECORDS_LOST: Final = "kmsg_records_lost"
CLOCK_JUMPED: Final = "wall_clock_jumped"
AGENT_KILLED: Final = "otel_oom_agent_killed"

Scope = Literal["system", "cgroup"]
SCOPES: Final = get_args(Scope)


@dataclass(frozen=True, slots=True)
class Event:
    """A kind of log record. severity: OTLP severity number."""

    name: str
    severity: int
    severity_text: str
    brief: str


EVENTS: Final = {
    event.name: event
    for event in (
        Event(OOM_KILL, 17, "ERROR", "The kernel's OOM killer ended one process."),
        Event(NO_VICTIM, 21, "FATAL", "The OOM killer found nothing that it may kill. At most one a minute."),
        Event(UNACCOUNTED, 13, "WARN", "The kernel counted kills that its log did not show."),
        Event(RECORDS_LOST, 13, "WARN", "The log's ring overran before it was read; kills may be among the lost."),
        Event(
            CLOCK_JUMPED,
            9,
            "INFO",
            "The wall clock left the kernel's by more than a second: the machine slept, or the clock was set.",
        ),
        Event(AGENT_KILLED, 13, "WARN", "The agent itself was a victim: the next one found it in the log."),
    )
}

Kind = Literal["int", "string", "double", "bool", "map[]"]


@dataclass(frozen=True, slots=True, eq=False)  # each is itself, and a key that costs nothing
class Attribute:
    """An attribute of log records. events: where it can occur; unit: UCUM, empty for none."""

    name: str
    kind: Kind
    brief: str
    unit: str = ""
    events: tuple[str, ...] = (OOM_KILL,)


_ALL: Final = tuple(EVENTS)
_WITH_RECORD: Final = (OOM_KILL, NO_VICTIM, AGENT_KILLED)
_OF_VICTIM: Final = (OOM_KILL, AGENT_KILLED)

EVENT_NAME: Final = Attribute("event.name", "string", "Equal to the record's EventName.", events=_ALL)
RECORD_UID: Final = Attribute(
    "log.record.uid", "string", "Equal in every repeat of this event: count distinct uids.", events=_ALL
)
RECORD_ORIGINAL: Final = Attribute(
    "log.record.original", "string", r"The kernel's own line, as /dev/kmsg escapes it.", events=_WITH_RECORD
)
COUNT: Final = Attribute(
    "oom.count",
    "int",
    "How many: kills unaccounted for, records lost, tries without a victim.",
    events=(NO_VICTIM, UNACCOUNTED, RECORDS_LOST),
)
SCOPE: Final = Attribute("oom.scope", "string", "`system` or `cgroup`: whose memory ran out. Always present.")
CONSTRAINT: Final = Attribute(
    "oom.constraint", "string", "`none`, `memcg`, `cpuset`, `memory_policy`, or the kernel's own word in lower case."
)
PID: Final = Attribute("process.pid", "int", "The victim, in the host's pid namespace.", events=_OF_VICTIM)
TGID: Final = Attribute("oom.victim.tgid", "int", "Its thread group, where the kernel names another thread.")
REAL_USER_ID: Final = Attribute("process.real_user.id", "int", "The victim's user id, in the first user namespace.")
COMM: Final = Attribute("oom.victim.comm", "string", r"The victim's name: up to 15 bytes that it chose itself.")
TOTAL_VM: Final = Attribute("oom.victim.total_vm", "int", "Address space.", "By")
RSS: Final = Attribute(
    "oom.victim.rss", "int", "Resident memory: anonymous, file and shared together.", "By", _OF_VICTIM
)
RSS_ANON: Final = Attribute("oom.victim.rss_anon", "int", "Resident anonymous memory.", "By")
RSS_FILE: Final = Attribute("oom.victim.rss_file", "int", "Resident file pages.", "By")
RSS_SHMEM: Final = Attribute("oom.victim.rss_shmem", "int", "Resident shared memory.", "By")
PGTABLES: Final = Attribute("oom.victim.pgtables", "int", "Page tables.", "By")
SCORE_ADJ: Final = Attribute("oom.victim.score_adj", "int", "Its oom_score_adj, -1000 to 1000.", events=_OF_VICTIM)
VICTIM_CGROUP: Final = Attribute("oom.victim.cgroup", "string", "Where the victim lived (kernel: task_memcg).")
MEMCG_PATH: Final = Attribute("oom.memcg.path", "string", "Whose limit was hit (kernel: oom_memcg).")
MEMCG_USAGE: Final = Attribute("oom.memcg.usage", "int", "Memory charged to that cgroup.", "By")
MEMCG_LIMIT: Final = Attribute("oom.memcg.limit", "int", "Its limit; left out where it has none.", "By")
CONTAINER_ID: Final = Attribute(
    "container.id", "string", "The innermost container in the cgroup's path; LXC and nspawn: its name."
)
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
TRIGGER_COMM: Final = Attribute("oom.trigger.comm", "string", "Whose allocation started it.")
TRIGGER_PID: Final = Attribute("oom.trigger.pid", "int", "The thread that asked for memory.")
TRIGGER_GFP_MASK: Final = Attribute("oom.trigger.gfp_mask", "string", "The allocation's flags.")
TRIGGER_ORDER: Final = Attribute("oom.trigger.order", "int", "It asked for 2^order pages; -1: sysrq.")
MEMORY_TOTAL: Final = Attribute("oom.memory.total", "int", "RAM of the machine (system OOM).", "By")
MEMORY_FREE: Final = Attribute("oom.memory.free", "int", "Free RAM (system OOM).", "By")
SWAP_TOTAL: Final = Attribute("oom.swap.total", "int", "Swap of the machine (system OOM).", "By")
SWAP_FREE: Final = Attribute("oom.swap.free", "int", "Free swap (system OOM).", "By")
TOP_TASKS: Final = Attribute("oom.top_tasks", "map[]", "Up to 5 tasks by rss: pid, comm, rss (By), score_adj.")
TOP_TASK_KEYS: Final = ("pid", "comm", "rss", "score_adj")
GROUP_ID: Final = Attribute("oom.group.id", "string", "Ties the victims of one memory.oom.group kill together.")
REPORT: Final = Attribute(
    "oom.report", "string", "`full`, `partial`, or `suppressed`: the kernel prints ten reports in 5 s."
)
BACKLOG: Final = Attribute("oom.backlog", "bool", "True: older than the agent's start, found in the ring.")
EXECUTABLE_NAME: Final = Attribute("process.executable.name", "string", "If /proc still knew the victim.")
EXECUTABLE_PATH: Final = Attribute("process.executable.path", "string", "If /proc still knew the victim.")
PARENT_PID: Final = Attribute("process.parent_pid", "int", "If /proc still knew the victim.")
CREATION_TIME: Final = Attribute("process.creation.time", "string", "ISO 8601; if /proc still knew the victim.")
COMMAND_LINE: Final = Attribute("process.command_line", "string", "Only with `--command-line`: it may hold secrets.")
KMSG_SEQUENCE: Final = Attribute("oom.kmsg.sequence", "int", "Number of the record.", events=_WITH_RECORD)
KMSG_TIMESTAMP: Final = Attribute(
    "oom.kmsg.timestamp",
    "double",
    "The kernel log's own clock, since boot. Not in sleep.",
    "s",
    events=_WITH_RECORD,
)
KMSG_SKEW: Final = Attribute(
    "oom.kmsg.skew", "double", "How far that clock lags: a reader of it would be this wrong.", "s"
)
CLOCK_JUMP: Final = Attribute(
    "oom.clock.jump",
    "double",
    "By how much the wall clock left the kernel's clock between two looks; negative: it was set back.",
    "s",
    (CLOCK_JUMPED,),
)
BOOT_ID: Final = Attribute("oom.boot.id", "string", "The boot that it happened in.", events=_ALL)

ATTRIBUTES: Final = tuple(value for value in tuple(globals().values()) if isinstance(value, Attribute))


# The resource of all telemetry; what OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES say wins.
SERVICE_NAME: Final = "service.name"
SERVICE_VERSION: Final = "service.version"
SERVICE_INSTANCE_ID: Final = "service.instance.id"
HOST_NAME: Final = "host.name"
HOST_ID: Final = "host.id"
OS_TYPE: Final = "os.type"
OS_VERSION: Final = "os.version"
RESOURCE: Final = {
    SERVICE_NAME: "`otel-oom`",
    SERVICE_VERSION: "The agent's version.",
    SERVICE_INSTANCE_ID: (
        "Machine id, host name and `--identity-file` as a UUID; a random part is added for each run without a spool,"
        " and for each fork with `--fork-identity always`."
    ),
    HOST_NAME: "The machine's host name.",
    HOST_ID: "The machine id (/etc/machine-id).",
    OS_TYPE: "`linux`",
    OS_VERSION: "The kernel's release.",
}


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric. unit: UCUM; attributes: each with all its values (empty: see brief)."""

    name: str
    kind: Literal["counter", "updowncounter", "gauge"]
    unit: str
    brief: str
    attributes: tuple[tuple[str, tuple[str, ...]], ...] = ()

    @property
    def prometheus_name(self) -> str:
        """The name that a Prometheus exporter makes of it: with its unit (but for braces), a counter with `_total`."""
        unit = "_seconds" if self.unit == "s" else ""
        return self.name.replace(".", "_") + unit + ("_total" if self.kind == "counter" else "")


SIGNAL: Final = "signal"
OUTCOME: Final = "outcome"
REASON: Final = "reason"

# Values of these attributes as types: a counter of a misspelt one would be dead, and nobody would know.
Signal = Literal["logs", "metrics"]
RecordOutcome = Literal["read", "lost", "malformed", "refused"]
ExportOutcome = Literal["ok", "retry", "rejected"]
DropReason = Literal["overflow", "rejected"]

KILLS: Final = Metric(
    "oom.kills", "counter", "{kill}", "Kill lines seen: the one to alert on.", ((SCOPE.name, SCOPES),)
)
KERNEL_KILLS: Final = Metric(
    "oom.kernel.kills", "counter", "{kill}", "The kernel's own count since boot: oom_kill in /proc/vmstat (4.13+)."
)
UNACCOUNTED_KILLS: Final = Metric(
    "oom.unaccounted_kills", "counter", "{kill}", "Kills that the kernel counted and its log did not show (4.13+)."
)
RECORDS: Final = Metric(
    "otel_oom.records",
    "counter",
    "{record}",
    "Records of the kernel log. `refused`: looks like OOM, but user space wrote it.",
    ((OUTCOME, get_args(RecordOutcome)),),
)
SPOOL_EVENTS: Final = Metric("otel_oom.spool.events", "updowncounter", "{event}", "Events not yet delivered.")
SPOOL_DROPPED: Final = Metric(
    "otel_oom.spool.dropped",
    "counter",
    "{event}",
    "Events given up. `overflow`: the queue was full; `rejected`: the collector refused them for good.",
    ((REASON, get_args(DropReason)),),
)
SPOOL_DURABLE: Final = Metric(
    "otel_oom.spool.durable",
    "gauge",
    "",
    "1, or 0 while the disk fails or hangs: events and totals are then in memory alone. Absent with `--spool none`.",
)
EXPORTS: Final = Metric(
    "otel_oom.exports",
    "counter",
    "{request}",
    "Requests to the collector.",
    ((SIGNAL, get_args(Signal)), (OUTCOME, get_args(ExportOutcome))),
)
UP: Final = Metric(
    "otel_oom.up",
    "gauge",
    "",
    "Heartbeat: 1, or 0 while the kernel log cannot be read. A second series names the `reason`; it ends at 1.",
    ((REASON, ()),),
)

CLOCK_OFFSET: Final = Metric(
    "otel_oom.clock.offset",
    "gauge",
    "s",
    "This machine's wall clock minus the collector's (HTTP `Date`, so to about 0.5 s). Absent over gRPC.",
)

METRICS: Final = tuple(value for value in tuple(globals().values()) if isinstance(value, Metric))
