"""One OOM report while it is being read, and what is known of a kill's circumstances in the end. No I/O.

Rules:
- Lines are recognised by their own form, in any order, so that foreign records between them do no harm.
- What is kept of a report is bounded whatever arrives: a few lines and the five largest tasks.
- What was read before a gap is forgotten: the kill line after it may end another report.
- A report is understood only when its kill line has come: that line holds the victim's name alone, which decides
  how the lines with several names in them are cut.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from typing import Final, Literal

from otel_oom import grammar
from otel_oom.kmsg import Record, printable
from otel_oom.schema import Scope

Completeness = Literal["full", "partial", "suppressed"]

_TOP_TASKS: Final = 5
_FRAGMENTS: Final = 16  # a path of 4 KiB comes in 5
_RECORDS: Final = 5_000
_DURATION_US: Final = 10_000_000


@dataclass(frozen=True, slots=True)
class Task:
    """A row of the task table: rss in bytes."""

    pid: int
    comm: str
    rss: int
    score_adj: int


@dataclass(frozen=True, slots=True)
class Context:
    """What a report says about the circumstances of its kill. Sizes are bytes."""

    completeness: Completeness
    constraint: str | None = None
    memcg_path: str | None = None
    memcg_usage: int | None = None
    memcg_limit: int | None = None
    trigger_comm: str | None = None
    trigger_pid: int | None = None
    trigger_gfp_mask: str | None = None
    trigger_order: int | None = None
    memory_total: int | None = None
    memory_free: int | None = None
    swap_total: int | None = None
    swap_free: int | None = None
    top_tasks: tuple[Task, ...] = ()


@dataclass(slots=True)
class Report:
    """A report that is being read: only what a kill may need of it."""

    opened: Record
    page_size: int
    records: int = 0
    lost: bool = False
    opener: dict[str, str] = field(default_factory=dict)
    trigger_pid: int | None = None
    usage: tuple[int | None, int | None] | None = None
    heads: dict[str, list[str]] = field(default_factory=dict)
    """Lines with a path in them, each with its fragments: the kernel splits a long path off."""
    line: list[str] | None = None
    """The last of these lines: fragments continue it."""
    caller: str | None = None
    """Who printed it, where the kernel says so: another thread's or CPU's fragments belong elsewhere."""
    announced: str | None = None
    columns: list[str] | None = None
    tasks: list[tuple[int, int, Task]] = field(default_factory=list)
    sizes: dict[str, int | None] = field(default_factory=dict)

    def is_over(self, record: Record) -> bool:
        """Whether a record comes too late to be part of it, or is of another boot: the kill line never came."""
        self.records += 1
        return self.records > _RECORDS or abs(record.monotonic_us - self.opened.monotonic_us) > _DURATION_US

    def read(self, record: Record) -> None:
        """Take what this line, or this piece of one, says."""
        text = record.text
        if record.is_fragment:
            if self.line is not None and len(self.line) < _FRAGMENTS and record.caller == self.caller:
                self.line.append(text)
            return
        for head in grammar.HEADS:
            if text.startswith(head):
                self.line, self.caller = [text], record.caller
                self.heads.setdefault(head, self.line)  # statistics come once for each descendant: the first is meant
                return
        if text.startswith("[") and self.columns:
            self._task(text)
        elif line := grammar.MEMCG_USAGE.fullmatch(text):
            self.usage = (grammar.size(line["usage"]), grammar.size(line["limit"]))
        elif line := grammar.CURRENT_TASK.fullmatch(text):
            if self.opener and self.trigger_pid is None and line["rest"].startswith(self.opener["comm"] + " "):
                self.trigger_pid = int(line["pid"])
        elif line := grammar.ANNOUNCE.fullmatch(text):
            self.announced = line["cause"]
        elif line := grammar.TABLE_HEADER.fullmatch(text):
            self.columns = line["columns"].split()
        else:
            self._memory(text)

    def _task(self, text: str) -> None:
        row = grammar.row(text, self.columns or [])
        rss = grammar.size(row.get("rss"), self.page_size) if row else None
        if row is None or rss is None:
            return
        score_adj = grammar.size(row.get("oom_score_adj"), 1) or 0
        task = Task(pid=int(row["pid"]), comm=printable(row["name"]), rss=rss, score_adj=score_adj)
        keep = heapq.heappush if len(self.tasks) < _TOP_TASKS else heapq.heappushpop
        keep(self.tasks, (task.rss, -self.records, task))  # of equals the first stays, and Task is never compared

    def _memory(self, text: str) -> None:
        if line := grammar.SWAP.fullmatch(text):
            self.sizes[f"swap_{line['which'].lower()}"] = grammar.size(line["kb"])
        elif line := grammar.RAM_PAGES.fullmatch(text):
            self.sizes["memory_total"] = grammar.size(line["pages"], self.page_size)
        elif line := grammar.FREE_PAGES.match(text):
            self.sizes["memory_free"] = grammar.size(line["pages"], self.page_size)

    def summary(self, comm: str | None) -> grammar.Summary | None:
        """The `oom-kill:` line, joined; a fragment of somebody else's at its end is left out again."""
        parts = self.heads.get(grammar.SUMMARY, [])
        stats = grammar.MEMCG_STATS.fullmatch("".join(self.heads.get(grammar.STATS, [])))
        for end in range(len(parts), 0, -1):
            if found := grammar.summary("".join(parts[:end]), comm=comm, oom_memcg=stats and stats["path"]):
                return found
        return None

    def task_in(self) -> tuple[str, str] | None:
        """(task_memcg, oom_memcg) as kernels before 5.0 say them."""
        return grammar.task_in("".join(self.heads.get(grammar.TASK_IN, [])))

    @property
    def is_memcg(self) -> bool:
        """Whether only a memcg's report holds what was read."""
        if self.usage is not None or grammar.TASK_IN in self.heads:
            return True
        summary = self.summary(None)
        return summary is not None and summary.oom_memcg is not None


@dataclass(frozen=True, slots=True)
class Account:
    """What a kill line and its report say together.

    cgroup: where the victim lived; selected_pid, selected_uid: of the process that the `oom-kill:` line names
    """

    scope: Scope
    context: Context
    cgroup: str | None = None
    selected_pid: int | None = None
    selected_uid: int | None = None


def understand(line: grammar.Killed, report: Report | None, otherwise: Scope = "system") -> Account:
    """Read a report in the light of its kill line. A report of another scope is another kill's: it is left out.

    otherwise: the scope of a line that does not say it and has no report.
    """
    scope = _scope(line, report, otherwise)
    summary = report.summary(line.comm) if report else None
    if report is not None and _contradicts(report, summary, scope):
        report = summary = None
    constraint = _constraint(summary, scope)
    if report is None or not (report.opener or report.heads or report.lost):
        return Account(scope, Context("suppressed", constraint))
    if summary is not None:
        cgroup, memcg_path = summary.task_memcg, summary.oom_memcg
    else:
        cgroup, memcg_path = report.task_in() or (None, None)
    opener = report.opener
    is_whole = opener and (summary is not None or report.announced is not None)
    usage, limit = report.usage or (None, None)
    sizes = report.sizes if scope == "system" else {}  # in a memcg's report they are a foreign show_mem's
    context = Context(
        completeness="full" if is_whole else "partial",
        constraint=constraint,
        memcg_path=name(memcg_path),
        memcg_usage=usage,
        memcg_limit=limit,
        trigger_comm=name(opener.get("comm")),
        trigger_pid=report.trigger_pid,
        trigger_gfp_mask=opener.get("gfp_mask"),
        trigger_order=int(opener["order"]) if opener else None,
        memory_total=sizes.get("memory_total"),
        memory_free=sizes.get("memory_free"),
        swap_total=sizes.get("swap_total"),
        swap_free=sizes.get("swap_free"),
        top_tasks=tuple(task for _, _, task in sorted(report.tasks, reverse=True)),
    )
    selected = (None, None) if summary is None else (summary.pid, summary.uid)
    return Account(scope, context, name(cgroup), *selected)


def name(text: str | None) -> str | None:
    """A name as telemetry shows it, or None where there is none."""
    return None if text is None else printable(text)


def _scope(line: grammar.Killed, report: Report | None, otherwise: Scope) -> Scope:
    """Whose memory ran out. The line says it; before 5.1 the announcement does, or else the report's own lines."""
    cause = line.cause or (report.announced if report else None)
    if cause is not None:
        return "cgroup" if cause == grammar.MEMCG_CAUSE else "system"
    return "cgroup" if report is not None and report.is_memcg else otherwise


def _contradicts(report: Report, summary: grammar.Summary | None, scope: Scope) -> bool:
    if scope == "system":
        return report.is_memcg
    return (summary is not None and summary.is_global) or bool(report.sizes and not report.is_memcg)


def _constraint(summary: grammar.Summary | None, scope: Scope) -> str | None:
    # 5.0 to 5.2 print CONSTRAINT_NONE for memcg kills too: the message is right.
    if scope == "cgroup" and (summary is None or summary.constraint == "CONSTRAINT_NONE"):
        return "memcg"
    return None if summary is None else summary.constraint.removeprefix("CONSTRAINT_").lower()
