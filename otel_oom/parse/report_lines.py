"""Which lines of a report say something about its kill: found in few passes over the report's bytes. No I/O.

Rules:
- A superset of what `report` reads: a line too many costs microseconds, one too few a fact.
- The rows of a task table are passed on as one: `table` knows which of them matter.
- Most reports come as the kernel printed them: the same clock in the same second before each line, nothing else between
  them. There a line is known by what stands behind its clock, and one pass finds all (`alike`).
"""

from __future__ import annotations

import re
from typing import Final, TypeAlias

from otel_oom.kernel import oom_lines
from otel_oom.parse import structured_lines
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

# A line behind its clock. First: how no line that matters goes on, which most others do. `whole`: nothing of it is
# missing, whatever comes after it. Neither: it may matter.
_ALIKE: Final = re.compile(
    rb"\](?!  ?(?:[^CPmMTFafAOK,\[\d#\s]|a[^c]|f[^r]|C[^P]|\[ *\d))"
    rb"(?: (?P<whole>CPU: \d+ (?:UID: \d+ )?PID: \d+ Comm: [ -~]+"
    rb"|memory: usage \d+kB, limit \d+kB, failcnt \d+"
    rb"|Memory cgroup stats for /[ -~]*:"
    rb"|(?:Free|Total) swap  ?= \d+kB"
    rb"|\d+ pages RAM"
    rb"|\[ *pid *\] +(?P<columns>\w[\w ]* name))\n"
    rb"|[ \t]*(?:CPU: |Pid: |memory: |Memory cgroup |Task in |,|[Aa]ctive_anon:|free:|Free swap|Total swap|\d+ pages"
    rb"|Out of memory|Kernel panic|\[ *pid|#[01]))"
)
_MOST_BYTES: Final = 64 << 10
_SILENCE: Final = 1_000  # lines of a report that may say nothing before the way of `Feeder` has to count them

Hit: TypeAlias = re.Match[bytes]


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
        table = begin
        for header in _HEADER.finditer(data, begin, end):
            found.add(header.start())
            if self._row is None and _is_header(data, header):  # a report has one table
                self._row, table = pattern(header[1]), header.end()
        lines: dict[int, list[Row]] = {data.rfind(b"\n", begin, at) + 1 or begin: [] for at in found}
        rows = self._rows(data, table, end)
        if rows and any(rows[0].start() < at < rows[-1].start() for at in found):  # other lines are among them
            lines.update((start(row), []) for row in rows)
        elif rows:
            lines[start(rows[0])] = rows
        return sorted(lines.items())

    def alike(self, data: bytes, begin: int, end: int, head: bytes) -> tuple[list[Hit], list[Row]] | None:
        """The lines that matter among whole lines up to an anchor, and the rows of the table behind the last of them.

        None if not all begin with `head`, or if they have to be looked at more closely. A hit begins behind the clock.
        """
        lines = data.count(b"\n", begin, end)
        if self._row is not None or end - begin > _MOST_BYTES or lines != data.count(b"\n" + head, begin - 1, end):
            return None
        if data.find(b"\\", begin, end) >= 0 or data.find(b";", begin, end) >= 0 or data.find(b"{", begin, end) >= 0:
            return None  # escapes, a record of /dev/kmsg, JSON: what makes a line another one than its beginning says
        hits = list(_ALIKE.finditer(data, begin, end))
        if any(hit["columns"] for hit in hits[:-1]):
            return None
        columns = hits[-1]["columns"] if hits else None
        row = None if columns is None else pattern(columns)
        if row is None:
            return None if lines > _SILENCE or columns else (hits, [])
        table = hits[-1].end()
        rows = list(row.finditer(data, table, end))
        if len(rows) != data.count(b"\n", table, end) or lines - len(rows) > _SILENCE:
            return None
        self._row = row
        return hits, rows

    def _rows(self, data: bytes, begin: int, end: int) -> list[Row]:
        return [] if self._row is None else list(self._row.finditer(data, begin, end))


def _is_header(data: bytes, found: re.Match[bytes]) -> bool:
    begin, end = data.rfind(b"\n", 0, found.start()) + 1, data.find(b"\n", found.end())
    line = structured_lines.parse_line(data[begin : end if end >= 0 else len(data)])
    text = line.text.decode("latin-1") if line.record is None else line.record.text
    return oom_lines.TABLE_HEADER.fullmatch(text) is not None
