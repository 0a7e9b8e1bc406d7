"""Kernel log records written by tests: lines in order, fragments, gaps; and the kills that the assembler finds."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from otel_oom.kernel.kill_assembler import Assembler
from otel_oom.kernel.kmsg_record import Record
from otel_oom.kernel.oom_kill import Finding, OomKill

LOST: Final = None
"""In a list of lines: the ring overran here."""

Line = str | Record | None

CAPTURES: Final = sorted((Path(__file__).resolve().parents[1] / "plain" / "data").glob("*.kmsg"))
"""Captures of the repository, each with its golden result beside it."""

HOSTILE_COMMS: Final = [
    "a)",
    "a) (b",
    ")",
    "a,b",
    r"a\x0ab",
    r"\x0aKilled process",
    "init) total-vm:",
    ") total-vm:1kB",
    "), UID 0, x",
    ",task=",
    ",task=,task=",
    ",pid=1,uid=0",
    ",oom_memcg=/x",
    ",task_memcg=/x",
    ",global_oom,",
    " killed as a re",
    "Killed process ",
    " (init)",
    " ",
    "",
    r"\xff" * 15,
]


def record(
    text: str, *, sequence: int = 1, us: int = 1_000, priority: int = 6, flags: str = "-", caller: str | None = None
) -> Record:
    return Record(priority, sequence, us, flags, text, caller)


def in_records(calls: Sequence[str], ends: Iterable[int]) -> list[Line]:
    """A line in several records. ends: after how many of the printk calls a record ends."""
    cuts = [0, *sorted({*ends} - {0, len(calls)}), len(calls)]
    first, *rest = ("".join(calls[begin:end]) for begin, end in itertools.pairwise(cuts))
    return [first, *map(fragment, rest)]


def fragment(text: str, caller: str | None = None) -> Record:
    """A part of a line that did not fit into its record: level 4, flag `c`."""
    return record(text, priority=4, flags="c", caller=caller)


def late(text: str, us: int) -> Record:
    """A line with a time that does not follow from its position."""
    return record(text, us=us)


def numbered(lines: Iterable[Line]) -> list[Record | None]:
    """Records with consecutive numbers, a millisecond apart. A `late` one keeps its time."""
    found: list[Record | None] = []
    for number, line in enumerate(lines, start=1):
        if isinstance(line, str):
            found.append(record(line, sequence=number, us=1_000 * number))
        elif line is LOST:
            found.append(LOST)
        else:
            found.append(replace(line, sequence=number, monotonic_us=max(line.monotonic_us, 1_000 * number)))
    return found


def findings(lines: Iterable[Line], *, page_size: int = 4096, boot_id: str = "boot") -> list[Finding]:
    """The findings of an assembler that gets all lines in one burst."""
    assembler = Assembler(boot_id, page_size)
    found: list[Finding] = []
    for one in numbered(lines):
        if one is LOST:
            assembler.lost()
        else:
            found += assembler.feed(one, observed_ns=one.sequence)
    return [*found, *assembler.release_held()]


def kills(lines: Iterable[Line], *, page_size: int = 4096) -> list[OomKill]:
    return [one for one in findings(lines, page_size=page_size) if isinstance(one, OomKill)]


def killed(pid: int = 100, comm: str = "vic", cause: str = "Memory cgroup out of memory", rss_kb: int = 12288) -> str:
    """A kill line of Linux 5.4 and newer."""
    return (
        f"{cause}: Killed process {pid} ({comm}) total-vm:13532kB, anon-rss:{rss_kb}kB, file-rss:440kB, "
        f"shmem-rss:4kB, UID:7 pgtables:60kB oom_score_adj:-5"
    )


def opener(comm: str = "asker", order: int = 0) -> str:
    return f"{comm} invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order={order}, oom_score_adj=0"


def summary_calls(
    pid: int = 100, comm: str = "vic", memcg: str = "/g", cgroup: str = "/g/x", constraint: str = "CONSTRAINT_MEMCG"
) -> list[str]:
    """The texts of the kernel's printk calls that make an `oom-kill:` line. A record begins with one of them."""
    head = f"oom-kill:constraint={constraint},nodemask=(null)"
    limit, victim = [",oom_memcg=", memcg], [",task_memcg=", cgroup]
    return [head, ",cpuset=", "/", ",mems_allowed=0", *limit, *victim, f",task={comm},pid={pid},uid=7"]


def summary(
    pid: int = 100, comm: str = "vic", memcg: str = "/g", cgroup: str = "/g/x", constraint: str = "CONSTRAINT_MEMCG"
) -> str:
    return "".join(summary_calls(pid, comm, memcg, cgroup, constraint))


def global_summary(pid: int = 100, comm: str = "vic") -> str:
    return (
        "oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),cpuset=/,mems_allowed=0,"
        f"global_oom,task_memcg=/y,task={comm},pid={pid},uid=7"
    )


def group(cgroup: str = "/g") -> str:
    return f"Tasks in {cgroup} are going to be killed due to memory.oom.group set"


TABLE: Final = "[  pid  ]   uid  tgid total_vm      rss pgtables_bytes swapents oom_score_adj name"


def row(pid: int, rss_pages: int, name: str) -> str:
    return f"[{pid:7d}]     7 {pid:5d}     3383 {rss_pages:8d}    61440        0            -5 {name}"


def memcg_report(pid: int = 100, comm: str = "vic", memcg: str = "/g", cgroup: str = "/g/x") -> list[str]:
    """A complete report of a memory cgroup's OOM on 6.1, and its kill line."""
    return [
        opener(),
        "CPU: 1 PID: 99 Comm: asker Not tainted 6.1.0 #1",
        "Call Trace:",
        " <TASK>",
        " dump_stack_lvl+0x44/0x5c",
        " </TASK>",
        "memory: usage 12288kB, limit 12288kB, failcnt 82",
        "swap: usage 0kB, limit 0kB, failcnt 0",
        f"Memory cgroup stats for {memcg}:",
        r"anon 12546048\x0afile 0\x0akernel 36864",
        "Tasks state (memory values in pages):",
        TABLE,
        row(99, 300, "asker"),
        row(pid, 3182, comm),
        summary(pid, comm, memcg, cgroup),
        killed(pid, comm),
    ]


def system_report(pid: int = 100, comm: str = "vic", order: int = 0) -> list[str]:
    """A complete report of a system OOM on 6.1, and its kill line."""
    return [
        opener(order=order),
        "CPU: 1 PID: 99 Comm: asker Not tainted 6.1.0 #1",
        "Mem-Info:",
        r"active_anon:661 inactive_anon:38157 isolated_anon:0\x0a slab_reclaimable:2294\x0a free:482 free_pcp:198",
        "Node 0 DMA free:532kB boost:0kB min:144kB low:180kB high:216kB",
        "909 total pagecache pages",
        "Free swap  = 24kB",
        "Total swap = 1048572kB",
        "65406 pages RAM",
        "0 pages HighMem/MovableOnly",
        "Tasks state (memory values in pages):",
        TABLE,
        row(pid, 3182, comm),
        global_summary(pid, comm),
        killed(pid, comm, "Out of memory"),
    ]
