"""Task tables in texts: the five largest, behind any prefix, with anything among the rows."""

from __future__ import annotations

import pytest
from support.parsing import kills, noise, prefixed, report, stamped


@pytest.mark.parametrize("step_us", [137, 60_000])
def test_a_report_that_is_cut_off_by_one_of_another_kernel(step_us: int) -> None:
    """As in a log of two boots: each has the columns of its own table."""
    columns, cells = ("pgtables_bytes", "nr_ptes nr_pmds"), ("    65536  ", "        7   3  ")
    older = [line.replace(*columns).replace(*cells) for line in report(8)]
    text = noise(100) + stamped([*report(7)[:-2], *older], step_us=step_us) + noise(100)
    assert kills(text, every_line=True) == kills(text)
    assert [len(kill.context.top_tasks) for kill in kills(text)] == [5]


def test_rows_of_user_space_take_no_place_in_the_table() -> None:
    lines = [b"<6>" + line for line in stamped(report(7)).splitlines(keepends=True)]
    forged = b"<8>[    1.000000] [     66]     0    66     9000     9999    65536        0             0 evil\n"
    row = next(at for at, line in enumerate(lines) if b" t3" in line)
    found = kills(b"".join([*lines[:row], *[forged] * 6, *lines[row:]]))
    assert kills(b"".join(lines))[0].context.top_tasks == found[0].context.top_tasks


def test_a_row_behind_a_prefix_of_another_kind_is_none() -> None:
    text = stamped(report(7))
    row = next(line for line in text.splitlines(keepends=True) if b" t2" in line)
    damaged = text.replace(row, b"[." + row[2:])
    assert kills(damaged, every_line=True) == kills(damaged)
    assert "t2" not in [task.comm for task in kills(damaged)[0].context.top_tasks]


@pytest.mark.parametrize(
    "prefix", [b"", b"<6>", b"Jan 28 19:58:45 host kernel: ", b"> ", b"2026-01-28T19:58:45Z host kernel: "]
)
def test_a_table_behind_any_prefix(prefix: bytes) -> None:
    text = prefixed(stamped(report(7, rows=30)).splitlines(keepends=True), prefix)
    expected = kills(text, every_line=True)
    assert expected == kills(text)
    assert [len(kill.context.top_tasks) for kill in expected] == [5]


@pytest.mark.parametrize(
    ("name", "comm"),
    [
        (b"t#012x", r"t\x0ax"),
        (b"t\\x1bx", r"t\x1bx"),
        (b"t\xff", r"t\xff"),
        (b"CPU: 1 x", "CPU: 1 x"),
        (b"#1", "#1"),
        (b"a\rb", r"a\x0db"),
    ],
)
def test_a_large_task_with_a_name_that_is_not_plain(name: bytes, comm: str) -> None:
    text = stamped(report(7, rows=30)).replace(b" t1\n", b" " + name + b"\n").replace(b"  41  ", b"9941  ")
    expected = kills(text, every_line=True)
    assert expected == kills(text)
    assert comm in [task.comm for task in expected[0].context.top_tasks]


def test_the_rows_of_a_table_with_a_foreign_line_among_them() -> None:
    lines = report(7, rows=12)
    lines.insert(15, "CPU: 3 PID: 12 Comm: other Not tainted")
    assert kills(stamped(lines), every_line=True) == kills(stamped(lines))


def test_only_rows_of_user_space_are_the_largest() -> None:
    lines = [b"<6>" + line for line in stamped(report(7, rows=12)).splitlines(keepends=True)]
    forged = b"<8>[    1.000000] [     66]     0    66     9000     9999    65536        0             0 evil\n"
    text = b"".join([*lines[:12], *[forged] * 6, *lines[12:-2], forged, *lines[-2:]])
    assert kills(text, every_line=True) == kills(text)
    assert kills(b"".join(lines))[0].context.top_tasks == kills(text)[0].context.top_tasks


def test_a_table_without_sizes_is_none() -> None:
    text = stamped(report(7)).replace(b" rss ", b" ras ")
    assert kills(text, every_line=True) == kills(text)
    assert [kill.context.top_tasks for kill in kills(text)] == [()]
