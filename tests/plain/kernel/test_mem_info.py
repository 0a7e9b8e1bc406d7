"""Mem-Info of a system OOM: what filled the machine, in the form of each kernel, and lines that only look like it."""

from __future__ import annotations

import pytest
from support import klog

from otel_oom.kernel.mem_info import MemInfo
from otel_oom.kernel.memory_usage import MachineUsage, Zone

KIB, PAGE = 1024, 4096
NEW = (
    r"active_anon:661 inactive_anon:38157 isolated_anon:1\x0a active_file:2 inactive_file:3 isolated_file:4\x0a"
    r" unevictable:5 dirty:0 writeback:0\x0a slab_reclaimable:6 slab_unreclaimable:7\x0a mapped:608 shmem:909"
    r" pagetables:93\x0a sec_pagetables:0 bounce:0\x0a kernel_misc_reclaimable:0\x0a free:482 free_pcp:198 free_cma:8"
)
GLOBAL, TASK = "global_oom,task_memcg=", "task=vic,pid=100,uid=7"
OWN = f"/,mems_allowed=9,{TASK}"
COUNTED = MachineUsage(
    anon=38819 * PAGE,
    file=9 * PAGE,
    shmem=909 * PAGE,
    unevictable=5 * PAGE,
    slab_reclaimable=6 * PAGE,
    slab_unreclaimable=7 * PAGE,
    pagetables=93 * PAGE,
    free_cma=8 * PAGE,
)


def read(*lines: str) -> MemInfo:
    mem_info = MemInfo(PAGE)
    for line in lines:
        mem_info.read(line)
    return mem_info


def usage(*lines: str, gfp_mask: str | None = "0xcc0(GFP_KERNEL)") -> MachineUsage:
    return read(*lines).usage(gfp_mask)


def zone(name: str, free: int, least: int, *, node: int = 0, managed: int = 1000) -> str:
    return (
        f"Node {node} {name} free:{free}kB boost:0kB min:{least}kB low:180kB high:216kB reserved_highatomic:0KB"
        f" active_anon:0kB present:15992kB managed:{managed}kB mlocked:0kB free_cma:0kB"
    )


def test_the_counts_of_a_record() -> None:
    assert usage(NEW) == COUNTED
    assert read(NEW).sizes == {"memory_free": 482 * PAGE}


def test_the_counts_of_a_text_with_a_line_each() -> None:
    assert usage(*NEW.split(r"\x0a")) == COUNTED


def test_the_counts_of_2_6() -> None:
    old = (
        r"Active_anon:5 active_file:2 inactive_anon:3\x0a inactive_file:4 unevictable:1 dirty:0 writeback:0 unstable:0"
        r"\x0a free:482 slab:99 mapped:6 pagetables:7 bounce:0"
    )
    assert MachineUsage(anon=8 * PAGE, file=6 * PAGE, unevictable=PAGE, pagetables=7 * PAGE) == usage(old)


def test_a_sum_of_lists_needs_both_of_them() -> None:
    assert usage("active_anon:661 inactive_anon:38157").anon == 38818 * PAGE
    assert usage("active_anon:661").anon is None
    assert usage(" active_file:661 isolated_file:2").file is None


def test_stacks_of_zones_and_of_nodes() -> None:
    of_zone = "Node {} Normal free:36692kB min:40kB kernel_stack:{}kB pages_scanned:128 all_unreclaimable? no"
    of_node = "Node {} active_anon:4kB shmem_thp: 0kB kernel_stack:{}kB pagetables:116kB all_unreclaimable? yes"
    for form in (of_zone, of_node, of_node + " Balloon:0kB"):
        assert usage(form.format(0, 440), form.format(1, 552)).kernel_stack == 992 * KIB


def test_huge_pages_of_all_nodes_and_sizes() -> None:
    line = "Node {} hugepages_total={} hugepages_free={} hugepages_surp=0 hugepages_size={}kB"
    found = usage(line.format(0, 700, 1, 2048), line.format(1, 42, 0, 2048), line.format(0, 2, 1, 1048576))
    assert found.hugepages_total == (742 * 2048 + 2 * 1048576) * KIB
    assert found.hugepages_free == (2048 + 1048576) * KIB


@pytest.mark.parametrize(
    ("gfp_mask", "name"),
    [
        ("0x1(GFP_DMA)", "DMA"),
        ("0x4(GFP_DMA32)", "DMA32"),
        ("0xcc0(GFP_KERNEL)", "Normal"),
        ("0x6200c2(GFP_HIGHUSER)", "HighMem"),
        ("0x140dca(GFP_HIGHUSER_MOVABLE|__GFP_COMP|__GFP_ZERO)", "Movable"),
        ("0x201da", "Movable"),
        ("0x0()", "Movable"),
        (None, "Movable"),
    ],
)
def test_only_zones_that_the_allocation_may_use_decide(gfp_mask: str | None, name: str) -> None:
    names = ("DMA", "DMA32", "Normal", "HighMem", "Movable")
    found = usage(*(zone(one, 5, 9, managed=size) for size, one in enumerate(names)), gfp_mask=gfp_mask).zone
    assert found is not None
    assert name == found.name


@pytest.mark.parametrize(
    ("zones", "expected"),
    [
        ([zone("DMA32", 8, 9), zone("Normal", 10, 9, managed=9999)], Zone(0, "DMA32", 8 * KIB, 9 * KIB)),
        ([zone("DMA32", 8, 9), zone("Normal", 7, 9, managed=9999)], Zone(0, "Normal", 7 * KIB, 9 * KIB)),
        ([zone("Normal", 9, 9, node=0), zone("Normal", 99, 9, node=1)], Zone(0, "Normal", 9 * KIB, 9 * KIB)),
        ([zone("Normal", 99, 9, node=0), zone("Normal", 9, 9, node=1)], Zone(1, "Normal", 9 * KIB, 9 * KIB)),
        ([zone("DMA", 10, 9), zone("Normal", 10, 9, managed=9999)], Zone(0, "Normal", 10 * KIB, 9 * KIB)),
        (["Normal free:5kB min:6kB low:7kB"], Zone(None, "Normal", 5 * KIB, 6 * KIB)),  # no NUMA
        (
            ["Normal free:5kB min:6kB low:7kB", "Normal: 1*4kB 0*8kB = 4kB"],
            Zone(None, "Normal", 5 * KIB, 6 * KIB, largest_order=0),
        ),
        ([zone("Movable", 1, 2)], None),  # GFP_KERNEL may not use it
        ([zone("DMA", 1, 2), "Node 0 Normal free:5kB min:"], None),  # a terminal cut the line of another zone
    ],
)
def test_the_zone_that_decided(zones: list[str], expected: Zone | None) -> None:
    assert expected == usage(*zones).zone


@pytest.mark.parametrize(
    ("blocks", "order"),
    [
        ("Node 0 DMA32: 4028*4kB (UME) 2*8kB (U) 1*16kB (M) 0*32kB 0*64kB = 16144kB", 2),
        ("Node 0 DMA32: 10*4kB (E) 3*8kB (CUH) 7*16kB (C) 1*32kB (H) 2*64kB (R) = 432kB ", 1),
        ("Node 0 DMA32: 13*64kB 5*128kB 0*256kB = 1472kB", 1),  # until 3.7, and with pages of 64 KiB
        ("Node 0 DMA32: 0*4kB 0*8kB 0*16kB = 0kB", -1),
        ("Node 1 Normal: 0*4kB 0*8kB 1*16kB (U) = 16kB", None),  # it decides nothing
        ("Node 1 DMA32: 0*4kB 0*8kB 1*16kB (U) = 16kB", None),
        ("DMA32: 0*4kB 0*8kB 1*16kB (U) = 16kB", None),
        ("Node 0 DMA32: 4028*4kB (UME) 2*8kB (U)", None),  # a terminal cut it
        ("Node 0 DMA32: 4028*4kB (UME) a 2*8kB (U) = 16128kB", None),
    ],
)
def test_the_free_blocks_of_that_zone(blocks: str, order: int | None) -> None:
    found = usage(zone("DMA32", 8, 9), zone("Normal", 99, 9, node=1), blocks).zone
    assert found == Zone(0, "DMA32", 8 * KIB, 9 * KIB, order)


def test_sums_without_a_part_are_no_sums() -> None:
    cut = "Node 1 Normal free:5kB min:6"
    assert usage(zone("DMA", 5, 9), zone("Normal", 6, 9)).zones_free == 11 * KIB
    for line in (cut, "Node 1 ", "Node 1 Normal free:99999999999999999999kB min:6kB"):
        found = usage(zone("DMA", 5, 9), "Node 0 active_anon:1kB kernel_stack:5kB", line)
        assert (found.zones_free, found.zone) == (None, None)
    node = "Node {} active_anon:1kB kernel_stack:5kB"
    assert usage(node.format(0), node.format(1)).kernel_stack == 10 * KIB
    assert usage(node.format(0), node.format(1)[: -len("ack:5kB")]).kernel_stack is None
    assert usage(node.format(0), node.format(1)[: -len(" kernel_stack:5kB")]).kernel_stack is None
    huge = "Node 0 hugepages_total=7 hugepages_free=7 hugepages_surp=0 hugepages_size=2048kB"
    assert usage(huge, "Node 1 hugepages_total=7 hugepages_free=7").hugepages_total is None


def test_a_second_mem_info_replaces_the_first() -> None:
    huge = "Node 0 hugepages_total=7 hugepages_free=7 hugepages_surp=0 hugepages_size=2048kB"
    lines = [NEW, zone("Normal", 5, 9), huge]
    assert usage(*lines) == usage(*lines, *lines)
    assert usage(*lines, NEW) == COUNTED


@pytest.mark.parametrize(
    ("line", "pages"),
    [
        (r"active_anon:6 inactive_anon:3\x0a slab_reclaimable:2\x0a free:482 free_pcp:198 free_cma:0", 482),
        (r"active_anon:6 inactive_anon:5\x0a free:482 slab_reclaimable:16 slab_unreclaimable:1\x0a mapped:9", 482),
        (" free:482 slab_reclaimable:1635 slab_unreclaimable:1919", 482),
        ("free:482 free_pcp:2958 free_cma:0", 482),
        ("Node 0 DMA free:7124kB min:412kB low:512kB", None),
        ("free:7124kB min:412kB", None),
        ("free:99999999 a[7]: segfault at 0 ip 0 sp 0 error 4", None),  # a process chose this name
        (" free:482 free_pc", 482),  # a terminal cut it
    ],
)
def test_the_number_of_free_pages_is_read(line: str, pages: int | None) -> None:
    assert read(line).sizes.get("memory_free") == (None if pages is None else pages * PAGE)


@pytest.mark.parametrize("line", ["65406 pages RAM", "65406 pages of RAM"])
def test_the_size_of_ram_is_read(line: str) -> None:
    assert read(line).sizes == {"memory_total": 65406 * PAGE}


@pytest.mark.parametrize(
    "line",
    [
        "DMA free:1kB[7]: segfault at 0 ip 0 sp 0 error 4",
        "Node 0 DMA free[7]: segfault at 0 ip 0 sp 0 error 4",
        "Node 0 [7]: segfault at 0 ip 0 sp 0 error 4",
        "unevictable:5[7]: segfault at 0",
        r"active_anon:5\x0a[7]: segfault at 0",
        "Node 0 DMA free:1kB min:2kBIN=lo OUT= MAC=",
        "Node 0 hugepages_total=5 hugepages_free=5 hugepages_surp=0 hugepages_size=2048kBIN=lo OUT=",
        "Node 0 DMA: 1*4kB (U) 0*8kB 1*16kB (M) = 532kB",
        "Node 0 DMA per-cpu:",
        "active_anon:-5 inactive_anon:-5",
        "Node 0 DMA free:-1kB min:2kB",
        "lowmem_reserve[]: 0 99 99 99 99",
        "0 pages HighMem/MovableOnly",
    ],
)
def test_other_lines_give_and_take_no_fact(line: str) -> None:
    lines = [NEW, zone("Normal", 5, 9), "Node 0 hugepages_total=7 hugepages_free=7 hugepages_surp=0 hugepages_size=4kB"]
    assert usage(*lines) == usage(*lines, line)
    assert read(line).is_empty


def test_numbers_that_are_no_measurement() -> None:
    digits = "9" * 4_000
    lines = [
        f"active_anon:{digits} inactive_anon:5",
        f"Node 0 DMA free:{digits}kB min:5kB kernel_stack:{digits}kB",
        f"Node 0 hugepages_total={digits} hugepages_free=0 hugepages_surp=0 hugepages_size=4kB",
        f"Node 0 hugepages_total=1 hugepages_free=0 hugepages_surp=0 hugepages_size={digits}kB",
    ]
    assert MachineUsage() == usage(*lines)
    most = 2**63 // KIB - 1
    assert usage(zone("DMA", most, 1)).zones_free == most * KIB
    assert usage(zone("DMA", most, 1), zone("DMA32", most, 1)).zones_free is None


def test_three_reports_that_differ_in_one_number() -> None:
    """1.45 GiB of slab, of huge pages or of tmpfs."""
    pages = 380_108
    slab, tmpfs = (f"{name}:{pages}" for name in ("slab_unreclaimable", "shmem"))
    huge = f"Node 0 hugepages_total={pages // 512} hugepages_free=0 hugepages_surp=0 hugepages_size=2048kB"
    none = "Node 0 hugepages_total=0 hugepages_free=0 hugepages_surp=0 hugepages_size=2048kB"
    facts = set()
    for counts, huge_pages in ((NEW, huge), (NEW.replace("slab_unreclaimable:7", slab), none),
                               (NEW.replace("shmem:909", tmpfs), none)):  # fmt: skip
        report = klog.system_report()
        report[3:4] = [counts, huge_pages]
        (kill,) = klog.kills(report)
        machine = kill.context.machine
        facts.add((machine.slab_unreclaimable, machine.shmem, machine.hugepages_total))
    small_slab, small_shmem, size = 7 * PAGE, 909 * PAGE, pages * PAGE
    assert facts == {(small_slab, small_shmem, pages // 512 * 2**21), (size, small_shmem, 0), (small_slab, size, 0)}


def test_a_mount_gives_no_fact_where_the_kernel_printed_its_own() -> None:
    forged = [klog.record(line, priority=3) for line in (NEW.replace("shmem:909", "shmem:1"), zone("DMA", 1, 2))]
    lines = klog.system_report()
    (expected,) = klog.kills(lines)
    (kill,) = klog.kills([*lines[:8], *forged, *lines[8:]])
    assert expected.context.machine == kill.context.machine


def test_a_console_level_of_3_gives_the_facts_of_a_whole_report() -> None:
    """`kernel.printk = 3 3 3 3` makes lines without a level errors."""
    lines = [NEW, zone("Normal", 5, 9)]
    report: list[klog.Line] = [*klog.system_report()]
    report[3:5] = [klog.record(line, priority=3) for line in lines]
    (kill,) = klog.kills(report)
    assert usage(*lines) == kill.context.machine


def test_a_cgroups_oom_has_no_machines_memory() -> None:
    report = klog.memcg_report()
    (kill,) = klog.kills([*report[:6], NEW, *report[6:]])
    assert MachineUsage() == kill.context.machine
    assert (kill.context.nodemask, kill.context.mems_allowed) == (None, None)


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([f"oom-kill:constraint=CONSTRAINT_MEMORY_POLICY,nodemask=0-1,3,cpuset=a,mems_allowed=0-3,{GLOBAL}/y,{TASK}"],
         ("0-1,3", "0-3")),
        ([f"oom-kill:constraint=CONSTRAINT_CPUSET,nodemask=(null),cpuset=x,mems_allowed=7,mems_allowed=1,{GLOBAL}{OWN}"],
         (None, "1")),
        ([f"oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),cpuset=/,mems_allowed=0-1,{GLOBAL}/,{GLOBAL}{OWN}"],
         (None, "0-1")),
        (["oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),task=,mems_allowed=5,pid=100,uid=7"], (None, None)),
        (["asker cpuset=a mems_allowed=7 mems_allowed=0-1"], (None, "0-1")),
        ([klog.record("asker cpuset=a mems_allowed=7", priority=3)], (None, None)),
        (["asker cpuset=/ mems_allowed=7[7]: segfault at 0"], (None, None)),
    ],
)  # fmt: skip
def test_the_nodes_of_the_allocation(lines: list[klog.Line], expected: tuple[str | None, str | None]) -> None:
    report: list[klog.Line] = [line for line in klog.system_report() if not line.startswith("oom-kill:")]
    (kill,) = klog.kills([*report[:-1], *lines, report[-1]])
    assert expected == (kill.context.nodemask, kill.context.mems_allowed)
