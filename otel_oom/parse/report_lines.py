"""Which lines of a report say something about its kill: found in one pass over the report's bytes. No I/O.

Rules:
- A superset of what `report` reads: a line too many costs microseconds, one too few a fact.
- Of a task table only the five largest rows matter: only these are passed on, the first of equals first; and the last
  row, which shows how far the report came.
"""

from __future__ import annotations

import functools
import heapq
import re
from collections.abc import Iterable
from typing import Final

_MARKS: Final = (
    b"emory: usage ", b"emory cgroup stats for ", b"Task in ", b"CPU: ", b"Pid: ", b"ctive_anon:", b" swap ",
    b"free:", b" pages RAM", b" pages of RAM", b"is already exiting", b"no killable",
    b",cpuset=", b",global_oom", b",oom_memcg=", b",task", b" killed as ",
)  # fmt: skip
_MARKS_OF_OTHERS: Final = (*_MARKS, b",c,", b",c;", b",+", b"MESSAGE")
"""Fragments in a capture of /dev/kmsg; messages in a journal's JSON that are lists of numbers."""

_COLUMN: Final = b"pid"
_HEADER: Final = re.compile(rb"\[ *pid *\] +([\w ]+ name)\b")
_ROW: Final = re.compile(rb"\[ *\d{1,10}\] +-?\d")
_TOP_TASKS: Final = 5
_DIGITS: Final = b"0123456789 "


class ReportLines:
    """Finds the lines that matter in pieces of one report.

    is_plain: whether its lines are text, not JSON and no records of /dev/kmsg
    """

    def __init__(self, *, is_plain: bool) -> None:
        self._marks = _MARKS if is_plain else _MARKS_OF_OTHERS
        self._row: re.Pattern[bytes] | None = None
        self._has_table = False
        self.rows: dict[int, int] = {}
        """Where in the last piece the lines of rows start, and where in them the row does. The last row is not among
        them: its time is needed."""

    def starts(self, data: bytes, begin: int, end: int) -> list[int]:
        """Offsets of the lines that matter among whole lines of a report, in order."""
        self.rows.clear()
        starts = set()
        for mark in self._marks:
            at = data.find(mark, begin, end)
            while at >= 0:
                starts.add(data.rfind(b"\n", begin, at) + 1 or begin)
                at = data.find(b"\n", at, end)
                at = at if at < 0 else data.find(mark, at, end)
        rows = begin
        at = data.find(_COLUMN, begin, end)
        while at >= 0:
            start = data.rfind(b"\n", begin, at) + 1 or begin
            after = data.find(b"\n", at, end)
            after = end if after < 0 else after
            if header := _HEADER.search(data, start, after):
                starts.update(self._rows(data, rows, start))
                starts.add(start)
                self._row, self._has_table, rows = _row(tuple(header[1].split())), True, after
            at = data.find(_COLUMN, after, end)
        starts.update(self._rows(data, rows, end))
        return sorted(starts)

    def _rows(self, data: bytes, begin: int, end: int) -> Iterable[int]:
        """Offsets of the lines with the largest rows of a table, or with all where its columns are not known."""
        if not self._has_table:
            return []
        last: list[int] = []
        if self._row is None:
            found = [(0, row.start()) for row in _ROW.finditer(data, begin, end)]
        else:
            # By their prefix: rows of user space, or of no known form, must not take the place of the kernel's.
            of_origin: dict[bytes, list[tuple[int, int]]] = {}
            for row in self._row.finditer(data, begin, end):
                prefix = data[data.rfind(b"\n", 0, row.start()) + 1 : row.start()]
                origin = prefix.partition(b"[")[0] + prefix.translate(None, _DIGITS)
                of_origin.setdefault(origin, []).append((-int(row[1]), row.start()))
            found = [one for rows in of_origin.values() for one in heapq.nsmallest(_TOP_TASKS, rows)]
            last = [rows[-1][1] for rows in of_origin.values()]
        starts = {data.rfind(b"\n", 0, at) + 1: at for _, at in found}
        self.rows.update(starts)
        for at in last:
            start = data.rfind(b"\n", 0, at) + 1
            starts[start] = at
            self.rows.pop(start, None)
        return starts


@functools.lru_cache(maxsize=16)
def _row(columns: tuple[bytes, ...]) -> re.Pattern[bytes] | None:
    """A row under these columns (the pid stands before them, the name is the last), with its rss as group 1."""
    if columns.count(b"rss") != 1 or columns[-1] != b"name":
        return None
    before = columns.index(b"rss")
    after = len(columns) - before - 2
    return re.compile(rb"\[ *\d{1,10}\](?: +-?\d{1,20}){%d} +(\d{1,19})(?: +-?\d{1,20}){%d} [^\n]*" % (before, after))
