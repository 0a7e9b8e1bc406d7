"""Reports whose lines begin alike: the one pass through them finds what understanding every line finds."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.parsing import GROUP, HEADER, kills, noise, prefixed, report, stamped, text_of

from otel_oom.parse.feeder import Feeder
from otel_oom.parse.report_lines import ReportLines

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
def test_strange_lines_among_those_that_begin_alike(
    strange: list[tuple[int, str, str]], step_us: int, head: str
) -> None:
    lines = [("", line) for line in report(7)]
    for at, line, caller in strange:
        lines[at:at] = [(caller, part) for part in line.split("\n")]
    us, text = 3_000_000, ""
    for caller, line in lines:
        us += step_us
        text += f"{head}[{us // 1_000_000:5}.{us % 1_000_000:06}]{caller} {line}\n"
    slow, fast = text_of(text.encode(), every_line=True), text_of(text.encode())
    assert slow[1] == fast[1]
    assert slow[0].kill_lines == fast[0].kill_lines
    assert slow[0].unanswered == fast[0].unanswered


@pytest.mark.parametrize("head", ["", "Jan 28 19:58:45 host kernel: "])
def test_a_report_whose_lines_begin_alike_is_read_in_one_pass(head: str, monkeypatch: pytest.MonkeyPatch) -> None:
    text = prefixed((stamped(report(7)) + noise(100)).splitlines(keepends=True), head.encode())
    expected = kills(text, every_line=True)
    monkeypatch.setattr(ReportLines, "lines", None)
    monkeypatch.setattr(Feeder, "line", None)
    assert expected == kills(text)
    assert [len(kill.context.top_tasks) for kill in expected] == [5]
