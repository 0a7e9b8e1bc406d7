r"""Usage and statistics of the memory cgroup in an OOM report, read line by line. No I/O.

    memory: usage 20480kB, limit 20480kB, failcnt 1204                                                           (all)
    swap: usage 0kB, limit 9007199254740988kB, failcnt 0                                                          (v2)
    memory+swap: usage 40940kB, limit 9007199254740988kB, failcnt 6                                               (v1)
    kmem: usage 220kB, limit 9007199254740988kB, failcnt 0                                                   (v1, 3.8+)
    Memory cgroup stats for /g: cache:0KB rss:20260KB … unevictable:0KB      (3.8-5.2; for /g, then for each descendant)
    Memory cgroup stats for /g:                                                                                  (5.3+)
    anon 12546048\x0afile 0\x0akernel 36864\x0a…             (5.3-6.4: one record, which texts give as several; v1 too)
    anon 12546048                                                                                  (6.5+, one a record)
    total_rss 12554240                                                      (6.5+ on v1: of the cgroup and those below)

Source: mem_cgroup_print_oom_meminfo() and memory_stat_format() in mm/memcontrol.c, memcg1_stat_format() in
mm/memcontrol-v1.c.

Rules:
- Until 5.2 each line counts one cgroup without those below it, so the lines are added. If one of them has no numbers,
  or cannot be read, there is no sum.
- v1's names without `total_` count the cgroup without those below it: ignored.
- A record is read to its end: a process named `anon 5\x0afile 6` begins other lines.
- Memory is bounded: one number for each name.
"""

from __future__ import annotations

import re
from dataclasses import fields
from typing import Final

from otel_oom.kernel import cgroup_lines, oom_lines
from otel_oom.kernel.memory_usage import MemcgUsage

_COUNTERS: Final = frozenset({"memory:", "swap:", "memory+swap:", "kmem:"})
_COUNTER: Final = re.compile(
    r"(?P<name>memory|swap|memory\+swap|kmem): usage (?P<usage>\d+)kB, limit (?P<limit>\d+)kB, failcnt \d+"
)
_COUNTER_FIELDS: Final = {"swap": "swap", "memory+swap": "memsw", "kmem": "kmem"}
_OLD_NUMBERS: Final = re.compile(r": cache:\d+KB(?: \w+:\d+KB)+")
_RECORD: Final = re.compile(r"[a-z_]+ \d+(?:\\x0a\w+ \d+)*(?:\\x0a\w*)?")  # printk may cut its end
_V1_FIELDS: Final = {
    "rss": "anon",
    "cache": "file",
    "shmem": "shmem",
    "dirty": "file_dirty",
    "writeback": "file_writeback",
    "unevictable": "unevictable",
}
_STATISTICS: Final = {
    **{name: name for name in (field.name for field in fields(MemcgUsage)) if not name.endswith(("_usage", "_limit"))},
    **{f"total_{name}": field for name, field in _V1_FIELDS.items()},
}
"""Fields of `MemcgUsage` by the names of memory.stat."""
STATISTIC_NAMES: Final = tuple(_STATISTICS)
_NEXT_LINE: Final = r"\x0a"
_CUT_BYTES: Final = 980  # LOG_LINE_MAX is 989 to 1024: a record of this length may end in a part of a number


class MemcgStatistics:
    """Usage and statistics of one report.

    has_usage: whether the line `memory: usage` was read; usage, limit: its numbers, bytes
    """

    __slots__ = ("_is_incomplete", "_known", "_sums", "has_usage", "limit", "usage")

    def __init__(self) -> None:
        self.has_usage = False
        self.usage: int | None = None
        self.limit: int | None = None
        self._known: dict[str, int | None] = {}
        self._sums: dict[str, int] = {}  # until 5.2, kB
        self._is_incomplete = False

    def read(self, text: str) -> bool:
        """Take a line, and return whether it is one of these lines. Lines with a path: see `add_cgroup`."""
        first = text.partition(" ")[0]
        if first in _STATISTICS:
            return _RECORD.fullmatch(text) is not None and self._statistics(text)
        if first in _COUNTERS:
            return self._counter(text)
        if first == "Memory" and text.startswith(
            cgroup_lines.STATS
        ):  # a path with the words of a chosen text, see `PathLine.begin`
            return self._add(text)  # the numbers at its end are the kernel's
        return False

    def add_cgroup(self, text: str) -> None:
        """Take a line that begins with `Memory cgroup stats for`, joined from its pieces."""
        if not self._add(text):  # from 5.3 on it has no numbers, and there is nothing to add
            self._is_incomplete = True

    def _add(self, text: str) -> bool:
        at = text.rfind(": cache:")  # a path may hold these words too: the last ones are the kernel's
        if at < 0 or not _OLD_NUMBERS.fullmatch(text, at):
            return False
        numbers = dict(part.split(":") for part in text[at + 2 :].split(" "))
        for name, field in _V1_FIELDS.items():
            if name in numbers:
                kb = oom_lines.number(numbers[name].removesuffix("KB"))
                self._is_incomplete |= kb is None
                self._sums[field] = self._sums.get(field, 0) + (kb or 0)
        return True

    def values(self) -> MemcgUsage:
        """Return what was read."""
        known = dict(self._known)
        if not self._is_incomplete:
            known |= {field: oom_lines.int64(kb * 1024) for field, kb in self._sums.items()}
        return MemcgUsage(**known)

    def _counter(self, text: str) -> bool:
        line = _COUNTER.fullmatch(text)
        if line is None:
            return False
        usage, limit = oom_lines.size(line["usage"]), oom_lines.limit(line["limit"])
        if field := _COUNTER_FIELDS.get(line["name"]):
            self._known[f"{field}_usage"], self._known[f"{field}_limit"] = usage, limit
        else:
            self.has_usage, self.usage, self.limit = True, usage, limit
        return True

    def _statistics(self, text: str) -> bool:
        lines = text.split(_NEXT_LINE)
        if len(text) - (len(_NEXT_LINE) - 1) * (len(lines) - 1) > _CUT_BYTES:
            lines.pop()
        for line in lines:
            name, _, digits = line.partition(" ")
            if (field := _STATISTICS.get(name)) and digits:
                self._known[field] = oom_lines.number(digits)
        return True
