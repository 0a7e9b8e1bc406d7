"""The metrics: name, kind, unit, meaning, and attributes with all their values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, get_args

from otel_oom.schema.attributes import SCOPE
from otel_oom.schema.events import SCOPES


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric. unit: UCUM; attributes: names, each with all its values (empty: see brief)."""

    name: str
    kind: Literal["counter", "updowncounter", "gauge"]
    unit: str
    brief: str
    attributes: tuple[tuple[str, tuple[str, ...]], ...] = ()

    @property
    def prometheus_name(self) -> str:
        """The name in Prometheus: with the unit, unless that is in braces, and for a counter with `_total`."""
        unit = "_seconds" if self.unit == "s" else ""
        return self.name.replace(".", "_") + unit + ("_total" if self.kind == "counter" else "")


SIGNAL: Final = "otel_oom.signal"
OUTCOME: Final = "otel_oom.outcome"
REASON: Final = "otel_oom.reason"

# The values of these attributes as types: mypy finds a misspelt one, whose counter would stay 0.
Signal = Literal["logs", "metrics"]
RecordOutcome = Literal["read", "lost", "malformed", "refused"]
ExportOutcome = Literal["ok", "retry", "rejected"]
DropReason = Literal["overflow", "rejected", "damaged"]

KILLS: Final = Metric(
    "oom.kills",
    "counter",
    "{kill}",
    "Kill lines seen, in the kernel log or in its trace. Alert on this metric.",
    ((SCOPE.name, SCOPES),),
)
KERNEL_KILLS: Final = Metric(
    "oom.kernel.kills", "counter", "{kill}", "The kernel's own count since boot: oom_kill in /proc/vmstat (4.13+)."
)
UNACCOUNTED_KILLS: Final = Metric(
    "oom.unaccounted_kills", "counter", "{kill}", "Kills that the kernel counted and its log did not show (4.13+)."
)
UNCONFIRMED_KILLS: Final = Metric(
    "oom.unconfirmed_kills", "counter", "{kill}", "Kill lines in `oom.kills` that the kernel did not count (4.13+)."
)
RECORDS: Final = Metric(
    "otel_oom.records",
    "counter",
    "{record}",
    "Records of the kernel log. `malformed`: could not be parsed or processed. `refused`: looks like OOM, but"
    " user space wrote it, or chose its text.",
    ((OUTCOME, get_args(RecordOutcome)),),
)
SPOOL_SIZE: Final = Metric("otel_oom.spool.size", "updowncounter", "{event}", "Events not yet delivered.")
SPOOL_DROPPED: Final = Metric(
    "otel_oom.spool.dropped",
    "counter",
    "{event}",
    "Events dropped. `overflow`: the queue was full; `rejected`: the collector rejected them permanently;"
    " `damaged`: a damaged spool could not be read.",
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
    "Heartbeat: 1, or 0 while the kernel log cannot be read. After a failure there is also one"
    " series for each `otel_oom.reason`, as in the log line: 0 while it holds, 1 afterwards.",
    ((REASON, ()),),
)

TRACE_OVERWRITTEN: Final = Metric(
    "otel_oom.trace.overwritten",
    "counter",
    "{event}",
    "Events of the kernel's trace ring that were overwritten before they were read, since the ring was made: the"
    " kernel's own count. Absent where there is no ring.",
)
CLOCK_OFFSET: Final = Metric(
    "otel_oom.clock.offset",
    "gauge",
    "s",
    "This machine's wall clock minus the collector's (HTTP `Date`, so to about 0.5 s). Absent over gRPC.",
)

METRICS: Final = tuple(value for value in tuple(globals().values()) if isinstance(value, Metric))
