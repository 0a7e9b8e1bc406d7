"""The task table of an OOM report, read row by row: the largest tasks, the totals, and the largest groups by name.

No I/O.

Rules:
- Columns are found by the table's header. Rows are read in any order, with other records between them.
- Memory is bounded for every table: five tasks, and at most `_MAX_NAMES` names. When there are more names, the smaller
  half is dropped. A dropped group starts again at zero, so its numbers may be too low: `TaskTotals.ungrouped` says by
  how much at most.
"""

from __future__ import annotations

import heapq
import re
from dataclasses import dataclass
from typing import Final

from otel_oom.kernel import oom_lines
from otel_oom.kernel.text_escapes import printable

TOP_TASKS: Final = 5
TOP_GROUPS: Final = 5
_MAX_NAMES: Final = 512
_UNKILLABLE: Final = "-1000"  # OOM_SCORE_ADJ_MIN


@dataclass(frozen=True, slots=True)
class Task:
    """A row of the task table. rss: bytes; score_adj: 0 if the kernel prints none (until 2.6.35)."""

    pid: int
    comm: str
    rss: int
    score_adj: int


@dataclass(frozen=True, slots=True)
class TaskGroup:
    """All tasks of one name. count: their number; rss: of all of them, bytes. Memory that they share counts again."""

    comm: str
    count: int
    rss: int


@dataclass(frozen=True, slots=True)
class TaskTotals:
    """The task table as a whole. For a memory cgroup it holds the tasks of the cgroup whose limit was hit.

    count: number of tasks (processes)
    rss: resident memory of all of them, bytes. Memory that they share counts again. None: above 2^63 - 1
    groups: the five groups with the largest rss, the largest first; of equal ones that which comes first in the table
    ungrouped: tasks that are counted in no group, because there were too many names: a group's count is too low by at
        most this number. 0: all numbers of groups are exact
    unkillable_rss: resident memory of the tasks that the OOM killer may not choose (oom_score_adj -1000), bytes. A part
        of rss. None: the kernel prints no oom_score_adj (until 2.6.35)
    """

    count: int
    rss: int | None
    groups: tuple[TaskGroup, ...]
    ungrouped: int = 0
    unkillable_rss: int | None = None


class TaskTable:
    """A task table that is being read."""

    __slots__ = ("_count", "_groups", "_largest", "_row", "_rss", "_ungrouped", "_unkillable_rss")

    def __init__(self) -> None:
        self._row: re.Pattern[str] | None = None  # None before the header
        self._count = self._rss = self._ungrouped = 0
        self._unkillable_rss: int | None = None
        self._largest: list[tuple[int, int, Task]] = []  # a heap
        self._groups: dict[str, list[int]] = {}  # by escaped name: number of tasks, and their rss

    def read(self, text: str, page_size: int) -> bool:
        """Take a line that begins with `[`, and return whether it is the table's header or a row of it.

        page_size: bytes
        """
        if self._row is not None:
            row = self._row.fullmatch(text)
            return row is not None and self._add(row, page_size)
        header = oom_lines.TABLE_HEADER.fullmatch(text)
        if header is None:
            return False
        pattern = oom_lines.row_pattern(tuple(header["columns"].split()))
        if "rss" in pattern.groupindex:
            self._row = pattern
            self._unkillable_rss = 0 if "oom_score_adj" in pattern.groupindex else None
        return True

    def top_tasks(self) -> tuple[Task, ...]:
        """Return the largest tasks, the largest first; of equal ones that which comes first in the table."""
        return tuple(task for _, _, task in sorted(self._largest, reverse=True))

    def totals(self) -> TaskTotals | None:
        """Return the table as a whole. None if no row was read."""
        if not self._count:
            return None
        groups = sorted(self._groups.items(), key=_rss_of, reverse=True)[:TOP_GROUPS]
        return TaskTotals(
            count=self._count,
            rss=oom_lines.int64(self._rss),
            groups=tuple(
                TaskGroup(printable(name), count, rss) for name, (count, rss) in groups if rss <= oom_lines.INT64_MAX
            ),
            ungrouped=self._ungrouped,
            unkillable_rss=oom_lines.int64(self._unkillable_rss),
        )

    def _add(self, row: re.Match[str], page_size: int) -> bool:
        name, pages = row.group("name", "rss")
        rss = oom_lines.number(pages, page_size)
        if rss is None or rss < 0 or not oom_lines.is_comm(name):
            return False
        self._count += 1
        self._rss += rss
        if self._unkillable_rss is not None and row["oom_score_adj"] == _UNKILLABLE:
            self._unkillable_rss += rss
        group = self._groups.get(name)
        if group is None:
            self._groups[name] = [1, rss]
            if len(self._groups) > _MAX_NAMES:
                self._drop_smaller_half()
        else:
            group[0] += 1
            group[1] += rss
        if len(self._largest) < TOP_TASKS or rss > self._largest[0][0]:  # of equal tasks the first ones stay
            score_adj = None if self._unkillable_rss is None else oom_lines.number(row["oom_score_adj"])
            task = Task(pid=int(row["pid"]), comm=printable(name), rss=rss, score_adj=score_adj or 0)
            keep = heapq.heappush if len(self._largest) < TOP_TASKS else heapq.heapreplace
            keep(self._largest, (rss, -self._count, task))  # Task is never compared
        return True

    def _drop_smaller_half(self) -> None:
        ranked = sorted(self._groups.items(), key=_rss_of, reverse=True)
        self._ungrouped += sum(count for _, (count, _) in ranked[_MAX_NAMES // 2 :])
        self._groups = dict(ranked[: _MAX_NAMES // 2])


def _rss_of(group: tuple[str, list[int]]) -> int:
    return group[1][1]
