"""Records to kills: lines that count, lines that do not, and the facts of a whole report."""

import pytest
from support import klog
from support.klog import Line

from otel_oom.kernel.kill_context import Context
from otel_oom.kernel.memory_usage import MachineUsage, MemcgUsage, Zone
from otel_oom.kernel.oom_kill import NoVictim
from otel_oom.kernel.task_table import Task, TaskGroup, TaskTotals

EXITING = "Memory cgroup out of memory: OOM victim 100 (vic) is already exiting. Skip killing the task"
VIC = Task(pid=100, comm="vic", rss=3182 * 4096, score_adj=-5)


def test_a_whole_memcg_report() -> None:
    expected = Context(
        completeness="full",
        constraint="memcg",
        memcg_path="/g",
        memcg_usage=12288 * 1024,
        memcg_limit=12288 * 1024,
        trigger_comm="asker",
        trigger_pid=99,
        trigger_gfp_mask="0xcc0(GFP_KERNEL)",
        trigger_order=0,
        top_tasks=(VIC, Task(pid=99, comm="asker", rss=300 * 4096, score_adj=-5)),
        tasks=TaskTotals(
            count=2,
            rss=3482 * 4096,
            groups=(TaskGroup("vic", 1, 3182 * 4096), TaskGroup("asker", 1, 300 * 4096)),
            unkillable_rss=0,
        ),
        memcg=MemcgUsage(swap_usage=0, swap_limit=0, anon=12546048, file=0, kernel=36864),
    )
    (kill,) = klog.kills(klog.memcg_report())
    assert expected == kill.context
    assert (
        kill.scope,
        kill.pid,
        kill.tgid,
        kill.comm,
        kill.cgroup,
        kill.group_id,
    ) == ("cgroup", 100, None, "vic", "/g/x", None)
    assert (kill.real_user_id, kill.line.score_adj, kill.rss) == (7, -5, (12288 + 440 + 4) * 1024)
    assert (kill.line.total_vm, kill.line.pgtables, kill.observed_ns) == (13532 * 1024, 60 * 1024, 16)


@pytest.mark.parametrize("page_size", [4096, 16384, 65536])
def test_a_whole_system_report_in_pages_of_the_machine(page_size: int) -> None:
    (kill,) = klog.kills(klog.system_report(), page_size=page_size)
    expected = Context(
        completeness="full",
        constraint="none",
        trigger_comm="asker",
        trigger_pid=99,
        trigger_gfp_mask="0xcc0(GFP_KERNEL)",
        trigger_order=0,
        memory_total=65406 * page_size,
        memory_free=482 * page_size,
        swap_total=1048572 * 1024,
        swap_free=24 * 1024,
        top_tasks=(Task(100, "vic", 3182 * page_size, -5),),
        tasks=TaskTotals(1, 3182 * page_size, (TaskGroup("vic", 1, 3182 * page_size),), unkillable_rss=0),
        mems_allowed="0",
        machine=MachineUsage(
            anon=(661 + 38157) * page_size,
            slab_reclaimable=2294 * page_size,
            zone=Zone(node=0, name="DMA", free=532 * 1024, min=144 * 1024),
            zones_free=532 * 1024,
        ),
    )
    assert ("system", "/y", expected) == (kill.scope, kill.cgroup, kill.context)


def with_free_blocks(report: list[str], blocks: str) -> list[str]:
    at = next(at for at, line in enumerate(report) if line.startswith("Node 0 DMA free:")) + 1
    return [*report[:at], f"Node 0 DMA: {blocks}", *report[at:]]


@pytest.mark.parametrize(
    ("blocks", "page_size"),
    [
        ("3*64kB (U) 0*128kB = 192kB", 65536),
        ("3*16kB 0*32kB = 48kB", 16384),
        ("3*5kB 0*10kB = 15kB", None),
        ("3*64kB (U)", None),
    ],
)
def test_the_page_size_that_a_system_report_prints(blocks: str, page_size: int | None) -> None:
    (kill,) = klog.kills(with_free_blocks(klog.system_report(), blocks), page_size=4096)
    (expected,) = klog.kills(klog.system_report(), page_size=page_size or 4096)
    assert kill.context.page_size == page_size
    for name in ("memory_total", "memory_free", "swap_free", "top_tasks", "tasks"):
        assert getattr(kill.context, name) == getattr(expected.context, name)
    assert kill.context.machine.anon == expected.context.machine.anon


def test_sysrq_has_order_minus_1() -> None:
    (kill,) = klog.kills(klog.system_report(order=-1))
    expected = -1
    assert expected == kill.context.trigger_order


@pytest.mark.parametrize(
    ("cause", "scope", "constraint"),
    [
        ("Memory cgroup out of memory", "cgroup", "memcg"),
        ("Memory cgroup out of memory (BPF)", "cgroup", "memcg"),
        ("Out of memory", "system", None),
        ("Out of memory (oom_kill_allocating_task)", "system", None),
    ],
)
def test_a_kill_line_alone_is_a_kill(cause: str, scope: str, constraint: str | None) -> None:
    (kill,) = klog.kills([klog.killed(cause=cause)])
    assert (scope, Context("suppressed", constraint)) == (kill.scope, kill.context)


def test_a_report_belongs_to_one_kill() -> None:
    kills = klog.kills([*klog.memcg_report(), klog.killed(101), klog.killed(102)])
    expected = ["full", "suppressed", "suppressed"]
    assert expected == [kill.context.completeness for kill in kills]


def test_without_a_prefix_the_announcement_gives_the_scope() -> None:
    announce = "{}: Kill process 99 (parent) score 1000 or sacrifice child"
    line = "Killed process 100 (child) total-vm:1kB, anon-rss:2kB, file-rss:3kB, shmem-rss:0kB"
    place = "Task in /g/x killed as a result of limit of /g"
    usage = "memory: usage 12kB, limit 12kB, failcnt 8"
    kills = klog.kills(
        [
            "x invoked oom-killer: gfp_mask=0x6000c0(GFP_KERNEL), nodemask=(null), order=0, oom_score_adj=9",
            "x cpuset=/ mems_allowed=0",
            *(place, usage, announce.format("Memory cgroup out of memory"), line),
            *(announce.format("Out of memory"), line),
            line,
        ]
    )
    expected = [("cgroup", "full", "/g"), ("system", "suppressed", None), ("system", "suppressed", None)]
    assert expected == [(kill.scope, kill.context.completeness, kill.context.memcg_path) for kill in kills]
    assert (kills[0].comm, kills[0].cgroup, kills[0].context.memcg_usage) == ("child", "/g/x", 12 * 1024)


def test_before_5_1_the_report_gives_the_scope_if_nothing_else_does() -> None:
    place = "Task in /g/x killed as a result of limit of /g"
    (kill,) = klog.kills([klog.opener(), place, "Killed process 100 (vic) total-vm:1kB"])
    assert (kill.scope, kill.cgroup) == ("cgroup", "/g/x")
    (kill,) = klog.kills([klog.opener(), klog.summary(), "Killed process 100 (vic) total-vm:1kB"])
    assert (kill.scope, kill.cgroup) == ("cgroup", "/g/x")


def test_the_trigger_is_the_first_thread_of_the_openers_name() -> None:
    line = "CPU: 1 PID: {} Comm: {} Not tainted 6.1.0 #1"
    threads = [line.format(1, "ask"), line.format(2, "askers"), line.format(3, "asker"), line.format(4, "asker")]
    (kill,) = klog.kills([klog.opener("asker"), *threads, klog.killed()])
    expected = 3
    assert expected == kill.context.trigger_pid


def test_the_first_statistics_are_those_of_the_limit() -> None:
    memcg = "/,task_memcg=/x"  # the summary alone can be cut in two ways here
    stats = [f"Memory cgroup stats for {path}:" for path in (memcg, memcg + "/y")]
    (kill,) = klog.kills([klog.opener(), *stats, klog.summary(memcg=memcg, cgroup=memcg + "/y"), klog.killed()])
    assert (kill.context.memcg_path, kill.cgroup) == (memcg, memcg + "/y")


def test_the_kill_line_decides_if_the_summary_says_constraint_none() -> None:
    lines = [line.replace("CONSTRAINT_MEMCG", "CONSTRAINT_NONE") for line in klog.memcg_report()]
    (kill,) = klog.kills(lines)
    assert (kill.scope, kill.context.constraint, kill.context.memcg_path) == ("cgroup", "memcg", "/g")


@pytest.mark.parametrize(
    ("word", "expected"),
    [("CPUSET", "cpuset"), ("MEMORY_POLICY", "memory_policy"), ("NONE", "none"), ("BPF_PSI_MEM", "bpf_psi_mem")],
)
def test_constraints(word: str, expected: str) -> None:
    (kill,) = klog.kills([line.replace("CONSTRAINT_NONE", f"CONSTRAINT_{word}") for line in klog.system_report()])
    assert expected == kill.context.constraint


def test_the_pid_in_the_summary_is_the_tgid_if_the_leader_has_exited() -> None:
    (kill,) = klog.kills([klog.opener(), klog.summary(176, "leader"), klog.killed(177, "worker-thread-9")])
    assert (kill.pid, kill.comm, kill.tgid, kill.cgroup) == (177, "worker-thread-9", 176, "/g/x")


@pytest.mark.parametrize(
    "lines",
    [
        klog.memcg_report()[:-1],
        [*klog.memcg_report()[:-1], EXITING],
        [*klog.system_report()[:-1], "Kernel panic - not syncing: System is deadlocked on memory"],
        ["Kernel panic - not syncing: Out of memory: system-wide panic_on_oom is enabled"],
        ["vic: page allocation failure: order:4, mode:0xcc0(GFP_KERNEL), nodemask=(null),cpuset=/,mems_allowed=0"],
        ["oom_reaper: reaped process 100 (vic), now anon-rss:0kB, file-rss:0kB, shmem-rss:0kB"],
        ["input: " + klog.killed(1) + " as /devices/virtual/input/input7"],
        ["Out of memory: Kill process 1 (x) score 9 or sacrifice child"],
        [klog.group()],
        [klog.fragment(klog.killed())],
        [klog.record(klog.killed(), priority=8 + 3)],
        [klog.record(klog.killed(), priority=131)],
    ],
)
def test_other_lines_are_no_kills(lines: list[Line]) -> None:
    assert klog.findings(lines) == []


def test_an_oom_without_a_victim_ends_its_report() -> None:
    lines = [*klog.memcg_report()[:-2], "Out of memory and no killable processes...", klog.killed()]
    no_victim, kill = klog.findings(lines)
    assert isinstance(no_victim, NoVictim)
    assert klog.kills([klog.killed()])[0].context == getattr(kill, "context", None)


def test_an_exiting_victim_ends_its_report() -> None:
    lines = [
        *klog.memcg_report()[:-1],
        EXITING,
        klog.killed(200, "other"),
    ]
    (kill,) = klog.kills(lines)
    assert (kill.pid, kill.context.completeness, kill.cgroup) == (200, "suppressed", None)


def test_a_report_without_a_kill_line_gives_nothing_to_the_next_report() -> None:
    lines = [
        *klog.memcg_report(1, "first", "/a", "/a")[:-1],
        klog.opener("second"),
        klog.summary(2, "two", "/b", "/b"),
        klog.killed(2, "two"),
    ]
    (kill,) = klog.kills(lines)
    assert (
        kill.context.trigger_comm,
        kill.context.trigger_pid,
        kill.context.memcg_path,
        kill.cgroup,
        kill.context.memcg_usage,
        kill.context.top_tasks,
    ) == ("second", None, "/b", "/b", None, ())


@pytest.mark.parametrize(
    "lines",
    [
        [*klog.memcg_report()[:-1], klog.killed(cause="Out of memory")],
        [*klog.system_report()[:-1], klog.killed()],
        [*klog.system_report()[:-2], klog.killed()],
        [klog.opener(), klog.summary(), klog.killed(cause="Out of memory")],
        [klog.opener(), klog.global_summary(), klog.killed()],
    ],
)
def test_a_report_of_the_other_scope_belongs_to_another_kill(lines: list[Line]) -> None:
    (kill,) = klog.kills(lines)
    assert (kill.context.completeness, kill.context.trigger_comm, kill.cgroup) == ("suppressed", None, None)


def test_a_memory_report_of_the_machine_is_not_used_for_a_cgroup() -> None:
    report = klog.memcg_report()
    (kill,) = klog.kills([*report[:7], "65406 pages RAM", *report[7:]])
    assert (kill.context.memory_total, kill.context.memcg_usage) == (None, 12288 * 1024)
