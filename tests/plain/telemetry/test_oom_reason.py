"""The table of rules: which facts of a report give which words."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import klog

from otel_oom.kernel.kill_context import Context
from otel_oom.kernel.memory_usage import MachineUsage, MemcgUsage, Zone
from otel_oom.kernel.oom_kill import OomKill
from otel_oom.kernel.task_table import Task, TaskGroup, TaskTotals
from otel_oom.schema import Scope
from otel_oom.telemetry import oom_reason
from otel_oom.telemetry.container_from_cgroup import Owner, owner
from otel_oom.telemetry.event_bodies import MAX_BODY_CHARS, kill_body
from otel_oom.telemetry.reason_facts import size

MIB = 1 << 20
GIB = 1 << 30
KILLS: dict[Scope, OomKill] = {
    "cgroup": klog.kills(klog.memcg_report())[0],
    "system": klog.kills(klog.system_report())[0],
}
POD = "/kubepods.slice/kubepods-pod8f3c2a1e_77aa_4b3c_9d2e_0123456789ab.slice"
CONTAINER = f"{POD}/cri-containerd-{'9c41d8a07f5e3b62' * 4}.scope"

#: a limit of 512 MiB, and a machine of 2 GiB
LIMITED = Context("full", memcg_path="/g", memcg_usage=512 * MIB, memcg_limit=512 * MIB)
MACHINE = Context("full", memory_total=2 * GIB, memory_free=50 * MIB, trigger_order=0)
#: all that each kernel from 3.10 on prints
WHOLE = MachineUsage(
    anon=0, shmem=0, file=0, unevictable=0, slab_reclaimable=0, slab_unreclaimable=0, pagetables=0, hugepages_total=0
)
HEAP = MachineUsage(anon=1500 * MIB, shmem=8 * MIB, file=20 * MIB)


def kill(scope: Scope, context: Context, **more: Any) -> OomKill:
    """A kill with this report. Its victim had 12.4 MiB resident."""
    return replace(KILLS[scope], context=context, **more)


def limited(path: str = "/g", cgroup: str | None = None, memcg: MemcgUsage | None = None, **more: Any) -> OomKill:
    """A kill by a cgroup's limit of 512 MiB. cgroup: the victim's, the limited one if it is not given."""
    context = replace(LIMITED, memcg_path=path, memcg=memcg or MemcgUsage(), **more)
    return kill("cgroup", context, cgroup=cgroup or path)


def machine(usage: MachineUsage = HEAP, **more: Any) -> OomKill:
    """A kill on a machine of 2 GiB."""
    return kill("system", replace(MACHINE, machine=usage, **more), cgroup="/y")


def why(one: OomKill) -> str:
    _, words = oom_reason.reason(one, owner(one.cgroup or ""), one.cgroup)
    return words


def rules(one: OomKill) -> tuple[str, ...]:
    names, _ = oom_reason.reason(one, owner(one.cgroup or ""), one.cgroup)
    return names


def test_a_memory_that_is_not_full_is_not_called_full() -> None:
    one = limited("/system.slice/web.service", memcg=memcg(anon=300, file=0), memcg_usage=400 * MIB)
    assert why(one).startswith("its unit's 512 MiB limit was reached, with 400 MiB in use, mostly by anonymous memory")
    assert why(machine(memory_free=GIB)).startswith("the machine was out of memory, with 1 GiB in use, mostly")
    bound = machine(memory_free=GIB, constraint="cpuset", mems_allowed="1")
    assert why(bound).startswith(
        "the cpuset's NUMA nodes (1) were out of memory, with 1 GiB in use on the whole machine"
    )
    assert why(machine(MachineUsage(), constraint="memory_policy", memory_total=None)) == (
        "the memory policy's NUMA nodes were out of memory, it held 12.4 MiB RSS"
    )
    assert why(limited(memcg_limit=None)) == "the limit of its cgroup /g was reached, it held 12.4 MiB RSS"
    assert why(limited(memcg_limit=None, memcg=memcg(anon=400))).startswith(
        "the limit of its cgroup /g was reached, with 512 MiB in use, mostly by anonymous memory (400 MiB)"
    )


def memcg(**sizes_mib: int) -> MemcgUsage:
    return MemcgUsage(**{name: size * MIB for name, size in sizes_mib.items()})


@pytest.mark.parametrize(
    ("one", "expected"),
    [
        (limited(POD, CONTAINER), "its pod's 512 MiB limit was reached"),
        (limited(CONTAINER), "its container's 512 MiB limit was reached"),
        (limited(CONTAINER, f"{CONTAINER}/init.scope"), "its container's 512 MiB limit was reached"),
        (limited(f"{CONTAINER}/job"), f"the 512 MiB limit of its cgroup …{f'{CONTAINER}/job'[-79:]} was reached"),
        (limited("/system.slice/web.service"), "its unit's 512 MiB limit was reached"),
        (limited("/kubepods.slice", CONTAINER), "the 512 MiB limit of its ancestor cgroup /kubepods.slice was reached"),
        (limited("/a", "/a/b"), "the 512 MiB limit of its ancestor cgroup /a was reached"),
        (limited("/a", memcg_limit=None), "the limit of its cgroup /a was reached"),
    ],
)
def test_whose_limit(one: OomKill, expected: str) -> None:
    assert why(one) == f"{expected}, it held 12.4 MiB RSS"


@pytest.mark.parametrize(
    "lost", ["anon", "file", "unevictable", "slab_reclaimable", "slab_unreclaimable", "pagetables", "hugepages_total"]
)
def test_what_a_text_lost_is_not_memory_that_the_report_does_not_count(lost: str) -> None:
    held = ", it held 12.4 MiB RSS"
    assert why(machine(replace(WHOLE, **{lost: None}))) == f"the machine was out of memory{held}"
    only_kernel = MemcgUsage(kmem_usage=7 * MIB)
    assert why(limited(memcg=only_kernel)) == f"the 512 MiB limit of its cgroup /g was reached{held}"


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        (memcg(anon=498, file=10, shmem=2, kernel=4), "limit is full of anonymous memory (498 MiB)"),
        (memcg(anon=40, file=460, shmem=450), "limit is full of tmpfs and shared memory (450 MiB)"),
        (
            memcg(anon=40, file=460, shmem=10, file_dirty=200, file_writeback=200),
            "limit is full of dirty page cache (400 MiB)",
        ),
        (memcg(anon=40, file=460, shmem=10, file_dirty=20), "limit is full of page cache (430 MiB)"),
        (memcg(anon=40, file=460, file_dirty=900), "limit is full of dirty page cache (460 MiB)"),
        (memcg(anon=40, kernel=460, slab=400, percpu=10), "limit is full of kernel slab (400 MiB)"),
        (memcg(anon=40, kernel=10, sock=450), "limit is full of socket buffers (450 MiB)"),
        (memcg(anon=40, kernel=460, percpu=440), "limit is full of per-CPU kernel memory (440 MiB)"),
        (memcg(anon=40, kernel=460, pagetables=440), "limit is full of page tables (440 MiB)"),
        (memcg(anon=40, kernel=460, kernel_stack=440), "limit is full of kernel stacks (440 MiB)"),
        (memcg(anon=40, kernel=460), "limit is full of kernel memory (460 MiB)"),
        (memcg(anon=40, kernel=460, slab=10), "limit is full of other kernel memory (450 MiB)"),
        (memcg(anon=40, kmem_usage=460), "limit is full of kernel memory (460 MiB)"),
        (
            memcg(anon=250, file=240, shmem=200, kernel=20),
            "limit is full: anonymous memory (250 MiB), tmpfs and shared memory (200 MiB), page cache (40 MiB)",
        ),
        (memcg(anon=20, file=0), "limit is full of memory that the report does not count (492 MiB)"),
        (
            memcg(anon=250, file=220),
            (
                "limit is full: anonymous memory (250 MiB), page cache (220 MiB),"
                " memory that the report does not count (42 MiB)"
            ),
        ),
        (memcg(anon=250, file=235), "limit is full: anonymous memory (250 MiB), page cache (235 MiB)"),
    ],
)
def test_what_filled_a_cgroup(usage: MemcgUsage, expected: str) -> None:
    assert (
        why(limited("/system.slice/web.service", memcg=usage)) == f"its unit's 512 MiB {expected}, it held 12.4 MiB RSS"
    )


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        (replace(HEAP, slab_unreclaimable=100 * MIB), "are full of anonymous memory (1.46 GiB)"),
        (
            MachineUsage(anon=300 * MIB, slab_unreclaimable=1485 * MIB),
            "are full of unreclaimable kernel slab (1.45 GiB)",
        ),
        (MachineUsage(anon=300 * MIB, hugepages_total=1485 * MIB), "are full of reserved huge pages (1.45 GiB)"),
        (MachineUsage(anon=1785 * MIB, shmem=1485 * MIB), "are full of tmpfs and shared memory (1.45 GiB)"),
        (MachineUsage(anon=300 * MIB, unevictable=1485 * MIB), "are full of unevictable memory (1.45 GiB)"),
        (MachineUsage(anon=300 * MIB, slab_reclaimable=1485 * MIB), "are full of reclaimable kernel slab (1.45 GiB)"),
        (MachineUsage(anon=300 * MIB, pagetables=1485 * MIB), "are full of page tables (1.45 GiB)"),
        (MachineUsage(anon=300 * MIB, kernel_stack=1485 * MIB), "are full of kernel stacks (1.45 GiB)"),
        (MachineUsage(anon=300 * MIB, file=1485 * MIB), "are full of page cache (1.45 GiB)"),
        (replace(WHOLE, anon=300 * MIB), "are full of memory that the report does not count (1.66 GiB)"),
    ],
)
def test_what_filled_the_machine(usage: MachineUsage, expected: str) -> None:
    assert why(machine(usage)) == f"the machine's 2 GiB {expected}, it held 12.4 MiB RSS"


NODES: dict[str, Any] = {"constraint": "memory_policy", "nodemask": "1", "memory_free": 900 * MIB}
SMALL_ZONE = Zone(1, "Normal", free=10 * MIB, min=12 * MIB)
FREE_ZONE = Zone(0, "Normal", free=300 * MIB, min=12 * MIB)
TASKS = TaskTotals(40, 900 * MIB, (TaskGroup("gunicorn", 24, 489 * MIB),), unkillable_rss=0)
GUARDED = Task(7, "postgres", 700 * MIB, -1000)
SWAP: dict[str, Any] = {"swap_total": GIB, "swap_free": 2 * MIB}


@pytest.mark.parametrize(
    ("near", "fires", "rule", "expected"),
    [
        (machine(trigger_order=0), machine(trigger_order=-1), "sysrq", "by hand (SysRq-f), 50 MiB of 2 GiB were free"),
        (
            machine(replace(HEAP, zones_free=800 * MIB), **NODES),
            machine(replace(HEAP, zones_free=10 * MIB), **NODES),
            "nodes full",
            "the memory policy's NUMA nodes (1) are full, while other nodes have 890 MiB free",
        ),
        (
            machine(replace(HEAP, zones_free=10 * MIB), memory_free=900 * MIB),
            machine(replace(HEAP, zones_free=10 * MIB), constraint="cpuset", mems_allowed="0-1", memory_free=900 * MIB),
            "nodes full",
            "the cpuset's NUMA nodes (0-1) are full, while other nodes have 890 MiB free",
        ),
        (
            machine(replace(HEAP, zone=replace(FREE_ZONE, free=13 * MIB)), trigger_order=3),
            machine(replace(HEAP, zone=FREE_ZONE), trigger_order=3),
            "fragmented",
            "free memory is fragmented: no 8 contiguous pages (order 3), while 300 MiB are free",
        ),
        (
            machine(replace(HEAP, zone=FREE_ZONE)),
            machine(replace(HEAP, zone=FREE_ZONE), trigger_order=1),
            "fragmented",
            "free memory is fragmented: no 2 contiguous pages (order 1), while 300 MiB are free",
        ),
        (
            machine(replace(HEAP, zone=replace(FREE_ZONE, largest_order=3)), trigger_order=3),
            machine(replace(HEAP, zone=replace(FREE_ZONE, largest_order=2)), trigger_order=3),
            "fragmented",
            "free memory is fragmented: no 8 contiguous pages (order 3), while 300 MiB are free",
        ),
        (
            machine(replace(HEAP, zone=SMALL_ZONE)),
            machine(replace(HEAP, zone=SMALL_ZONE), memory_free=800 * MIB),
            "zone full",
            "memory zone Normal of NUMA node 1 is full, while other zones have 790 MiB free",
        ),
        (
            machine(tasks=replace(TASKS, unkillable_rss=400 * MIB), top_tasks=(GUARDED,)),
            machine(tasks=replace(TASKS, unkillable_rss=700 * MIB), top_tasks=(GUARDED,)),
            "unkillable",
            "700 MiB of all processes' 900 MiB may not be killed (oom_score_adj -1000; the largest: postgres",
        ),
        (
            machine(tasks=replace(TASKS, groups=(TaskGroup("gunicorn", 1, 489 * MIB),))),
            machine(tasks=TASKS),
            "several",
            "24 × gunicorn hold 489 MiB",  # noqa: RUF001 as the example in the documents
        ),
        (
            machine(tasks=replace(TASKS, rss=2 * GIB)),
            machine(tasks=replace(TASKS, ungrouped=9)),
            "several",
            "at least 24 × gunicorn hold 489 MiB",  # noqa: RUF001
        ),
        (
            limited(memcg=memcg(anon=400), memcg_usage=490 * MIB, tasks=TASKS),
            limited(memcg=memcg(anon=400), memcg_usage=450 * MIB, tasks=TASKS),
            "several",
            "24 × gunicorn hold 489 MiB, shared pages counted each time",  # noqa: RUF001
        ),
        (machine(tasks=TASKS), machine(), "one", "it held 12.4 MiB RSS"),
        (
            machine(swap_total=GIB, swap_free=GIB),
            machine(swap_total=0, swap_free=0),
            "no swap",
            "the machine has no swap",
        ),
        (
            machine(MachineUsage(anon=MIB, slab_unreclaimable=GIB), swap_total=0, swap_free=0),
            limited(memcg=replace(memcg(anon=400), swap_limit=0)),
            "no swap",
            "it may not use swap",
        ),
        (
            machine(swap_total=GIB, swap_free=GIB // 2),
            machine(**SWAP),
            "swap full",
            "the machine's 1 GiB of swap are full",
        ),
        (
            limited(memcg=memcg(anon=400, swap_usage=8, swap_limit=64)),
            limited(memcg=memcg(anon=400, swap_usage=64, swap_limit=64)),
            "swap full",
            "its 64 MiB of swap are full",
        ),
        (
            limited(memcg=memcg(anon=400, memsw_usage=512, memsw_limit=900)),
            limited(memcg=memcg(anon=400, memsw_usage=512, memsw_limit=512)),
            "no swap",
            "it may not use swap",
        ),
        (
            limited(memcg=memcg(anon=400, memsw_usage=860, memsw_limit=900)),
            limited(memcg=memcg(anon=400, memsw_usage=900, memsw_limit=900)),
            "memory+swap full",
            "memory+swap is at its 900 MiB limit",
        ),
        (
            limited(),
            replace(limited(), group_id="x"),
            "group",
            "its whole group is killed (memory.oom.group)",
        ),
    ],
)
def test_a_rule_and_what_is_near_to_it(near: OomKill, fires: OomKill, rule: str, expected: str) -> None:
    assert expected not in why(near)
    assert rule in rules(fires)
    assert expected in why(fires)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1000 B"),
        (4096, "4 KiB"),
        (int(12.44 * MIB), "12.4 MiB"),
        (512 * MIB, "512 MiB"),
        (999 * MIB, "999 MiB"),
        (int(1023.4 * MIB), "1023 MiB"),
        (int(1023.6 * MIB), "1 GiB"),
        (int(1.45 * GIB), "1.45 GiB"),
        (2**63 - 1, "8 EiB"),
    ],
)
def test_a_size_has_three_digits(value: int, expected: str) -> None:
    assert size(value) == expected


SIZES = st.none() | st.integers(0, 2**63 - 1)
NAMES = st.text(max_size=300) | st.just("/x" * 2048) | st.sampled_from(klog.HOSTILE_COMMS)


def values(kind: type, **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Values of a frozen class. fields: those that are not sizes."""
    names = [name for name in kind.__dataclass_fields__ if name not in fields]  # type: ignore[attr-defined]
    return st.builds(kind, **dict.fromkeys(names, SIZES), **fields)


ZONES = values(
    Zone,
    node=st.none() | st.integers(0, 1023),
    name=NAMES,
    free=st.integers(0, 2**62),
    min=st.integers(0, 2**62),
    largest_order=st.none() | st.integers(-1, 31),
)
TASK = st.builds(
    Task, pid=st.integers(1, 2**31), comm=NAMES, rss=st.integers(0, 2**62), score_adj=st.sampled_from([-1000, 0])
)
GROUP = st.builds(TaskGroup, comm=NAMES, count=st.integers(1, 10**7), rss=st.integers(0, 2**63 - 1))
TOTALS = values(
    TaskTotals, count=st.integers(1, 10**7), groups=st.tuples(GROUP) | st.just(()), ungrouped=st.integers(0, 9)
)
CONTEXTS = values(
    Context,
    completeness=st.sampled_from(["full", "partial", "suppressed"]),
    constraint=st.none() | st.sampled_from(["none", "memcg", "cpuset", "memory_policy"]) | NAMES,
    memcg_path=st.none() | NAMES,
    trigger_comm=st.none() | NAMES,
    trigger_gfp_mask=st.none() | NAMES,
    trigger_order=st.none() | st.integers(-1, 64),
    top_tasks=st.lists(TASK, max_size=5).map(tuple),
    tasks=st.none() | TOTALS,
    nodemask=st.none() | NAMES,
    mems_allowed=st.none() | NAMES,
    memcg=values(MemcgUsage),
    machine=values(MachineUsage, zone=st.none() | ZONES),
)
OWNERS = st.builds(Owner, *[st.none() | NAMES] * 5)


@given(
    context=CONTEXTS,
    owned=OWNERS,
    cgroup=st.none() | NAMES,
    scope=st.sampled_from(["cgroup", "system"]),
    comm=st.none() | NAMES,
    group_id=st.none() | st.just("x"),
)
def test_any_facts_give_one_printable_line(
    context: Context, owned: Owner, cgroup: str | None, scope: Scope, comm: str | None, group_id: str | None
) -> None:
    line = replace(KILLS["cgroup"].line, comm=comm)
    one = replace(KILLS["cgroup"], context=context, scope=scope, cgroup=cgroup, line=line, group_id=group_id)
    body = kill_body(one, owned, cgroup)
    assert body.isprintable()
    assert 0 < len(body) <= MAX_BODY_CHARS
    assert len(body.splitlines()) == 1


def report(slab: int = 0, hugepages: int = 0, shmem: int = 0) -> list[str]:
    """A report of a machine of 2 GiB on 6.12, in the words of the kernel. Sizes are MiB."""
    pages = 256  # in a MiB
    meminfo = (
        rf"active_anon:{(300 + shmem) * pages} inactive_anon:0 isolated_anon:0\x0a active_file:10 inactive_file:5"
        rf" isolated_file:0\x0a unevictable:0 dirty:0 writeback:0\x0a slab_reclaimable:200"
        rf" slab_unreclaimable:{slab * pages + 2000}\x0a mapped:20 shmem:{shmem * pages} pagetables:140\x0a"
        rf" sec_pagetables:0 bounce:0\x0a kernel_misc_reclaimable:0\x0a free:5000 free_pcp:0 free_cma:0"
    )
    huge = f"Node 0 hugepages_total={hugepages // 2} hugepages_free=0 hugepages_surp=0 hugepages_size=2048kB"
    written = {"active_anon": meminfo, "65406 pages": f"{2048 * pages} pages RAM", "909 total": huge}
    beginnings = tuple(written)
    return [
        next(written[one] for one in beginnings if line.startswith(one)) if line.startswith(beginnings) else line
        for line in klog.system_report()
    ]


def test_reports_that_differ_only_in_the_kind_of_memory_have_different_reasons() -> None:
    slab, hugepages, shmem = (
        why(klog.kills(lines)[0]).partition(", it held")[0]
        for lines in (report(slab=1484), report(hugepages=1484), report(shmem=1484))
    )
    assert slab == "the machine's 2 GiB are full of unreclaimable kernel slab (1.46 GiB)"
    assert hugepages == "the machine's 2 GiB are full of reserved huge pages (1.45 GiB)"
    assert shmem == "the machine's 2 GiB are full of tmpfs and shared memory (1.45 GiB)"
