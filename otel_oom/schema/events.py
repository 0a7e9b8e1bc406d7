"""The events: each EventName of a log record, with its severity and meaning."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, get_args

# Events: the EventName of a log record.
OOM_KILL: Final = "system_oom_kill"
NO_VICTIM: Final = "system_oom_no_victim"
UNACCOUNTED: Final = "system_oom_unaccounted"
UNCONFIRMED: Final = "system_oom_unconfirmed"
RECORDS_LOST: Final = "kmsg_records_lost"
CLOCK_JUMPED: Final = "wall_clock_jumped"
AGENT_KILLED: Final = "otel_oom_agent_killed"

Scope = Literal["system", "cgroup"]
SCOPES: Final = get_args(Scope)


@dataclass(frozen=True, slots=True)
class EventKind:
    """A kind of log record. severity: OTLP severity number."""

    name: str
    severity: int
    severity_text: str
    brief: str


EVENTS: Final = {
    event.name: event
    for event in (
        EventKind(OOM_KILL, 17, "ERROR", "The kernel's OOM killer ended one process."),
        EventKind(NO_VICTIM, 21, "FATAL", "The OOM killer found no process that it may kill. At most one a minute."),
        EventKind(UNACCOUNTED, 13, "WARN", "The kernel counted kills that its log did not show."),
        EventKind(UNCONFIRMED, 13, "WARN", "The kernel's log showed kills that the kernel did not count."),
        EventKind(
            RECORDS_LOST,
            13,
            "WARN",
            "Kernel log records were overwritten before the read; some may be kills.",
        ),
        EventKind(
            CLOCK_JUMPED,
            9,
            "INFO",
            "The wall clock moved by more than 1 s relative to the kernel's clock: by a suspend, or the clock was set.",
        ),
        EventKind(AGENT_KILLED, 13, "WARN", "The agent itself was killed: its next start found the kill in the log."),
    )
}
