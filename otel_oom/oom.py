"""Records of the kernel log to kills: `Assembler.feed(record, observed_ns)`. No I/O, no clock.

Rules:
- The kill line counts. It is one kill with or without a report around it: the kernel limits the rate of reports,
  never that of kill lines. Everything else in a report is enrichment, and None is what the kernel did not say.
- One exception: `memory.oom.group` prints its first victim twice. Inside one episode a second line with the pid of
  the first line, or of its `oom-kill:` line, is the repeat, whatever its sizes or name.
- A kill is held back until the next line, or `settle()`, shows whether a group line follows it.
- A report belongs to the next kill line of its scope, by order: pids may differ (the leader has exited).
- Memory is bounded whatever arrives: of a report stay a few lines and the five largest tasks.
- The envelope's clock is used for one thing: whether two lines of one log stand close enough to be one event.
"""

from __future__ import annotations

import heapq
import uuid
from dataclasses import dataclass, field, replace
from typing import Final, Literal

from otel_oom import grammar, schema
from otel_oom.kmsg import FACILITY_KERNEL, Record, printable

UID_NAMESPACE: Final = uuid.UUID("52f665a9-96ae-56ec-afec-967961ace6df")
"""Namespace of `log.record.uid`: anyone can compute a kill's uid again from the kernel's log."""

Scope = Literal["system", "cgroup"]
Completeness = Literal["full", "partial", "suppressed"]

_TOP_TASKS: Final = 5
_REPORT_RECORDS: Final = 5_000
_REPORT_US: Final = 10_000_000
_EPISODE_US: Final = 5_000_000
_FRAGMENTS: Final = 16  # a path of 4 KiB comes in 5
_MEMCG_CAUSE: Final = "Memory cgroup out of memory"


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


@dataclass(frozen=True, slots=True)
class OomKill:
    """One process that the kernel's OOM killer ended. Sizes are bytes; None: the kernel did not say.

    record: the kill line; observed_ns: wall clock right after it was read (ns since the Unix epoch)
    uid: id by which a repeat of this event can be dropped
    tgid: the thread group's leader where the kill line names another thread
    group_id: the uid of the first victim where memory.oom.group killed several
    """

    record: Record
    observed_ns: int
    uid: str
    scope: Scope
    pid: int
    comm: str | None
    context: Context
    tgid: int | None = None
    real_user_id: int | None = None
    total_vm: int | None = None
    rss_anon: int | None = None
    rss_file: int | None = None
    rss_shmem: int | None = None
    pgtables: int | None = None
    score_adj: int | None = None
    cgroup: str | None = None
    group_id: str | None = None

    @property
    def rss(self) -> int | None:
        """Resident memory: anonymous, file and shared pages together."""
        parts = [part for part in (self.rss_anon, self.rss_file, self.rss_shmem) if part is not None]
        return sum(parts) if parts else None


@dataclass(frozen=True, slots=True)
class NoVictim:
    """The OOM killer found nothing that it may kill. The kernel says so as often as it tries: hundreds a second."""

    record: Record
    observed_ns: int


Finding = OomKill | NoVictim


def event_uid(event_name: str, boot_id: str, record: Record) -> str:
    """UUIDv5 over event name, boot id, sequence, envelope µs and the record's text, joined by NUL.

    Equal for every reader of one kernel log; two forks of one machine differ in the µs.
    """
    parts = (event_name, boot_id, str(record.sequence), str(record.monotonic_us), record.text)
    return str(uuid.uuid5(UID_NAMESPACE, "\0".join(parts)))


@dataclass(slots=True)
class _Report:
    """A report that is being read: only what a kill may need of it."""

    opened: Record
    page_size: int
    records: int = 0
    lost: bool = False
    opener: dict[str, str] = field(default_factory=dict)
    trigger_pid: int | None = None
    usage: tuple[int, int] | None = None
    heads: dict[str, list[str]] = field(default_factory=dict)
    """Lines with a path in them, each with its fragments: the kernel splits a long path off."""
    announced: str | None = None
    columns: list[str] | None = None
    tasks: list[tuple[int, int, Task]] = field(default_factory=list)
    sizes: dict[str, int] = field(default_factory=dict)

    def read(self, text: str) -> list[str] | None:
        """Take what this line says. Returns the list that fragments of the line are to be added to, if any."""
        for head in grammar.HEADS:
            if text.startswith(head):
                parts = [text]
                self.heads.setdefault(head, parts)  # statistics come once for each descendant: the first is meant
                return parts
        if text.startswith("[") and self.columns:
            self._task(text)
        elif line := grammar.MEMCG_USAGE.fullmatch(text):
            self.usage = (int(line["usage_kb"]) * 1024, int(line["limit_kb"]) * 1024)
        elif line := grammar.CURRENT_TASK.fullmatch(text):
            if self.trigger_pid is None and line["rest"].startswith(self.opener.get("comm", "") + " "):
                self.trigger_pid = int(line["pid"])
        elif line := grammar.ANNOUNCE.fullmatch(text):
            self.announced = line["cause"]
        elif line := grammar.TABLE_HEADER.fullmatch(text):
            self.columns = line["columns"].split()
        else:
            self._memory(text)
        return None

    def _task(self, text: str) -> None:
        row = grammar.row(text, self.columns or [])
        if row is None or "rss" not in row:
            return
        task = Task(
            pid=int(row["pid"]),
            comm=printable(row["name"]),
            rss=int(row["rss"]) * self.page_size,
            score_adj=int(row.get("oom_score_adj", 0)),
        )
        keep = heapq.heappush if len(self.tasks) < _TOP_TASKS else heapq.heappushpop
        keep(self.tasks, (task.rss, -self.records, task))  # of equals the first stays, and Task is never compared

    def _memory(self, text: str) -> None:
        if line := grammar.SWAP.fullmatch(text):
            self.sizes[f"swap_{line['which'].lower()}"] = int(line["kb"]) * 1024
        elif line := grammar.RAM_PAGES.fullmatch(text):
            self.sizes["memory_total"] = int(line["pages"]) * self.page_size
        elif line := grammar.FREE_PAGES.match(text):
            self.sizes["memory_free"] = int(line["pages"]) * self.page_size

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
        return self.usage is not None or grammar.TASK_IN in self.heads


@dataclass(slots=True)
class _Episode:
    """A kill whose group, if it has one, may still be dying."""

    first: OomKill
    pids: frozenset[int]
    is_group: bool = False
    lost: bool = False


class Assembler:
    """The state machine from records to kills.

    boot_id: of the boot that the records belong to (part of each uid); page_size: of that machine, bytes.
    """

    def __init__(self, boot_id: str, page_size: int) -> None:
        self._boot_id = boot_id
        self._page_size = page_size
        self._report: _Report | None = None
        self._episode: _Episode | None = None
        self._held: OomKill | None = None
        self._fragments: list[str] | None = None
        self.kill_lines = 0
        """Kill lines seen, repeats included: what the kernel's own counter counts."""

    @property
    def is_open(self) -> bool:
        """Whether records without an anchor matter now."""
        return self._report is not None or self._fragments is not None

    def feed(self, record: Record, observed_ns: int) -> tuple[Finding, ...]:
        """Take the next record; returns what is now certain. Records that the kernel did not write are passed over."""
        if record.facility != FACILITY_KERNEL:
            return ()
        text = record.text
        if record.is_fragment:
            # A path too long for the line before it. Never the start of a line of its own, whatever it says.
            if self._fragments is not None and len(self._fragments) < _FRAGMENTS:
                self._fragments.append(text)
            return ()
        if killed := grammar.killed(text):
            return self._kill(record, observed_ns, killed)
        if text.startswith(grammar.GROUP) and self._episode is not None and self._near(record):
            self._fragments = None
            return self._group()
        if opener := grammar.OPENER.match(text):
            return self._open(record, opener.groupdict())
        if text.startswith(grammar.NO_KILLABLE):
            released = self.settle()
            self._close()
            return (*released, NoVictim(record, observed_ns))
        if grammar.ALREADY_EXITING.fullmatch(text):
            self._close()
        elif self._report is not None:
            self._continue(self._report, record)
        elif text.startswith(grammar.SUMMARY) or grammar.ANNOUNCE.fullmatch(text):
            # The opener is missing: overrun, or its name was unreadable. What follows still describes a kill.
            self._report = _Report(record, self._page_size)
            self._fragments = self._report.read(text)
        return ()

    def settle(self) -> tuple[OomKill, ...]:
        """Nothing more can be read now: release the kill that was held back for a group line."""
        held, self._held = self._held, None
        return () if held is None else (held,)

    def lost(self) -> None:
        """Records are missing here: an open report stays partial, and a repeat may come without its group line."""
        if self._report is not None:
            self._report.lost = True
        if self._episode is not None:
            self._episode.lost = True
        self._fragments = None

    def _open(self, record: Record, opener: dict[str, str]) -> tuple[OomKill, ...]:
        self._close()
        self._episode = None
        self._report = _Report(record, self._page_size, opener=opener)
        return self.settle()

    def _close(self) -> None:
        self._report = None
        self._fragments = None

    def _continue(self, report: _Report, record: Record) -> None:
        report.records += 1
        if report.records > _REPORT_RECORDS or record.monotonic_us - report.opened.monotonic_us > _REPORT_US:
            self._close()  # its kill line never came
            return
        self._fragments = report.read(record.text) or self._fragments

    def _near(self, record: Record) -> bool:
        first = self._episode.first.record if self._episode else record
        return record.monotonic_us - first.monotonic_us <= _EPISODE_US

    def _group(self) -> tuple[OomKill, ...]:
        episode = self._episode
        if episode is not None:
            episode.is_group = True
            if self._held is not None:  # else the first victim was sent before its group line came, and lacks the id
                self._held = replace(self._held, group_id=self._held.uid)
        return self.settle()

    def _kill(self, record: Record, observed_ns: int, line: grammar.Killed) -> tuple[OomKill, ...]:
        self.kill_lines += 1
        released = self.settle()
        report, announced = self._report, self._report.announced if self._report else None
        self._close()
        scope = _scope(line.cause or announced, report)
        episode = self._episode
        if episode is not None and (episode.first.scope != scope or not self._near(record)):
            episode = None
        if episode is not None and line.pid in episode.pids and (episode.is_group or episode.lost):
            return released
        kill = self._describe(record, observed_ns, line, scope, report)
        if episode is not None and episode.is_group and report is None:
            kill = replace(kill, context=episode.first.context, group_id=episode.first.uid)
            return (*released, kill)
        self._episode = _Episode(kill, frozenset({kill.pid, kill.tgid or kill.pid}))
        self._held = kill
        return released

    def _describe(
        self, record: Record, observed_ns: int, line: grammar.Killed, scope: Scope, report: _Report | None
    ) -> OomKill:
        summary = report.summary(line.comm) if report else None
        if report is not None and _contradicts(report, summary, scope):
            report = summary = None
        pair = report.task_in() if report and summary is None else None
        task_memcg, oom_memcg = (summary.task_memcg, summary.oom_memcg) if summary else pair or (None, None)
        return OomKill(
            record=record,
            observed_ns=observed_ns,
            uid=event_uid(schema.OOM_KILL, self._boot_id, record),
            scope=scope,
            pid=line.pid,
            comm=_name(line.comm),
            context=_context(report, summary, scope, oom_memcg),
            tgid=summary.pid if summary and summary.pid != line.pid else None,
            real_user_id=line.uid if line.uid is not None or summary is None else summary.uid,
            total_vm=line.total_vm,
            rss_anon=line.rss_anon,
            rss_file=line.rss_file,
            rss_shmem=line.rss_shmem,
            pgtables=line.pgtables,
            score_adj=line.score_adj,
            cgroup=_name(task_memcg),
        )


def _name(text: str | None) -> str | None:
    return None if text is None else printable(text)


def _scope(cause: str | None, report: _Report | None) -> Scope:
    """Whose memory ran out. The message says it; before 5.1 the announcement does, or else the report's own lines."""
    if cause is not None:
        return "cgroup" if cause == _MEMCG_CAUSE else "system"
    return "cgroup" if report is not None and report.is_memcg else "system"


def _contradicts(report: _Report, summary: grammar.Summary | None, scope: Scope) -> bool:
    """Whether the report is that of another kill, whose line never came."""
    if scope == "system":
        return report.is_memcg or (summary is not None and summary.oom_memcg is not None)
    return summary is not None and summary.is_global


def _constraint(summary: grammar.Summary | None, scope: Scope) -> str | None:
    # 5.0 to 5.2 print CONSTRAINT_NONE for memcg kills too: the message is right.
    if scope == "cgroup" and (summary is None or summary.constraint == "CONSTRAINT_NONE"):
        return "memcg"
    return None if summary is None else summary.constraint.removeprefix("CONSTRAINT_").lower()


def _context(
    report: _Report | None, summary: grammar.Summary | None, scope: Scope, oom_memcg: str | None
) -> Context:
    constraint = _constraint(summary, scope)
    if report is None or not (report.opener or report.heads):
        return Context("suppressed", constraint)
    usage, limit = report.usage or (None, None)
    has_end = summary is not None or report.announced is not None
    opener = report.opener
    return Context(
        completeness="full" if opener and has_end and not report.lost else "partial",
        constraint=constraint,
        memcg_path=_name(oom_memcg),
        memcg_usage=usage,
        memcg_limit=limit,
        trigger_comm=_name(opener.get("comm")),
        trigger_pid=report.trigger_pid,
        trigger_gfp_mask=opener.get("gfp_mask"),
        trigger_order=int(opener["order"]) if opener else None,
        memory_total=report.sizes.get("memory_total"),
        memory_free=report.sizes.get("memory_free"),
        swap_total=report.sizes.get("swap_total"),
        swap_free=report.sizes.get("swap_free"),
        top_tasks=tuple(task for _, _, task in sorted(report.tasks, reverse=True)),
    )
