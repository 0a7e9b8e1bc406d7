"""The one table of figures in README: which figures of the results it shows, at most twelve rows.

A row shows medians. A column that has no subject in a row says nothing there: the program does not do that.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from benchmarks import completeness, delivery, latency, time_truth, watchers
from benchmarks.report import Result, number

COLUMNS: Final = ("otel-oom", "cAdvisor", "node-problem-detector", "SDK pipeline")
MAX_ROWS: Final = 12


@dataclass(frozen=True, slots=True)
class Row:
    """One row. title: with the unit; subjects: column to subject in the results."""

    title: str
    measure: str
    scenario: str
    quantity: str
    subjects: Mapping[str, str]


_WATCHERS: Final = MappingProxyType({
    COLUMNS[0]: completeness.OTEL_OOM, COLUMNS[1]: watchers.CADVISOR, COLUMNS[2]: watchers.NPD
})  # fmt: skip
_OURS_AND_SDK: Final = MappingProxyType({COLUMNS[0]: "otel-oom, HTTP, spool", COLUMNS[3]: "SDK Simple, HTTP"})
_PROCESSES: Final = MappingProxyType({
    COLUMNS[0]: "otel-oom, HTTP, spool", COLUMNS[1]: watchers.CADVISOR, COLUMNS[2]: watchers.NPD,
    COLUMNS[3]: "SDK alone, HTTP",
})  # fmt: skip
_DELIVERIES: Final = MappingProxyType({COLUMNS[0]: delivery.OTEL_OOM, COLUMNS[3]: delivery.STOCK})
_SERIAL, _PARALLEL = completeness.scenario(500, 1), completeness.scenario(500, 8)
_FORGED: Final = f"accepted of {completeness.FORGED_REPORTS}"
_CGROUP: Final = completeness.RIGHT["cgroup"]
_DELAY: Final = latency.QUANTITY

ROWS: Final = (
    Row("500 kills in turn: reported", "completeness", _SERIAL, completeness.REPORTED, _WATCHERS),
    Row("… right cgroup", "completeness", _SERIAL, _CGROUP, _WATCHERS),
    Row(f"{_PARALLEL}: reported", "completeness", _PARALLEL, completeness.REPORTED, _WATCHERS),
    Row("… right cgroup", "completeness", _PARALLEL, _CGROUP, _WATCHERS),
    Row("forged reports believed, of 10", "completeness", completeness.FORGED, _FORGED, _WATCHERS),
    Row("60 s outage: arrived, %", "delivery", delivery.OUTAGE, delivery.ARRIVED, _DELIVERIES),
    Row("20 SIGKILLs: the same, %", "delivery", delivery.SIGKILLS, delivery.ARRIVED, _DELIVERIES),
    Row("time wrong after 30 s standby, s", "time_truth", time_truth.SCENARIO, time_truth.ERROR,
        {COLUMNS[0]: time_truth.OTEL_OOM, COLUMNS[1]: time_truth.READER, COLUMNS[2]: time_truth.READER}),
    Row("kill line to receiver, ms", "latency", "idle", _DELAY, _OURS_AND_SDK),
    Row("resident memory, MiB", "footprint_peers", "idle", "resident memory", _PROCESSES),
    Row("idle, % of a core", "footprint_peers", "idle", "processor time", _PROCESSES),
)  # fmt: skip


def table(found: Mapping[str, Result]) -> Iterator[str]:
    """Markdown. A row whose measure has no results is left out."""
    yield f"| | {' | '.join(COLUMNS)} |"
    yield f"|---|{'--:|' * len(COLUMNS)}"
    for row in ROWS:
        if row.measure in found:
            cells = [_cell(row, found[row.measure], column) for column in COLUMNS]
            yield f"| {row.title} | {' | '.join(cells)} |"


def _cell(row: Row, result: Result, column: str) -> str:
    subject = row.subjects.get(column)
    if subject is None:
        return ""
    return number(result.figure(row.scenario, subject, row.quantity).median)
