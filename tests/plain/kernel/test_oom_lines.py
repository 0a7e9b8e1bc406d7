"""The lines of a report, in every form from 2.6.32 to 6.18."""

from typing import Any

import pytest
from support import klog

from otel_oom.kernel import oom_lines
from otel_oom.kernel.oom_lines import Opener

MEMCG = "Memory cgroup out of memory"
KB = 1024


@pytest.mark.parametrize(
    ("line", "cause"),
    [
        (f"{MEMCG}: Kill process 5 (x) score 9 or sacrifice child", MEMCG),  # 2.6.36 to 5.0
        ("Out of memory: Kill process 5 (a) (b) score 9 or sacrifice child", "Out of memory"),
        ("Out of memory: kill process 5 (x) score 1285879 or a child", "Out of memory"),  # until 2.6.35
        (f"{MEMCG}: kill process 5 (x) score 9 or a child", MEMCG),
        (
            "Out of memory (oom_kill_allocating_task): kill process 5 (x) score 0 or a child",
            "Out of memory (oom_kill_allocating_task)",
        ),
        ("No available memory (MPOL_BIND): kill process 5 (x) score 0 or a child", "No available memory (MPOL_BIND)"),
        ("No available memory in cpuset: kill process 5 (x) score 0 or a child", "No available memory in cpuset"),
        ("Out of memory: kill process 5 (x) score 1285879", "Out of memory"),  # wrapped by a page
        ("Kill process 5 (x) sharing same memory", None),  # 2.6.39 to 4.7
        ("x: Out of memory: Kill process 5 (x) score 9 or sacrifice child", None),
        ("Out of memory: Killed process 5 (x)", None),
    ],
)
def test_the_cause_in_an_announcement_is_read(line: str, cause: str | None) -> None:
    found = oom_lines.ANNOUNCE.fullmatch(line)
    assert cause == (found and found["cause"])


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("CPU: 1 UID: 0 PID: 5 Comm: x y Not tainted 6.18.44 #1", ("5", "x y Not tainted 6.18.44 #1")),  # 6.12+
        ("CPU: 1 PID: 5 Comm: x Tainted: G W 6.1.0 #1", ("5", "x Tainted: G W 6.1.0 #1")),  # 3.9 to 6.11
        ("Pid: 5, comm: x Not tainted 2.6.32-504.el6.x86_64 #1", ("5", "x Not tainted 2.6.32-504.el6.x86_64 #1")),
        ("x PID: 5 Comm: x", None),
    ],
)
def test_the_current_task_is_read(line: str, expected: tuple[str, str] | None) -> None:
    found = oom_lines.CURRENT_TASK.fullmatch(line)
    assert expected == (found and (found["pid"] or found["old_pid"], found["rest"]))


@pytest.mark.parametrize(
    ("kb", "expected"),
    [
        ("12288", 12288 * KB),
        ("0", 0),
        ("8589934592", 8589934592 * KB),  # 8 TiB
        ("4503599627370495", 4503599627370495 * KB),
        ("9007199254740988", None),  # 4 KiB pages
        ("9007199254740976", None),  # 16 KiB pages
        ("9007199254740928", None),  # 64 KiB pages
        ("9007199254740991", None),  # until 3.18: counters in bytes
        ("18014398509481983", None),
        ("18014398509481984", None),
        ("8589934588", None),  # 32 bits
        ("9" * 5000, None),
    ],
)
def test_a_limit_that_was_never_set_is_none(kb: str, expected: int | None) -> None:
    assert expected == oom_lines.limit(kb)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("x invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=0", ("x", "0xcc0(GFP_KERNEL)", 0)),
        ("x invoked oom-killer: gfp_mask=0x201da, order=0, oomkilladj=0", ("x", "0x201da", 0)),  # until 2.6.31
        ("x invoked oom-killer: gfp_mask=0x201da, order=0, oom_adj=0", ("x", "0x201da", 0)),  # 2.6.32 to 2.6.35
        ("x invoked oom-killer: gfp_mask=0x201da, order=0, oom_score_adj=-17", ("x", "0x201da", 0)),  # 3.7 to 4.5
        ("x invoked oom-killer: gfp_mask=0x24000c0(A), order=2, oom_score_adj=0", ("x", "0x24000c0(A)", 2)),  # 4.6
        (
            "x invoked oom-killer: gfp_mask=0x24000c0(A), nodemask=0, order=0, oom_score_adj=0",
            ("x", "0x24000c0(A)", 0, "0"),
        ),
        # 4.11 to 4.14 print it in pieces; terminals cut its end
        ("x invoked oom-killer: gfp_mask=0x1(A), nodemask=", ("x", "0x1(A)", None)),
        ("x invoked oom-killer: gfp_mask=0x1(A), nodemask=(null)", ("x", "0x1(A)", None)),
        ("x invoked oom-killer: gfp_mask=0x1(A), order=0,", ("x", "0x1(A)", 0)),
        ("x invoked oom-killer: gfp_mask=0x1(A), order=1", ("x", "0x1(A)", None)),
        ("x invoked oom-killer: gfp_mask=0x1(A), order=1, oom_sco...", ("x", "0x1(A)", 1)),
        ("x invoked oom-killer: gfp_mask=0x1, order=1, oom_adj=0, oom_score_adj=", ("x", "0x1", 1)),
        (
            "x invoked oom-killer: gfp_mask=0x1(A|B|0x8), nodemask=(null), order=3, oom_score_adj=-999",
            ("x", "0x1(A|B|0x8)", 3),
        ),
        (
            "x invoked oom-killer: gfp_mask=0x1(A), nodemask=0-1,3, order=0, oom_score_adj=0",
            ("x", "0x1(A)", 0, "0-1,3"),
        ),
        ("x invoked oom-killer: gfp_mask=0x1(A), nodemask=(null),  order=0, oom_score_adj=0", ("x", "0x1(A)", 0)),
        ("kworker/0:1 invoked oom-killer: gfp_mask=0x0(), order=-1, oom_score_adj=0", ("kworker/0:1", "0x0()", -1)),
        (" invoked oom-killer: gfp_mask=0x201da, order=0, oom_adj=0, oom_score_adj=0", ("", "0x201da", 0)),
        (
            r"\x0a invoked oom-k invoked oom-killer: gfp_mask=0x0, order=0, oom_score_adj=0",
            (r"\x0a invoked oom-k", "0x0", 0),
        ),
        (  # proposed with OOM policies in BPF
            r"x invoked oom-killer: gfp_mask=0x0(), order=0, oom_score_adj=0\x0aoom_policy=default",
            ("x", "0x0()", 0),
        ),
    ],
)
def test_every_form_of_an_opener_is_read(line: str, expected: tuple[Any, ...]) -> None:
    assert Opener(*expected) == oom_lines.parse_opener(line)


@pytest.mark.parametrize(
    "line",
    [
        "input: x invoked oom-killer: gfp_mask=0x0, order=0, oom_score_adj=0 as /devices/x",
        "usb 1-1: Product: x invoked oom-killer: gfp_mask=0x0, order=0, oom_score_adj=0",
        "x invoked oom-killer: gfp_mask=0x0(GFP, order=0, oom_score_adj=0",
        "input: x invoked oom-killer: gfp_mask=0x0, order=0, as /devices/x",
        "input: x invoked oom-killer: gfp_mask=0x0, as /devices/x",
        "x invoked oom-killer: gfp_mask=0x2",
    ],
)
def test_other_lines_are_no_openers(line: str) -> None:
    assert oom_lines.parse_opener(line) is None


@pytest.mark.parametrize(
    ("line", "columns", "name"),
    [
        (f"{klog.row(5, 77, 'x')}", klog.TABLE, "x"),
        (
            "[      5]     0     5     3383     77       70        7        0    61440        0             0 x",
            klog.TABLE.replace("rss ", "rss rss_anon rss_file rss_shmem "),
            "x",
        ),
        (
            "[    5]     0     5     3383       77   0     -17 x",
            "[ pid ]   uid  tgid total_vm      rss cpu oom_adj name",  # 2.6.32 to 2.6.35
            "x",
        ),
        (
            "[    5]     0     5     3383       77   0     -17         -1000 x",
            "[ pid ]   uid  tgid total_vm      rss cpu oom_adj oom_score_adj name",  # 2.6.36 to 3.6
            "x",
        ),
        (
            "[    5]     0     5     3383       77      14        0             0 x",
            "[ pid ]   uid  tgid total_vm      rss nr_ptes swapents oom_score_adj name",  # 3.7 to 4.0
            "x",
        ),
        (
            "[    5]     0     5     3383       77      34       4     5489             0 x",
            "[ pid ]   uid  tgid total_vm      rss nr_ptes nr_pmds swapents oom_score_adj name",  # 4.1 to 4.14
            "x",
        ),
        (
            "[    5]     0     5     3383       77    61440        0             0 x",
            "[ pid ]   uid  tgid total_vm      rss pgtables_bytes swapents oom_score_adj name",  # 4.15 to 4.18
            "x",
        ),
        (
            "[    5]     0     5     3383     77      1      2      0             0 x",
            "[ pid ]   uid  tgid total_vm      rss nr_ptes swapents vendor_1 oom_score_adj name",
            "x",
        ),
        (klog.row(5, 77, "a b [c] 1 2"), klog.TABLE, "a b [c] 1 2"),
        (klog.row(5, 77, " 9 9"), klog.TABLE, " 9 9"),
        (klog.row(5, 77, ""), klog.TABLE, ""),
        (klog.row(5, 77, r"\x0a[      6]"), klog.TABLE, r"\x0a[      6]"),
    ],
)
def test_rows_are_read_by_their_header(line: str, columns: str, name: str) -> None:
    header = oom_lines.TABLE_HEADER.fullmatch(columns)
    assert header is not None
    row = oom_lines.row_pattern(tuple(header["columns"].split())).fullmatch(line)
    assert row is not None
    assert ("5", "77", name) == (row["pid"], row["rss"], row["name"])


@pytest.mark.parametrize("line", ["[drm] x", "[      5]     0", f"[      5] {'9' * 5000} 1 1 1 1 1 1 x", ""])
def test_other_lines_are_no_rows(line: str) -> None:
    assert oom_lines.row_pattern(tuple(klog.TABLE.split()[3:])).fullmatch(line) is None


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (klog.opener(), True),
        (klog.summary(), True),
        (klog.killed(), True),
        ("Memory cgroup out of memory: Kill process 1 (x) score 9 or sacrifice child", True),
        (klog.group(), True),
        ("Out of memory: kill process 1 (x) score 9 or a child", True),
        ("Killed process 1 (x)", True),
        ("Task in /a killed as a result of limit of /b", True),
        ("Kernel panic - not syncing: Out of memory and no killable processes...", True),
        ("Tasks in ", True),  # the path is too long for one record
        ("Out of memory and no killable processes...", True),
        ("Out of memory: OOM victim 1 (x) is already exiting. Skip killing the task", True),
        ("Tasks state (memory values in pages):", False),
        ("oom_reaper: reaped process 1 (x), now anon-rss:0kB, file-rss:0kB, shmem-rss:0kB", False),
        (klog.TABLE, False),
        ("5 Tasks in a row", False),
    ],
)
def test_every_line_that_matters_outside_a_report_has_a_marker(line: str, *, expected: bool) -> None:
    assert expected == bool(oom_lines.OOM_MARKER.search(b"6,1,2,-;" + line.encode()))
