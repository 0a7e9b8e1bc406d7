"""Usage and statistics of a memory cgroup, in the form of each kernel, and lines that only look like them."""

from __future__ import annotations

import pytest
from support import klog

from otel_oom.kernel.memcg_statistics import MemcgStatistics
from otel_oom.kernel.memory_usage import MemcgUsage

KIB = 1024
V1_LINES = [
    "memory: usage 20480kB, limit 20480kB, failcnt 1204",
    "memory+swap: usage 40940kB, limit 9007199254740988kB, failcnt 6",
    "kmem: usage 220kB, limit 1024kB, failcnt 0",
]


def read(*lines: str) -> MemcgUsage:
    statistics = MemcgStatistics()
    for line in lines:
        statistics.read(line)
    return statistics.values()


def old(path: str, **sizes: int) -> str:
    return f"Memory cgroup stats for {path}:" + "".join(f" {name}:{size}KB" for name, size in sizes.items())


def test_usage_and_limits_of_both_hierarchies() -> None:
    v1 = MemcgUsage(memsw_usage=40940 * KIB, kmem_usage=220 * KIB, kmem_limit=1024 * KIB)
    assert v1 == read(*V1_LINES)
    assert MemcgUsage(swap_usage=5 * KIB, swap_limit=0) == read("swap: usage 5kB, limit 0kB, failcnt 7")


def test_one_record_from_5_3_to_6_4() -> None:
    assert MemcgUsage(anon=12546048, file=7, kernel=36864, slab=344, sock=9) == read(
        r"anon 12546048\x0afile 7\x0akernel 36864\x0asock 9\x0aslab 344\x0aworkingset_refault_anon 3"
    )


def test_one_record_a_line_from_6_5_on() -> None:
    lines = ["anon 5", "file 6", "shmem 1", "file_dirty 2", "file_writeback 3", "unevictable 4", "percpu 8", "pgscan 9"]
    expected = MemcgUsage(anon=5, file=6, shmem=1, file_dirty=2, file_writeback=3, unevictable=4, percpu=8)
    assert expected == read(*lines)


def test_v1_counts_the_cgroup_with_those_below_it() -> None:
    lines = ["cache 1", "rss 2", "shmem 0", "total_cache 10", "total_rss 20", "total_shmem 3", "total_unevictable 4"]
    assert MemcgUsage(file=10, anon=20, shmem=3, unevictable=4) == read(*lines)


def test_until_5_2_the_lines_of_all_descendants_are_added() -> None:
    statistics = MemcgStatistics()
    statistics.add_cgroup(old("/g", cache=1, rss=2, shmem=1, swap=9, dirty=1, writeback=3, unevictable=4))
    statistics.add_cgroup(old("/g/x", cache=10, rss=20, shmem=0, swap=9, dirty=1, writeback=30, unevictable=0))
    expected = MemcgUsage(
        file=11 * KIB, anon=22 * KIB, shmem=KIB, file_dirty=2 * KIB, file_writeback=33 * KIB, unevictable=4 * KIB
    )
    assert expected == statistics.values()


def test_a_sum_without_one_of_its_parts_is_no_sum() -> None:
    for cut in ("Memory cgroup stats for /g/x", old("/g/x", cache=1, rss=2) + " shm", old("/g/x", cache=10**19, rss=1)):
        statistics = MemcgStatistics()
        statistics.add_cgroup(old("/g", cache=1, rss=2))
        statistics.add_cgroup(cut)
        assert MemcgUsage() == statistics.values()


def test_the_numbers_in_a_path_are_not_the_kernels() -> None:
    statistics = MemcgStatistics()
    statistics.add_cgroup(old("/x: cache:7KB rss:8KB", cache=1, rss=2))
    assert MemcgUsage(file=KIB, anon=2 * KIB) == statistics.values()


def test_a_descendant_with_the_words_of_a_chosen_text_is_counted() -> None:
    """`PathLine` gives no path for it; the numbers at its end are the kernel's."""
    report = klog.memcg_report()
    report[8:10] = [old("/g", cache=1, rss=2), old("/g/a: b", cache=10, rss=20)]
    (kill,) = klog.kills(report)
    assert (kill.context.memcg.file, kill.context.memcg.anon) == (11 * KIB, 22 * KIB)


def test_the_end_of_a_long_record_may_be_cut_inside_a_number() -> None:
    names = r"\x0a".join(f"pgscan {number:0100}" for number in range(9))
    assert read(rf"anon 5\x0a{names}\x0asock 1") == MemcgUsage(anon=5)
    assert read(r"anon 5\x0asock 1") == MemcgUsage(anon=5, sock=1)


@pytest.mark.parametrize(
    "line",
    [
        "anon 5[7]: segfault at 0 ip 0 sp 0 error 4",
        r"anon 5\x0afile 6[7]: segfault at 0",
        "anon 5IN=lo OUT= MAC= SRC=127.0.0.1",
        "anon -5",
        "anon 0x5",
        "anon  5",
        "anon 5 ",
        " anon 5",
        "anon",
        "swap: usage 5kB, limit 0kB, failcnt 7[7]: segfault",
        "swap: usage -5kB, limit 0kB, failcnt 7",
        "hugetlb 5",
        "total_swap 5",
        "kmem_usage 5",
    ],
)
def test_other_lines_give_no_fact(line: str) -> None:
    assert MemcgUsage() == read(line)


def test_numbers_that_are_no_measurement() -> None:
    digits = "9" * 4_000
    assert MemcgUsage() == read(f"anon {digits}", f"swap: usage {digits}kB, limit {digits}kB, failcnt {digits}")
    assert MemcgUsage(anon=2**63 - 1) == read(f"anon {2**63 - 1}", f"file {2**63}")


def test_a_mount_gives_no_statistics() -> None:
    report: list[klog.Line] = [*klog.memcg_report()]
    report[9] = klog.record("anon 5", priority=3)
    (kill,) = klog.kills(report)
    assert kill.context.memcg.anon is None


def test_a_system_oom_has_no_cgroups_memory() -> None:
    (kill,) = klog.kills([*klog.system_report()[:4], "anon 5", *klog.system_report()[4:]])
    assert MemcgUsage() == kill.context.memcg


def test_share_of_the_limit() -> None:
    (kill,) = klog.kills(klog.memcg_report())
    assert kill.share_of_limit == (12288 + 440 + 4) / 12288
    (kill,) = klog.kills(klog.system_report())
    assert kill.share_of_limit is None
    (kill,) = klog.kills([line.replace("limit 12288kB", "limit 0kB") for line in klog.memcg_report()])
    assert kill.share_of_limit is None
