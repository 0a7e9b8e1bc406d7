"""Which lines of a report say something about its kill: found in few passes over the report's bytes. No I/O.

Rules:
- A superset of what `report` reads: a line too many costs microseconds, one too few a fact.
- The rows of a task table are passed on as one: `table` knows which of them matter.
"""

from __future__ import annotations

import re
from typing import Final

from otel_oom.parse.table import Row, pattern, start

# Each begins with the rarest letters of what it looks for: `re` searches only literals fast. What must stand before is
# looked at then.
_MARKS: Final = (
    re.compile(rb":(?:(?<=CPU:|Pid:) |(?<=memory:) usage |(?<=ctive_anon:)|(?<=free:))"),
    re.compile(rb"cgroup stats for "),
    re.compile(rb"Task in "),
    re.compile(rb"wap (?<= swap )"),
    re.compile(rb"RAM(?:(?<= pages RAM)|(?<= pages of RAM))"),
    re.compile(rb"killed as (?<= killed as )"),
    re.compile(rb"ill(?:able proc|ing the task)"),
    re.compile(rb",(?:cpuset=|global_oom|oom_memcg=|task)"),
)
_MARKS_OF_OTHERS: Final = (*_MARKS, re.compile(rb",c[,;]"), re.compile(rb",\+"), re.compile(rb"MESSAGE"))
"""Fragments in a capture of /dev/kmsg; messages in a journal's JSON that are lists of numbers."""

_HEADER: Final = re.compile(rb"pid(?<=[\[ ]pid) *\] +(\w[\w ]* name)\b")


class ReportLines:
    """Finds the lines that matter in pieces of one report.

    is_plain: whether its lines are text, not JSON and no records of /dev/kmsg
    """

    def __init__(self, *, is_plain: bool) -> None:
        self._marks = _MARKS if is_plain else _MARKS_OF_OTHERS
        self._row: re.Pattern[bytes] | None = None

    def lines(self, data: bytes, begin: int, end: int) -> list[tuple[int, list[Row]]]:
        """The lines that matter among whole lines of a report, in order: offsets; rows of a table are one line."""
        found = {mark.start() for marks in self._marks for mark in marks.finditer(data, begin, end)}
        tables, table = [], begin
        for header in _HEADER.finditer(data, begin, end):
            tables.append(self._rows(data, table, header.start()))
            found.add(header.start())
            self._row, table = pattern(header[1]), header.end()
        tables.append(self._rows(data, table, end))
        lines: dict[int, list[Row]] = {data.rfind(b"\n", begin, at) + 1 or begin: [] for at in found}
        for rows in filter(None, tables):
            if any(rows[0].start() < at < rows[-1].start() for at in found):  # other lines are among them
                lines.update((start(row), []) for row in rows)
            else:
                lines[start(rows[0])] = rows
        return sorted(lines.items())

    def _rows(self, data: bytes, begin: int, end: int) -> list[Row]:
        return [] if self._row is None else list(self._row.finditer(data, begin, end))
