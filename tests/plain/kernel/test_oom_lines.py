"""The kernel's lines, each form of 2.6.32 to 6.18, taken apart."""

import pytest
from support import klog

from otel_oom.kernel import oom_lines
from otel_oom.kernel.oom_lines import Killed

MEMCG = "Memory cgroup out of memory"
KB = 1024
SIZES = "total-vm:1kB, anon-rss:2kB, file-rss:3kB"
OLD = (1 * KB, 2 * KB, 3 * KB)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (  # 5.4+
            f"{MEMCG}: Killed process 5 (x) {SIZES}, shmem-rss:4kB, UID:6 pgtables:7kB oom_score_adj:-8",
            Killed(MEMCG, 5, "x", *OLD, 4 * KB, 7 * KB, 6, -8),
        ),
        (  # 5.3 with UID and without pgtables
            f"{MEMCG}: Killed process 5 (x) {SIZES}, shmem-rss:4kB, UID:6 oom_score_adj:0",
            Killed(MEMCG, 5, "x", *OLD, 4 * KB, None, 6, 0),
        ),
        (  # 5.1 to 5.3
            f"Out of memory: Killed process 5 (x) {SIZES}, shmem-rss:4kB",
            Killed("Out of memory", 5, "x", *OLD, 4 * KB),
        ),
        (  # vm.oom_kill_allocating_task
            f"Out of memory (oom_kill_allocating_task): Killed process 5 (x) {SIZES}, shmem-rss:4kB",
            Killed("Out of memory (oom_kill_allocating_task)", 5, "x", *OLD, 4 * KB),
        ),
        (f"Killed process 5 (x) {SIZES}, shmem-rss:4kB", Killed(None, 5, "x", *OLD, 4 * KB)),  # 4.5 to 5.0
        (f"Killed process 5 (x) {SIZES}", Killed(None, 5, "x", *OLD)),  # 2.6.36 to 4.4
        (f"Killed process 5 (x), UID 6, {SIZES}, shmem-rss:4kB", Killed(None, 5, "x", *OLD, 4 * KB, uid=6)),  # RHEL 7
        (f"Killed process 5, UID 6, (x) {SIZES}", Killed(None, 5, "x", *OLD, uid=6)),  # RHEL 6
        ("Killed process 5, UID 6, (x)", Killed(None, 5, "x", uid=6)),
        (f"Killed process 5 (x), adj 900, oom: 3, {SIZES}", Killed(None, 5, "x", *OLD)),  # a vendor's
        ("Killed process 5 (x) vsz:1kB, anon-rss:2kB, file-rss:3kB ", Killed(None, 5, "x", *OLD)),  # 2.6.33 to 2.6.35
        ("Killed process 5 (x)", Killed(None, 5, "x")),  # 2.6.32
        ("Killed process 5 (a b) in a form (never seen) before", Killed(None, 5, "a b")),
        ("Killed process 5 (cut of", Killed(None, 5, None)),
        (f"{MEMCG}: Killed process 5 () {SIZES}", Killed(MEMCG, 5, "", *OLD)),
        # Cut in a number: which one it was is not known.
        ("Killed process 5 (x) total-vm:1kB, anon-rss:2", Killed(None, 5, "x", 1 * KB)),
        (f"Killed process 5 (x) {SIZES}, shmem-rss:0k0", Killed(None, 5, "x", *OLD)),
        (f"Killed process 5 (x) {SIZES}, shmem-rss:4kB, UID:10", Killed(None, 5, "x", *OLD, 4 * KB)),
        (  # 5.4.0 to 5.4.9 print bytes, and say kB
            f"Out of memory: Killed process 5 (x) {SIZES}, shmem-rss:4kB, UID:6 pgtables:61440kB oom_score_adj:0",
            Killed("Out of memory", 5, "x", *OLD, 4 * KB, 61440 * KB, 6, 0),
        ),
        (  # a policy in BPF may word it
            f"{MEMCG} (BPF): Killed process 5 (x) {SIZES}",
            Killed(f"{MEMCG} (BPF)", 5, "x", *OLD),
        ),
        (f"{MEMCG}: Killed process 5 (x) {SIZES}, other:9kB, shmem-rss:4kB", Killed(MEMCG, 5, "x", *OLD, 4 * KB)),
        # A counter that went below zero is no size.
        (
            "Killed process 5 (x) total-vm:1kB, anon-rss:18446744073709551608kB, file-rss:3kB",
            Killed(None, 5, "x", 1 * KB, None, 3 * KB),
        ),
        (f"Killed process 5 (x) total-vm:{'9' * 5000}kB", Killed(None, 5, "x")),
    ],
)
def test_kill_lines(line: str, expected: Killed) -> None:
    assert expected == oom_lines.killed(line)


@pytest.mark.parametrize("comm", klog.HOSTILE_COMMS)
def test_a_name_cannot_shift_a_kill_line(comm: str) -> None:
    expected = Killed(MEMCG, 5, comm, *OLD, 4 * KB, 7 * KB, 6, -8)
    line = f"{MEMCG}: Killed process 5 ({comm}) {SIZES}, shmem-rss:4kB, UID:6 pgtables:7kB oom_score_adj:-8"
    assert expected == oom_lines.killed(line)


@pytest.mark.parametrize(
    "line",
    [
        f"input: Out of memory: Killed process 1 (x) {SIZES} as /devices/virtual/input/input7",
        f"usb 1-1: Product: Killed process 1 (x) {SIZES}",
        f"audit: type=1400 comm=Killed process 1 (x) {SIZES}",
        f" Killed process 1 (x) {SIZES}",
        f"killed process 1 (x) {SIZES}",
        f"Out of memory! Killed process 1 (x) {SIZES}",
        f"Out of memory (): Killed process 1 (x) {SIZES}",
        "Killed process x (x) total-vm:1kB",
        f"Killed process {'9' * 5000} (x) {SIZES}",
        "Out of memory: Kill process 1 (x) score 9 or sacrifice child",
        "Out of memory: kill process 1 (x) score 9 or a child",
        "Kill process 1 (x) sharing same memory",
        "Task in /a killed as a result of limit of /b",
        "Out of memory: OOM victim 1 (x) is already exiting. Skip killing the task",
        "oom_reaper: reaped process 1 (x), now anon-rss:0kB, file-rss:0kB, shmem-rss:0kB",
        "",
    ],
)
def test_what_is_no_kill_line(line: str) -> None:
    assert oom_lines.killed(line) is None


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
def test_announcements(line: str, cause: str | None) -> None:
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
def test_who_was_running(line: str, expected: tuple[str, str] | None) -> None:
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
def test_no_limit_is_none(kb: str, expected: int | None) -> None:
    assert expected == oom_lines.limit(kb)


@pytest.mark.parametrize(
    ("line", "pages"),
    [
        (r"active_anon:6 inactive_anon:3\x0a slab_reclaimable:2\x0a free:482 free_pcp:198 free_cma:0", "482"),
        (r"active_anon:6 inactive_anon:5\x0a free:482 slab_reclaimable:16 slab_unreclaimable:1\x0a mapped:9", "482"),
        (" free:482 slab_reclaimable:1635 slab_unreclaimable:1919", "482"),
        ("free:482 free_pcp:2958 free_cma:0", "482"),
        ("Node 0 DMA free:7124kB min:412kB low:512kB", None),
        ("free:7124kB min:412kB", None),
    ],
)
def test_free_pages(line: str, pages: str | None) -> None:
    found = oom_lines.FREE_PAGES.match(line)
    assert pages == (found and found["pages"])


@pytest.mark.parametrize("line", ["65406 pages RAM", "65406 pages of RAM"])
def test_ram(line: str) -> None:
    found = oom_lines.RAM_PAGES.fullmatch(line)
    assert found is not None
    assert found["pages"] == "65406"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("x invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=0", ("x", "0xcc0(GFP_KERNEL)", "0")),
        ("x invoked oom-killer: gfp_mask=0x201da, order=0, oomkilladj=0", ("x", "0x201da", "0")),  # until 2.6.31
        ("x invoked oom-killer: gfp_mask=0x201da, order=0, oom_adj=0", ("x", "0x201da", "0")),  # 2.6.32 to 2.6.35
        ("x invoked oom-killer: gfp_mask=0x201da, order=0, oom_score_adj=-17", ("x", "0x201da", "0")),  # 3.7 to 4.5
        ("x invoked oom-killer: gfp_mask=0x24000c0(A), order=2, oom_score_adj=0", ("x", "0x24000c0(A)", "2")),  # 4.6
        (
            "x invoked oom-killer: gfp_mask=0x24000c0(A), nodemask=0, order=0, oom_score_adj=0",
            ("x", "0x24000c0(A)", "0"),
        ),
        # 4.11 to 4.14 in pieces, and ends that a terminal cut off
        ("x invoked oom-killer: gfp_mask=0x1(A), nodemask=", ("x", "0x1(A)", None)),
        ("x invoked oom-killer: gfp_mask=0x1(A), nodemask=(null)", ("x", "0x1(A)", None)),
        ("x invoked oom-killer: gfp_mask=0x1(A), order=0,", ("x", "0x1(A)", "0")),
        ("x invoked oom-killer: gfp_mask=0x1(A), order=1", ("x", "0x1(A)", None)),
        ("x invoked oom-killer: gfp_mask=0x1(A), order=1, oom_sco...", ("x", "0x1(A)", "1")),
        ("x invoked oom-killer: gfp_mask=0x1, order=1, oom_adj=0, oom_score_adj=", ("x", "0x1", "1")),
        (
            "x invoked oom-killer: gfp_mask=0x1(A|B|0x8), nodemask=(null), order=3, oom_score_adj=-999",
            ("x", "0x1(A|B|0x8)", "3"),
        ),
        ("x invoked oom-killer: gfp_mask=0x1(A), nodemask=0-1,3, order=0, oom_score_adj=0", ("x", "0x1(A)", "0")),
        ("x invoked oom-killer: gfp_mask=0x1(A), nodemask=(null),  order=0, oom_score_adj=0", ("x", "0x1(A)", "0")),
        ("kworker/0:1 invoked oom-killer: gfp_mask=0x0(), order=-1, oom_score_adj=0", ("kworker/0:1", "0x0()", "-1")),
        (" invoked oom-killer: gfp_mask=0x201da, order=0, oom_adj=0, oom_score_adj=0", ("", "0x201da", "0")),
        (
            r"\x0a invoked oom-k invoked oom-killer: gfp_mask=0x0, order=0, oom_score_adj=0",
            (r"\x0a invoked oom-k", "0x0", "0"),
        ),
        (  # proposed with OOM policies in BPF
            r"x invoked oom-killer: gfp_mask=0x0(), order=0, oom_score_adj=0\x0aoom_policy=default",
            ("x", "0x0()", "0"),
        ),
    ],
)
def test_openers(line: str, expected: tuple[str, str, str | None]) -> None:
    found = oom_lines.opener(line)
    assert expected == (found and (found["comm"], found["gfp_mask"], found["order"]))


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
def test_what_is_no_opener(line: str) -> None:
    assert oom_lines.opener(line) is None


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
def test_what_is_no_row(line: str) -> None:
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
        ("Tasks in ", True),  # its path was too long for one record
        ("Out of memory and no killable processes...", True),
        ("Out of memory: OOM victim 1 (x) is already exiting. Skip killing the task", True),
        ("Tasks state (memory values in pages):", False),
        ("oom_reaper: reaped process 1 (x), now anon-rss:0kB, file-rss:0kB, shmem-rss:0kB", False),
        (klog.TABLE, False),
        ("5 Tasks in a row", False),
    ],
)
def test_anchors(line: str, *, expected: bool) -> None:
    assert expected == bool(oom_lines.OOM_MARKER.search(b"6,1,2,-;" + line.encode()))
