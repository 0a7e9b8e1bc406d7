"""The search for lines that matter: every marker is found, and so is every line that a report is read from."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.parsing import GROUP, HEADER, kills, noise, prefixed, report, searched, stamped

from otel_oom.kernel import oom_lines
from otel_oom.parse.line_search import marker_lines

WORDS = ["kill", "Kill", "ed", " process ", "oom-", "er", ":", " ", "killed as a result of limit of ", "K", "x", "\n"]


@given(st.lists(st.sampled_from([*WORDS, "are going to be killed due", "are going to be "]), max_size=40))
def test_the_search_finds_the_lines_with_a_marker_and_no_others(words: list[str]) -> None:
    data = "".join(words).encode()
    starts, start = [], 0
    for line in data.split(b"\n"):
        starts += [start] if oom_lines.OOM_MARKER.search(line) else []
        start += len(line) + 1
    assert starts == marker_lines(data, 0, len(data))


@pytest.mark.parametrize("marker", oom_lines.MARKERS)
def test_every_marker_is_found(marker: bytes) -> None:
    data = b"x\n[    1.000000] x" + marker + b"x\nx\n"
    assert marker_lines(data, 0, len(data)) == [2]


def test_kill_lines_among_many_capitals() -> None:
    text = (
        (b"[    0.500000] " + b"OK KEY " * 60 + b"\n") * 300
        + stamped(report(7))
        + b"[ 0.5] KKK\n" * 900
        + stamped(report(8))
    )
    assert kills(text, every_line=True) == kills(text)
    assert [kill.pid for kill in kills(text)] == [7, 8]


def test_a_groups_line_without_its_end() -> None:
    text = stamped([*report(7), "Tasks in /kubepods.slice/kubepods-pod1...", *report(7)[-1:]])
    for found in (kills(text), kills(text, every_line=True)):
        assert [kill.pid for kill in found] == [7]


def test_a_journals_message_as_numbers_is_found() -> None:
    message = report(7)[-1].replace("java", "j\xff").encode("latin-1")
    text = b"\n".join(
        [b'{"MESSAGE":"x","_TRANSPORT":"kernel"}'] * 50
        + [b'{"_TRANSPORT":"kernel","MESSAGE":[' + b",".join(b"%d" % byte for byte in message) + b"]}"]
    )
    for found in (kills(text), kills(text, every_line=True)):
        assert [kill.comm for kill in found] == [r"j\xff"]


def test_a_memcg_of_old_kernels_without_its_opener() -> None:
    lines = [
        "Task in /a/b killed as a result of limit of /a",
        "x",
        "Killed process 7 (y) total-vm:1kB, anon-rss:1kB, file-rss:0kB",
    ]
    text = noise(5_000) + stamped(lines)
    assert kills(text, every_line=True) == kills(text)
    assert [(kill.cgroup, kill.context.memcg_path) for kill in kills(text)] == [("/a/b", "/a")]


STRANGE = st.sampled_from(
    [
        "x",
        "",
        " ",
        HEADER,
        "[  pid  ]   uid  tgid total_vm name",
        "x [  pid  ]   uid  rss name",
        "x] [  pid  ]   uid  rss name",
        "[  pid  ]   uid  rss name x",
        "[    9]     0     9      100    99950    65536        0             0 late",
        "[    9]     0     9      100    99951    65536        0             0 a#012b",
        "[    9]     0     9      100    99952    65536        0             0 a\rb",
        "[    9]     0     9      100    18446744073709551615    65536        0             0 wrapped",
        " [    9]     0     9      100    99953    65536        0             0 behind a blank",
        "x] [    9]     0     9      100    99954    65536        0             0 behind a word",
        "CPU: 0 PID: 9 Comm: java Not tainted",
        "CPU: 0 PID: 8 Comm: java\nx Not tainted",
        "CPU: 0 nothing",
        " CPU: 0 PID: 7 Comm: java Not tainted",
        "memory: usage 1kB, limit 2kB, failcnt 3",
        "memory: usage 1kB, limit 2kB",
        "  memory: usage 3kB, limit 4kB, failcnt 5",
        "#011memory: usage 5kB, limit 6kB, failcnt 7",
        "x] memory: usage 7kB, limit 8kB, failcnt 9",
        '{"MESSAGE": "memory: usage 9kB, limit 10kB, failcnt 1"}',
        '  {"MESSAGE": "memory: usage 9kB, limit 10kB, failcnt 1"}',
        "6,7,8,-;memory: usage 11kB, limit 12kB, failcnt 3",
        "Memory cgroup stats for /b:",
        "Memory cgroup stats for /b: cache:0KB rss:20260KB",
        "Memory cgroup stats for /b#177:",
        "Task in /a/b killed as a result of limit of /a",
        "Free swap  = 7kB",
        "Total swap = 9kB",
        "65406 pages RAM",
        "active_anon:1 inactive_anon:2 isolated_anon:3",
        " active_file:0 inactive_file:0",
        " free:7 free_pcp:1 free_cma:0",
        " slab_reclaimable:7 slab_unreclaimable:8",
        "Node 0 DMA free:5kB boost:0kB min:6kB kernel_stack:7kB",
        "Node 0 active_anon:5kB kernel_stack:7kB",
        "Node 0 ",
        "Normal free:5kB min:6kB",
        "Node 0 hugepages_total=7 hugepages_free=7 hugepages_surp=0 hugepages_size=4kB",
        "java cpuset=/ mems_allowed=0",
        "swap: usage 1kB, limit 2kB, failcnt 3",
        "anon 7",
        "total_rss 8",
        "#011slab 9",
        ",task_memcg=/c,task=x,pid=7,uid=0",
        "oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),cpuset=/,mems_allowed=0,global_oom,task_memcg=/,task=x,pid=7,uid=0",
        "Out of memory and no killable processes...",
        "Memory cgroup out of memory: OOM victim 7 (java) is already exiting. Skip killing the task",
        "Killed process 3 (x)",
        GROUP,
        "java invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=9",
    ]
)


@settings(max_examples=500)
@given(
    st.lists(
        st.tuples(
            st.sampled_from([0, 5, 7, 9, 10, 11, 12, 15, 17, 18, 19, 20]), STRANGE, st.sampled_from(["", "[ T9]"])
        ),
        max_size=4,
    ),
    st.sampled_from([0, 1, 137, 60_000]),
    st.sampled_from(["", "Jan 28 19:58:45 host kernel: "]),
)
def test_strange_lines_in_a_report(strange: list[tuple[int, str, str]], step_us: int, head: str) -> None:
    lines = [("", line) for line in report(7)]
    for at, line, caller in strange:
        lines[at:at] = [(caller, part) for part in line.split("\n")]
    us, text = 3_000_000, ""
    for caller, line in lines:
        us += step_us
        text += f"{head}[{us // 1_000_000:5}.{us % 1_000_000:06}]{caller} {line}\n"
    slow, fast = searched(text.encode(), every_line=True), searched(text.encode())
    assert slow[1] == fast[1]
    assert slow[0].kill_lines == fast[0].kill_lines
    assert slow[0].unanswered == fast[0].unanswered


@pytest.mark.parametrize("step_us", [137, 60_000])
def test_a_report_that_is_cut_off_by_one_of_another_kernel(step_us: int) -> None:
    """As in a log of two boots: each has the columns of its own table."""
    columns, cells = ("pgtables_bytes", "nr_ptes nr_pmds"), ("    65536  ", "        7   3  ")
    older = [line.replace(*columns).replace(*cells) for line in report(8)]
    text = noise(100) + stamped([*report(7)[:-2], *older], step_us=step_us) + noise(100)
    assert kills(text, every_line=True) == kills(text)
    assert [len(kill.context.top_tasks) for kill in kills(text)] == [5]


def test_rows_of_user_space_do_not_replace_rows_of_the_kernel() -> None:
    lines = [b"<6>" + line for line in stamped(report(7)).splitlines(keepends=True)]
    forged = b"<8>[    1.000000] [     66]     0    66     9000     9999    65536        0             0 evil\n"
    row = next(at for at, line in enumerate(lines) if b" t3" in line)
    found = kills(b"".join([*lines[:row], *[forged] * 6, *lines[row:]]))
    assert kills(b"".join(lines))[0].context.top_tasks == found[0].context.top_tasks


def test_a_row_after_a_damaged_prefix_is_read() -> None:
    text = stamped(report(7))
    row = next(line for line in text.splitlines(keepends=True) if b" t2" in line)
    damaged = text.replace(row, b"[." + row[2:])
    assert kills(damaged, every_line=True) == kills(damaged)
    assert "t2" in [task.comm for task in kills(damaged)[0].context.top_tasks]


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


def test_a_table_without_sizes_is_ignored() -> None:
    text = stamped(report(7)).replace(b" rss ", b" ras ")
    assert kills(text, every_line=True) == kills(text)
    assert [kill.context.top_tasks for kill in kills(text)] == [()]


def test_rows_of_user_space_in_a_capture_do_not_replace_rows_of_the_kernel() -> None:
    """There a row's level is a number like the others before it."""
    lines = [b"6,%d,%d,-;%b" % (9 + n, 1_000_000 + n, line.encode()) for n, line in enumerate(report(7, rows=12))]
    forged = b"14,9,1000009,-;[     66]     0    66     9000     9999    65536        0             0 evil"
    row = next(at for at, line in enumerate(lines) if b" t3" in line)
    text = b"\n".join([*lines[:row], *[forged] * 6, *lines[row:]])
    assert kills(text, every_line=True) == kills(text)
    assert [task.pid for task in kills(b"\n".join(lines))[0].context.top_tasks] == [
        task.pid for task in kills(text)[0].context.top_tasks
    ]
