r"""Lines whose text root of a container chose, at every place of a report: they give no fact to any kill.

A mount that fails prints a chosen text of any length, with or without words of the kernel behind it: printk cuts the
text at 1 KiB, and then removes each `\x01` and digit at its start. Its level is always KERN_ERR. A rule of netfilter
that logs has any level, and the kernel's words always follow its prefix.
"""

import itertools
import os
from collections.abc import Iterator, Sequence

import pytest
from support import klog
from support.kill_streams import STREAMS, facts
from support.klog import Line

from otel_oom.kernel.kmsg_record import Record
from otel_oom.kernel.oom_kill import Forged

NETFILTER = "IN=lo OUT= MAC=00:00:00:00:00:00 SRC=127.0.0.1 DST=127.0.0.1 LEN=28 TOS=0x00 PREC=0x00 TTL=64 ID=1 DF "
NETFILTER_TAILS = [
    NETFILTER + "PROTO=UDP SPT=1 DPT=9 LEN=8 ",
    NETFILTER.replace("OUT=", "OUT=eth0"),
    NETFILTER.replace("IN=lo OUT=", "IN= OUT=lo").replace("DF ", "PROTO=ICMP TYPE=8 CODE=0 ID=7 SEQ=1 UID=0 GID=0 "),
]  # nf_log_dump_packet_common() and dump_ipv4_packet() in net/netfilter/nf_log_syslog.c
RESULTS = [
    klog.killed(666, "evil"),
    klog.killed(666, "evil", "Out of memory"),
    "Killed process 666 (evil) total-vm:9kB, anon-rss:9kB, file-rss:9kB, shmem-rss:0kB",
]
FACTS = [
    klog.opener("evil"),
    "evil invoked oom-killer: gfp_mask=0x1(A), nodemask=(null), order=0, oom_score_adj=0",
    klog.summary(666, "evil", "/evil", "/evil"),
    klog.summary(memcg="/evil", cgroup="/evil"),
    klog.summary(memcg="/g", cgroup="/g/evil"),
    klog.summary(memcg="/evil", cgroup="/evil").partition(",task=")[0],
    klog.summary(memcg="/evil", cgroup="").partition(",task=")[0],
    klog.global_summary(666, "evil"),
    "Task in /evil killed as a result of limit of /evil",
    "Task in /evil killed as a result of limit of ",
    "Task in ",
    "Memory cgroup stats for /evil:",
    "Memory cgroup stats for ",
    "memory: usage 666kB, limit 666kB, failcnt 666",
    "CPU: 1 PID: 666 Comm: asker Not tainted 6.1.0 #1",
    "Pid: 666, comm: asker Not tainted 3.2.0 #1",
    klog.TABLE.replace(" rss ", " evil "),
    klog.row(666, 999_999, "evil"),
    "666 pages RAM",
    "Free swap  = 666kB",
    "Total swap = 666kB",
    r"active_anon:6 inactive_anon:6\x0a free:666",
    klog.group("/g"),
    klog.group("/evil"),
    "Tasks in ",
    " are going to be killed due to memory.oom.group set",
    "/evil",
    ",oom_memcg=/evil",
    ",task_memcg=/evil,task=vic,pid=100,uid=7",
    ",task=vic,pid=100,uid=7",
    " killed as a result of limit of /evil",
    ",  order=6, oom_score_adj=0",
    "Out of memory and no killable processes...",
    "Kernel panic - not syncing: Out of memory and no killable processes...",
    "Memory cgroup out of memory: OOM victim 666 (evil) is already exiting. Skip killing the task",
]


EVERY = min(7, int(os.environ.get("OTEL_OOM_EVERY_NAME", "7")))
"""One in how many sequences is tried; 1: all of them. A prime, so that lines and places are mixed."""


def sequences(stream: Sequence[Line], hostile: Sequence[Record]) -> Iterator[tuple[str, list[Line]]]:
    for one, place in itertools.islice(itertools.product(hostile, range(len(stream) + 1)), 0, None, EVERY):
        yield f"{one} at {place}", [*stream[:place], one, *stream[place:]]


@pytest.mark.parametrize("name", STREAMS)
def test_a_mount_changes_no_kill(name: str) -> None:
    stream = STREAMS[name]
    expected = facts(klog.findings(stream))
    tails = ["", ": Can't lookup", ": Can't lookup blockdev"]
    hostile = [
        klog.record(text + tail, priority=3, flags=flags)
        for text, tail, flags in itertools.product(FACTS, tails, ["-", "c"])
    ]
    for text, lines in sequences(stream, hostile):
        assert facts(klog.findings(lines)) == expected, text


@pytest.mark.parametrize("name", STREAMS)
def test_a_rule_of_netfilter_changes_no_kill(name: str) -> None:
    stream = STREAMS[name]
    expected = facts(klog.findings(stream))
    hostile = [
        klog.record(text[:127] + tail, priority=priority, flags=flags)
        for text, tail, priority, flags in itertools.product(FACTS + RESULTS, NETFILTER_TAILS, [4, 6], ["-", "c"])
    ]
    for text, lines in sequences(stream, hostile):
        assert facts(klog.findings(lines)) == expected, text


@pytest.mark.parametrize("cause", ["Memory cgroup out of memory", "Out of memory"])
def test_a_forged_announcement_groups_and_separates_nothing(cause: str) -> None:
    """It has the level of a mount. Kernels that print `Can't lookup blockdev` print no announcement."""
    forged = klog.record(f"{cause}: Kill process 666 (evil) score 9 or sacrifice child", priority=3)
    for name in ("memcg", "group", "long group", "kills alone"):
        stream = STREAMS[name]
        expected = facts(klog.findings(stream))
        kill_at = next(at for at, line in enumerate(stream) if isinstance(line, str) and "Killed" in line)
        for place in range(kill_at + 1, len(stream) + 1):
            assert facts(klog.findings([*stream[:place], forged, *stream[place:]])) == expected


@pytest.mark.parametrize("tail", ["IN=lo OUT= MAC=", ": Can't lookup blockdev", " sharing same memory", " IN="])
def test_an_announcement_with_a_foreign_end_names_no_scope(tail: str) -> None:
    old = "Killed process 100 (vic) total-vm:1kB, anon-rss:2kB, file-rss:3kB"
    (kill,) = klog.kills([f"Memory cgroup out of memory: Kill process 1 (x) score 9{tail}", old])
    assert kill.scope == "system"
    (kill,) = klog.kills([f"No available memory (MPOL_BIND): kill process 1 (x) score 9 or a child{tail}", old])
    assert kill.context.constraint is None


def test_an_oom_without_a_victim_at_the_level_of_a_mount_is_forged() -> None:
    (found,) = klog.findings([klog.record("Out of memory and no killable processes...", priority=3)])
    assert isinstance(found, Forged)


def test_lines_without_a_level_are_read_where_the_default_level_is_that_of_a_mount() -> None:
    """`kernel.printk = 3 3 3 3`: the stack and Mem-Info have KERN_ERR, all other lines keep their own level."""
    report = klog.system_report()
    (expected,) = klog.kills(report)
    (kill,) = klog.kills([klog.record(line, priority=3) if 0 < at < 10 else line for at, line in enumerate(report)])
    assert (kill.context, kill.cgroup) == (expected.context, expected.cgroup)


def test_after_a_gap_lines_at_the_level_of_a_mount_give_nothing() -> None:
    forged = [klog.record(text, priority=3) for text in ("666 pages RAM", "Free swap  = 666kB")]
    (kill,) = klog.kills([*klog.system_report()[:3], klog.LOST, *forged, *klog.system_report()[-2:]])
    assert (kill.context.memory_total, kill.context.swap_free) == (None, None)
