"""Rows of a task table that a fast reader hands over as matches: the same kill as from their lines."""

from __future__ import annotations

import re

from support import klog

from otel_oom.kernel import oom_lines
from otel_oom.kernel.kill_assembler import Assembler
from otel_oom.kernel.oom_kill import OomKill

COLUMNS = ("uid", "tgid", "total_vm", "rss", "pgtables_bytes", "swapents", "oom_score_adj", "name")
ROW = re.compile(oom_lines.row_pattern(COLUMNS).pattern.encode())
LINES = [klog.row(200 + number, 500 - number, f"task {number}") for number in range(9)]
RECORDS = [one for one in klog.numbered(klog.memcg_report()) if one is not None]
LATER_US = 20_000_000
"""More than a report may be silent."""


def kill(lines: list[str], *, as_matches: bool, first_us: int = 12_000) -> OomKill:
    """The kill of a report with these rows after its own ones."""
    assembler = Assembler("boot", 4096)
    for record in RECORDS[:-2]:
        assembler.feed(record, 1)
    if as_matches:
        assembler.feed_rows([row for line in lines if (row := ROW.fullmatch(line.encode()))], first_us)
    else:
        for line in lines:
            assembler.feed(klog.record(line, sequence=100, us=first_us), 1)
    found = [finding for record in RECORDS[-2:] for finding in assembler.feed(klog.late(record.text, first_us), 1)]
    kills = [one for one in (*found, *assembler.settle()) if isinstance(one, OomKill)]
    assert len(kills) == 1
    return kills[0]


def test_rows_as_matches_are_rows_as_lines() -> None:
    assert kill(LINES, as_matches=True) == kill(LINES, as_matches=False) != kill([], as_matches=True)
    assert [task.comm for task in kill(LINES, as_matches=True).context.top_tasks][:2] == ["vic", "task 0"]


def test_rows_after_the_end_of_a_report_belong_to_none() -> None:
    late = kill(LINES, as_matches=True, first_us=LATER_US)
    assert late == kill(LINES, as_matches=False, first_us=LATER_US)
    assert late.context.top_tasks == ()


def test_the_time_of_the_last_line_is_known_while_a_report_is_open() -> None:
    assembler = Assembler("boot", 4096)
    times_us = [assembler.last_us]
    for record in RECORDS[:-2]:
        assembler.feed(record, 1)
    assert assembler.opened == RECORDS[0]
    times_us.append(assembler.last_us)
    for record in RECORDS[-2:]:
        assembler.feed(record, 1)
    assert [*times_us, assembler.last_us] == [None, RECORDS[-3].monotonic_us, None]
