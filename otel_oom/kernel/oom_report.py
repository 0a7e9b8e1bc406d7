"""One OOM report while it is being read, and what it may say of a kill's circumstances. No I/O.

Rules:
- Lines are recognised by their own form, in any order, so that foreign records between them do no harm.
- What is kept of a report is bounded whatever arrives: a few lines and the five largest tasks.
- What was read before a gap is forgotten: the kill line after it may end another report.
- A report is over when the kernel has said nothing of it for a while, not when it is long: a table of 50,000 tasks
  takes a minute on a serial console.
- Lines with several names in them are cut only when the kill line has come (`account`).
"""

from __future__ import annotations

import heapq
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Literal

from otel_oom.kernel import cgroup_lines, oom_lines
from otel_oom.kernel.kmsg_record import Record, printable

Completeness = Literal["full", "partial", "suppressed"]

_TOP_TASKS: Final = 5
_FRAGMENTS: Final = 16  # a path of 4 KiB comes in 5
_JOINED: Final = 40_000  # characters: two paths of 4 KiB in escapes, and the rest of the line
_SILENT_RECORDS: Final = 5_000
_SILENT_US: Final = 10_000_000


@dataclass(frozen=True, slots=True)
class Task:
    """A row of the task table: rss in bytes; score_adj 0 where the kernel has none (until 2.6.35)."""

    pid: int
    comm: str
    rss: int
    score_adj: int


@dataclass(frozen=True, slots=True)
class Context:
    """What a report says about the circumstances of its kill. Sizes are bytes.

    memcg_limit: None also where the cgroup has no limit of its own (the kernel prints its largest number)
    """

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
    silent: int = 0
    """Records since the last one that was of this report."""
    last_us: int | None = None
    """Time of that one."""
    lost: bool = False
    opener: dict[str, str | None] = field(default_factory=dict)
    trigger_pid: int | None = None
    usage: tuple[int | None, int | None] | None = None
    heads: dict[str, list[str]] = field(default_factory=dict)
    """Lines with a path in them, each with its fragments: the kernel splits a long path off."""
    line: list[str] | None = None
    """The last of these lines, or the opener: fragments continue it."""
    caller: str | None = None
    """Who printed it, where the kernel says so: another thread's or CPU's fragments belong elsewhere."""
    announced: str | None = None
    row: re.Pattern[str] | None = None
    """How a row of its table is read."""
    rows: int = 0
    tasks: list[tuple[int, int, Task]] = field(default_factory=list)
    sizes: dict[str, int | None] = field(default_factory=dict)

    def is_over(self, now_us: int) -> bool:
        """Whether a record comes too late to be part of it, or is of another boot: the kill line never came."""
        self.silent += 1
        last_us = self.opened.monotonic_us if self.last_us is None else self.last_us
        return self.silent > _SILENT_RECORDS or abs(now_us - last_us) > _SILENT_US

    def after_loss(self) -> Report:
        """What is left of it behind a gap: that it was there."""
        last_us = self.opened.monotonic_us if self.last_us is None else self.last_us
        return Report(self.opened, self.page_size, self.silent, last_us, lost=True)

    def read(self, record: Record) -> None:
        """Take what this line, or this piece of one, says."""
        if self._read(record):
            self.silent, self.last_us = 0, record.monotonic_us

    def _read(self, record: Record) -> bool:
        """Whether the line is of this report."""
        text = record.text
        if oom_lines.CPUSET in text and self.opener and text.startswith(f"{self.opener['comm']}{oom_lines.CPUSET}"):
            return True  # before 5.0; a process could be named like any other line
        if head := _head(text, is_fragment=record.is_fragment):
            parts, self.line, self.caller = self.heads.get(head), [text], record.caller
            # Statistics come once for each descendant: the first is meant. A line that cannot be read makes way.
            if parts is None or _READ[head]("".join(parts)) is None:
                self.heads[head] = self.line
            return True
        if record.is_fragment or text.startswith(cgroup_lines.CONTINUATIONS):
            return self._continue(record)
        if self.row is not None and text.startswith("["):
            row = self.row.fullmatch(text)
            return row is not None and self._task(row)
        if line := oom_lines.MEMCG_USAGE.fullmatch(text):
            self.usage = (oom_lines.size(line["usage"]), oom_lines.limit(line["limit"]))
        elif line := oom_lines.CURRENT_TASK.fullmatch(text):
            comm = self.opener.get("comm")
            if comm is None or self.trigger_pid is not None or not line["rest"].startswith(f"{comm} "):
                return False
            self.trigger_pid = int(line["pid"] or line["old_pid"])
        elif line := oom_lines.ANNOUNCE.fullmatch(text):
            self.announced = line["cause"]
        elif line := oom_lines.TABLE_HEADER.fullmatch(text):
            pattern = oom_lines.row_pattern(tuple(line["columns"].split()))
            self.row = pattern if "rss" in pattern.groupindex else None
        else:
            return self._memory(text)
        return True

    def _continue(self, record: Record) -> bool:
        parts = self.line
        if parts is None or record.caller != self.caller:
            return False
        if len(parts) == _FRAGMENTS or sum(map(len, parts)) + len(record.text) > _JOINED:
            return False
        parts.append(record.text)
        if parts[0] == self.opened.text and self.opener and self.opener["order"] is None:
            self.opener = oom_lines.opener("".join(parts)) or self.opener
        return True

    def _task(self, row: re.Match[str]) -> bool:
        rss = oom_lines.size(row["rss"], self.page_size)
        if rss is None:
            return False
        self.rows += 1
        if len(self.tasks) == _TOP_TASKS and rss <= self.tasks[0][0]:  # of equals the first stays
            return True
        score_adj = oom_lines.size(row["oom_score_adj"], 1) if "oom_score_adj" in row.re.groupindex else None
        task = Task(pid=int(row["pid"]), comm=printable(row["name"]), rss=rss, score_adj=score_adj or 0)
        keep = heapq.heappush if len(self.tasks) < _TOP_TASKS else heapq.heapreplace
        keep(self.tasks, (rss, -self.rows, task))  # Task is never compared
        return True

    def _memory(self, text: str) -> bool:
        if line := oom_lines.SWAP.fullmatch(text):
            self.sizes[f"swap_{line['which'].lower()}"] = oom_lines.size(line["kb"])
        elif line := oom_lines.RAM_PAGES.fullmatch(text):
            self.sizes["memory_total"] = oom_lines.size(line["pages"], self.page_size)
        elif line := oom_lines.FREE_PAGES.match(text):
            self.sizes["memory_free"] = oom_lines.size(line["pages"], self.page_size)
        else:
            return False
        return True

    def summary(self, comm: str | None) -> cgroup_lines.Summary | None:
        """The `oom-kill:` line, joined; a fragment of somebody else's at its end is left out again."""
        parts = self.heads.get(cgroup_lines.SUMMARY, [])
        memcg = self.stats()
        for end in range(len(parts), 0, -1):
            if found := cgroup_lines.summary("".join(parts[:end]), comm=comm, oom_memcg=memcg):
                return found
        return cgroup_lines.summary_without_end("".join(parts), comm=comm)

    def task_in(self) -> tuple[str, str] | None:
        """(task_memcg, oom_memcg) as kernels before 5.0 say them."""
        return cgroup_lines.task_in("".join(self.heads.get(cgroup_lines.TASK_IN, [])), oom_memcg=self.stats())

    def stats(self) -> str | None:
        """The path of the cgroup whose limit it was, as its statistics say it."""
        return cgroup_lines.stats("".join(self.heads.get(cgroup_lines.STATS, [])))

    @property
    def is_memcg(self) -> bool:
        """Whether only a memcg's report holds what was read."""
        if self.usage is not None or cgroup_lines.TASK_IN in self.heads:
            return True
        summary = self.summary(None)
        return summary is not None and summary.oom_memcg is not None


_READ: Final[dict[str, Callable[[str], object]]] = {
    cgroup_lines.SUMMARY: cgroup_lines.summary,
    cgroup_lines.TASK_IN: cgroup_lines.task_in,
    cgroup_lines.STATS: cgroup_lines.stats,
}


_SUMMARY_BEGINS: Final = "oom-kill:"
_BEGINNINGS: Final = (_SUMMARY_BEGINS, *cgroup_lines.HEADS)


def _head(text: str, *, is_fragment: bool) -> str | None:
    """Which line with paths this begins."""
    if not text.startswith(_BEGINNINGS):
        return None
    if is_fragment:  # 3.5 to 4.8 mark the first piece of a line too; newer ones begin a piece with a path or a comma
        return next((head for head in (cgroup_lines.TASK_IN, cgroup_lines.STATS) if text.startswith(head)), None)
    if (
        len(text) < len(cgroup_lines.SUMMARY)
        and text.startswith(_SUMMARY_BEGINS)
        and cgroup_lines.SUMMARY.startswith(text)
    ):
        return cgroup_lines.SUMMARY
    return next((head for head in cgroup_lines.HEADS if text.startswith(head)), None)
