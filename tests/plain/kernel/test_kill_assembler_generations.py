"""Whole reports in the form of each kernel generation, and the kill that each must give."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from support import klog
from support.klog import Line, fragment

from otel_oom.kernel.oom_kill import NoVictim, OomKill
from otel_oom.kernel.task_table import Task

KIB = 1024
PAGE = 4096


@dataclass(frozen=True)
class Sample:
    """A report of one generation and the values that it must give. None: it must give no value."""

    kernels: str
    lines: list[Line]
    kill: dict[str, object]
    context: dict[str, object] = field(default_factory=dict)


def task_row(columns: str, pid: int = 95) -> str:
    return f"[{pid:5d}]   500 {pid:5d}  1994392   889665 {columns} java"


JAVA = (Task(pid=95, comm="java", rss=889665 * PAGE, score_adj=0),)
BIASED = (Task(pid=95, comm="java", rss=889665 * PAGE, score_adj=-17),)
SIZES = "total-vm:7977568kB, anon-rss:3558396kB, file-rss:104kB"
MEMORY = [  # one printk of several lines, which a text gives as several
    "Mem-Info:",
    "Node 0 DMA free:7124kB min:412kB low:512kB high:616kB",
    "Free swap  = 24kB",
    "Total swap = 1048572kB",
    "65406 pages RAM",
]
SYSTEM_OLD: dict[str, object] = {
    "memory_total": 65406 * PAGE,
    "swap_total": 1048572 * KIB,
    "swap_free": 24 * KIB,
    "top_tasks": JAVA,
}
PLACE = "Task in /lxc/9 killed as a result of limit of /lxc"
MEMCG_USAGE: list[Line] = [
    "memory: usage 20480kB, limit 20480kB, failcnt 1204",
    "memory+swap: usage 40940kB, limit 9007199254740988kB, failcnt 6",
    "kmem: usage 220kB, limit 9007199254740988kB, failcnt 0",
]
OLD_STATS: list[Line] = [
    "Memory cgroup stats for /lxc: cache:0KB rss:20260KB rss_huge:0KB mapped_file:0KB swap:0KB unevictable:0KB",
    "Memory cgroup stats for /lxc/9: cache:0KB rss:20260KB rss_huge:0KB mapped_file:0KB swap:0KB unevictable:0KB",
]

SAMPLES = [
    Sample(
        "2.6.32",
        [
            "httpd invoked oom-killer: gfp_mask=0x201da, order=0, oom_adj=0",
            "Pid: 20273, comm: httpd Not tainted 2.6.32 #1",
            *MEMORY,
            " free:482 slab_reclaimable:1635 slab_unreclaimable:1919",
            "[ pid ]   uid  tgid total_vm      rss cpu oom_adj name",
            task_row("  0       0"),
            "Out of memory: kill process 20273 (httpd) score 1285879 or a child",
            "Killed process 95 (java)",
        ],
        {"scope": "system", "pid": 95, "comm": "java", "tgid": None, "rss": None},
        {"completeness": "full", "trigger_pid": 20273, "memory_free": 482 * PAGE, "constraint": None, **SYSTEM_OLD},
    ),
    Sample(
        "2.6.33 to 2.6.35",
        [
            "Out of memory: kill process 95 (java) score 4134 or a child",
            "Killed process 95 (java) vsz:7977568kB, anon-rss:3558396kB, file-rss:104kB ",
        ],
        {"scope": "system", "total_vm": 7977568 * KIB, "rss": 3558500 * KIB, "rss_shmem": None},
        {"completeness": "suppressed"},
    ),
    Sample(
        "2.6.32 to 2.6.35, memory policy",
        [
            "x invoked oom-killer: gfp_mask=0x201da, order=0, oom_adj=0",
            "No available memory (MPOL_BIND): kill process 95 (java) score 0 or a child",
            "Killed process 95 (java)",
        ],
        {"scope": "system"},
        {"completeness": "full", "constraint": "memory_policy"},
    ),
    Sample(
        "2.6.32 to 2.6.35, cpuset",
        ["No available memory in cpuset: kill process 95 (java) score 0 or a child", "Killed process 95 (java)"],
        {"scope": "system"},
        {"constraint": "cpuset"},
    ),
    Sample(
        "RHEL 6, memcg",
        [
            "java invoked oom-killer: gfp_mask=0xd0, order=0, oom_adj=0, oom_score_adj=0",
            "java cpuset=/ mems_allowed=0",
            "Pid: 95, comm: java Not tainted 2.6.32-504.el6.x86_64 #1",
            PLACE,
            "memory: usage 20480kB, limit 20480kB, failcnt 1204",
            "memory+swap: usage 20480kB, limit 9007199254740991kB, failcnt 0",
            *MEMORY,
            "[ pid ]   uid  tgid total_vm      rss cpu oom_adj oom_score_adj name",
            task_row("  0     -17           -17"),
            "Memory cgroup out of memory: Kill process 95 (java) score 1000 or sacrifice child",
            f"Killed process 95, UID 500, (java) {SIZES}",
        ],
        {"scope": "cgroup", "cgroup": "/lxc/9", "real_user_id": 500, "rss_anon": 3558396 * KIB},
        {"completeness": "full", "memcg_path": "/lxc", "memcg_limit": 20480 * KIB, "memory_total": None,
         "trigger_pid": 95, "top_tasks": BIASED, "constraint": "memcg"},
    ),
    Sample(
        "RHEL 6, oom_kill_allocating_task",
        [
            "Out of memory (oom_kill_allocating_task): Kill process 95 (top) score 0 or sacrifice child",
            "Killed process 95, UID 500, (top) total-vm:15028kB, anon-rss:308kB, file-rss:4kB",
        ],
        {"scope": "system", "real_user_id": 500, "comm": "top"},
        {"constraint": None},
    ),
    Sample(
        "2.6.36 to 3.6",
        [
            "sed invoked oom-killer: gfp_mask=0x201da, order=0, oom_adj=0, oom_score_adj=0",
            "sed cpuset=/ mems_allowed=0",
            "Pid: 7, comm: sed Not tainted 3.2.0-4-amd64 #1 Debian 3.2.41-2",
            *MEMORY,
            "[ pid ]   uid  tgid total_vm      rss cpu oom_adj oom_score_adj name",
            task_row("  0       0             0"),
            "Out of memory: Kill process 95 (java) score 651 or sacrifice child",
            f"Killed process 95 (java) {SIZES}",
        ],
        {"scope": "system", "real_user_id": None},
        {"completeness": "full", "trigger_pid": 7, "trigger_comm": "sed", **SYSTEM_OLD},
    ),
    Sample(
        "RHEL 7: the place in pieces as 3.5 to 4.8 mark them",
        [
            "sed invoked oom-killer: gfp_mask=0xd0, order=0, oom_score_adj=0",
            "sed cpuset=9 mems_allowed=0-1",
            "CPU: 4 PID: 29481 Comm: sed Not tainted 3.10.0-514.6.1.el7.x86_64 #1",
            fragment("Task in /lxc/9"),
            klog.record(" killed as a result of limit of /lxc", flags="+"),
            *MEMCG_USAGE,
            *OLD_STATS,
            "[ pid ]   uid  tgid total_vm      rss nr_ptes swapents oom_score_adj name",
            task_row("   14        0             0"),
            "Memory cgroup out of memory: Kill process 95 (java) score 651 or sacrifice child",
            f"Killed process 95 (java), UID 500, {SIZES}, shmem-rss:8kB",
        ],
        {"scope": "cgroup", "cgroup": "/lxc/9", "real_user_id": 500, "rss_shmem": 8 * KIB},
        {"completeness": "full", "memcg_path": "/lxc", "memcg_usage": 20480 * KIB, "trigger_pid": 29481,
         "top_tasks": JAVA},
    ),
    Sample(
        "3.7 to 4.0; 3.15 to 3.19 may break the line",
        [
            "sed invoked oom-killer: gfp_mask=0xd0, order=0, oom_score_adj=0",
            "Task in /lxc/9",
            " killed as a result of limit of /lxc",
            *MEMCG_USAGE,
            *OLD_STATS,
            "Memory cgroup out of memory: Kill process 95 (java) score 651 or sacrifice child",
            f"Killed process 95 (java) {SIZES}",
        ],
        {"scope": "cgroup", "cgroup": "/lxc/9"},
        {"completeness": "full", "memcg_path": "/lxc"},
    ),
    Sample(
        "4.6 to 4.8",
        [
            "sed invoked oom-killer: gfp_mask=0x24000c0(GFP_KERNEL), order=0, oom_score_adj=0",
            PLACE,
            *MEMCG_USAGE,
            "[ pid ]   uid  tgid total_vm      rss nr_ptes nr_pmds swapents oom_score_adj name",
            task_row("     34       4     5489             0"),
            "Memory cgroup out of memory: Kill process 95 (java) score 1046 or sacrifice child",
            f"Killed process 95 (java) {SIZES}, shmem-rss:0kB",
            "oom_reaper: reaped process 95 (java), now anon-rss:0kB, file-rss:0kB, shmem-rss:0lB",
        ],
        {"scope": "cgroup", "rss_shmem": 0},
        {"trigger_gfp_mask": "0x24000c0(GFP_KERNEL)", "top_tasks": JAVA},
    ),
    Sample(
        "4.11 to 4.14: an opener in pieces",
        [
            klog.record("sed invoked oom-killer: gfp_mask=0x14000c0(GFP_KERNEL), nodemask=", caller="T7"),
            fragment(" foreign", "T8"),
            fragment("(null)", "T7"),
            fragment(",  order=2, oom_score_adj=0", "T7"),
            "sed cpuset=/ mems_allowed=0",
            "Out of memory: Kill process 95 (java) score 1046 or sacrifice child",
            f"Killed process 95 (java) {SIZES}, shmem-rss:0kB",
        ],
        {"scope": "system"},
        {"completeness": "full", "trigger_comm": "sed", "trigger_order": 2},
    ),
    Sample(
        "4.19, 4.20",
        [
            "sed invoked oom-killer: gfp_mask=0x6000c0(GFP_KERNEL), nodemask=(null), order=0, oom_score_adj=0",
            "sed cpuset=9 mems_allowed=0",
            PLACE,
            *MEMCG_USAGE,
            *OLD_STATS,
            "Tasks state (memory values in pages):",
            klog.TABLE,
            task_row(" 61440        0             0"),
            "Memory cgroup out of memory: Kill process 95 (java) score 1046 or sacrifice child",
            f"Killed process 95 (java) {SIZES}, shmem-rss:0kB",
        ],
        {"scope": "cgroup", "cgroup": "/lxc/9"},
        {"completeness": "full", "top_tasks": JAVA},
    ),
    Sample(
        "5.0: announced, and a child is killed",
        [
            klog.opener(),
            klog.summary(95, "parent", constraint="CONSTRAINT_NONE"),
            "Memory cgroup out of memory: Kill process 95 (parent) score 1046 or sacrifice child",
            f"Killed process 96 (child) {SIZES}, shmem-rss:0kB",
        ],
        {"scope": "cgroup", "pid": 96, "tgid": None, "real_user_id": None, "cgroup": "/g/x"},
        {"completeness": "full", "constraint": "memcg", "memcg_path": "/g"},
    ),
    Sample(
        "5.3 to 6.4, without CONFIG_CPUSETS, no limit of its own",
        [
            klog.opener(),
            "memory: usage 42240kB, limit 9007199254740988kB, failcnt 0",
            "swap: usage 0kB, limit 0kB, failcnt 0",
            "Memory cgroup stats for /g:",
            r"anon 12546048\x0afile 0\x0akernel 36864",
            "oom-kill:constraint=CONSTRAINT_BPF_PSI_MEM,nodemask=(null),oom_memcg=/g,task_memcg=/g/x,task=java,pid=95,uid=0",
            f"Memory cgroup out of memory: Killed process 95 (java) {SIZES}, shmem-rss:0kB",
        ],
        {"scope": "cgroup", "cgroup": "/g/x", "real_user_id": 0},
        {"memcg_usage": 42240 * KIB, "memcg_limit": None, "constraint": "bpf_psi_mem"},
    ),
    Sample(
        "6.5+, cgroup v1",
        [
            klog.opener(),
            *MEMCG_USAGE,
            "Memory cgroup stats for /g:",
            "cache 0",
            "rss 12546048",
            "total_cache 0",
            klog.TABLE.replace("rss ", "rss rss_anon rss_file rss_shmem "),
            task_row("  889660        5         0  7340032        0             0"),
            klog.summary(95, "java"),
            klog.killed(95, "java"),
        ],
        {"scope": "cgroup", "cgroup": "/g/x"},
        {"completeness": "full", "memcg_usage": 20480 * KIB, "top_tasks": JAVA},
    ),
    Sample(
        "the tail of a log until 4.20: it begins with the place",
        [
            PLACE,
            *MEMCG_USAGE,
            "Memory cgroup out of memory: Kill process 95 (java) score 1046 or sacrifice child",
            f"Killed process 95 (java) {SIZES}",
        ],
        {"scope": "cgroup", "cgroup": "/lxc/9"},
        {"completeness": "partial", "memcg_path": "/lxc", "memcg_limit": 20480 * KIB},
    ),
    Sample(
        "no place and no summary: the statistics say whose limit it was",
        [klog.opener(), *MEMCG_USAGE, *OLD_STATS, f"Memory cgroup out of memory: Killed process 95 (java) {SIZES}"],
        {"scope": "cgroup", "cgroup": None},
        {"completeness": "partial", "memcg_path": "/lxc"},
    ),
]  # fmt: skip


def said(names: dict[str, object], *parts: object) -> dict[str, object]:
    """The values of these names, each from the first part that has it."""
    return {name: next(getattr(part, name) for part in parts if hasattr(part, name)) for name in names}


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: str(sample.kernels))
def test_a_whole_report_gives_its_kill(sample: Sample) -> None:
    (kill,) = klog.kills(sample.lines)
    assert sample.kill == said(sample.kill, kill, kill.line)
    assert sample.context == said(sample.context, kill.context)


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: str(sample.kernels))
def test_a_report_without_its_first_records_is_one_kill(sample: Sample) -> None:
    kill_at = next(at for at, line in enumerate(sample.lines) if isinstance(line, str) and "Killed process" in line)
    for at in range(1, kill_at + 1):
        (kill,) = klog.kills(sample.lines[at:])
        assert sample.kill["pid"] == kill.pid if "pid" in sample.kill else kill.pid == 95
        assert klog.kills(sample.lines[: min(kill_at, at)]) == []


def test_a_cut_summary_gives_only_what_is_certain() -> None:
    line = "oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),oom_memcg=/ltp/9552,task_memcg=/ltp/95520"
    (kill,) = klog.kills([klog.opener(), line, klog.killed()])
    assert (kill.context.memcg_path, kill.cgroup, kill.context.completeness) == ("/ltp/9552", None, "partial")


def test_an_opener_without_its_end_makes_a_report_partial() -> None:
    opener = "sed invoked oom-killer: gfp_mask=0x14000c0(GFP_KERNEL), nodemask="
    (kill,) = klog.kills([opener, klog.summary(), klog.killed()])
    assert (kill.context.completeness, kill.context.trigger_comm, kill.context.trigger_order) == (
        "partial",
        "sed",
        None,
    )


def test_the_path_above_statistics_may_come_in_fragments() -> None:
    stats: list[Line] = [
        fragment("Memory cgroup stats for "),
        klog.record("/lxc", flags="+"),
        klog.record(":", flags="+"),
    ]
    (kill,) = klog.kills([klog.opener(), *MEMCG_USAGE, *stats, klog.killed()])
    assert kill.context.memcg_path == "/lxc"


@pytest.mark.parametrize(
    "line",
    [
        "Out of memory and no killable processes...",  # 4.19+
        "Kernel panic - not syncing: Out of memory and no killable processes...",  # until 4.18
    ],
)
def test_an_oom_without_a_victim_is_a_finding(line: str) -> None:
    lines: list[Line] = ["x invoked oom-killer: gfp_mask=0xd0, order=0, oom_score_adj=0", *MEMORY, line]
    (found,) = klog.findings(lines)
    assert isinstance(found, NoVictim)


def test_902_reports_without_a_victim_are_no_kills() -> None:
    report = [*klog.memcg_report()[:-2], "Out of memory and no killable processes..."]
    found = klog.findings(report * 902)
    assert len(found) == 902
    assert not any(isinstance(one, OomKill) for one in found)


@pytest.mark.parametrize(
    "line",
    [
        "Kill process 96 (java) sharing same memory",
        "SysRq : Manual OOM execution",
        "sysrq: OOM request ignored. No task eligible",
        "Memory limit reached of cgroup /lxc",
        "Kernel panic - not syncing: Out of memory: compulsory panic_on_oom is enabled",
        "out of memory(x). panic_on_oom is selected",
        "oom_reaper: unable to reap pid:95 (java)",
        "oom killer 95 (java) has mm pinned by 96 (x)",
        "oom_kill_process: 9 callbacks suppressed",
        "Huh VM_FAULT_OOM leaked out to the #PF handler. Retrying PF",
        "OOM killer disabled.",
    ],
)
def test_other_lines_about_oom_are_no_kills(line: str) -> None:
    assert klog.findings([klog.opener(), line, line]) == []


def test_a_name_that_looks_like_another_line_changes_nothing() -> None:
    """Until 4.20 the line after the opener begins with a name."""
    for comm in ("Task in /", "Memory cgroup s", "oom-kill:constr", "Tasks in /", "memory: usage 1", "[ pid ]"):
        asker = [
            f"{comm} invoked oom-killer: gfp_mask=0x6000c0(GFP_KERNEL), nodemask=(null), order=0, oom_score_adj=0",
            f"{comm} cpuset=x killed as a result of limit of y mems_allowed=0",
            f"CPU: 0 PID: 9 Comm: {comm} Not tainted 4.19.0 #1",
        ]
        announce = "Memory cgroup out of memory: Kill process 95 (java) score 9 or sacrifice child"
        lines: list[Line] = [*asker, PLACE, *MEMCG_USAGE, announce, f"Killed process 95 (java) {SIZES}"]
        first, second = klog.kills([*lines, *lines[:-1], f"Killed process 96 (java) {SIZES}"])
        for kill in (first, second):
            assert (kill.cgroup, kill.context.memcg_path) == ("/lxc/9", "/lxc")
            assert (kill.context.trigger_comm, kill.context.trigger_pid, kill.group_id) == (comm, 9, None)


@pytest.mark.parametrize(
    "line", ["Task in /x: page allocation failure: order:4", "oom-kill:constraint=: page allocation failure: order:4"]
)
def test_another_line_with_the_same_first_words_is_replaced(line: str) -> None:
    summary: list[Line] = [klog.opener(), line, klog.summary(), klog.killed()]
    place: list[Line] = [klog.opener(), line, PLACE, f"Killed process 100 (vic) {SIZES}"]
    assert [kill.cgroup for kill in klog.kills(summary)] == ["/g/x"]
    assert [kill.cgroup for kill in klog.kills(place)] == ["/lxc/9"]
