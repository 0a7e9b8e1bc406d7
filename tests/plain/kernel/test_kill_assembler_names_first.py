"""Kernel lines that begin with a process's name, at every place of a report: any user chooses 15 bytes of the log.

Each name of `NAMES` is put at the start of each line of `LINES`, and that line at each place of each of `STREAMS`. The
findings must be those of the stream without it: no false kill, none hidden, none with facts of another one.
"""

import itertools
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Final

import pytest
from support import klog
from support.klog import Line, fragment

from otel_oom.kernel import text_escapes
from otel_oom.kernel.oom_kill import Finding, Forged, OomKill

EVERY: Final = int(os.environ.get("OTEL_OOM_EVERY_NAME", "41"))
"""Each how many sequences are tried; 1 tries all. A prime, so that names, lines and places are mixed."""

BEGINNINGS: Final = [
    *klog.memcg_report(),
    *klog.system_report(),
    klog.group("/"),
    klog.group("/x"),
    "Task in /x killed as a result of limit of /x",
    "Task in / killed as a result of limit of /",
    "free:9 a",
    "free:99999999 a",
    " free:9 a:1 b:1",
    "active_anon:1 a",
    "Pid: 1, comm: a",
    "CPU: 1 PID: 1 Comm: asker Not tainted",
    "65406 pages RAM",
    "9 pages RAM",
    "Out of memory: Killed process 1 (x)",
    "Killed process 1 (init)",
    "Killed process ",
    "Out of memory: Kill process 1 (x) score 1 or sacrifice child",
    "Out of memory and no killable processes...",
    "Kernel panic - not syncing: Out of memory",
    "[1] 1 1 1 9 1 1",
    "[    1]1 1 1 9 ",
    "[ pid ] rss name",
    ",task=x,pid=1,u",
    ",oom_memcg=/x",
    ",task_memcg=/x",
    ",global_oom",
    " killed as a re",
    "asker",
    "vic",
    "Tasks in /...",
    "/x",
    "Kdump: loaded",
    "memory: usage 1kB, limit 1kB, failcnt 1",
]
CONTINUES: Final = "\x01c"
"""At the start of a name: the kernel takes it for KERN_CONT, and the line becomes a fragment."""
NAMES: Final = sorted(
    {line[:15] for line in BEGINNINGS} | {CONTINUES + line[:13] for line in BEGINNINGS} | {"", "\n", ")"}
)
SEGFAULT: Final = "{}[7]: segfault at 0 ip 0000000000401136 sp 00007ffd8f5a1a90 error 6 in vic[401000+1000]"
# Linux 4.19 to 6.18: arch/x86/mm/fault.c, mm/page_alloc.c, kernel/signal.c, fs/drop_caches.c and others
LINES: Final = [
    SEGFAULT,
    f"{SEGFAULT} likely on CPU 1 (core 1, socket 0)",
    "{}: page allocation failure: order:4, mode:0x40dc0(GFP_KERNEL|__GFP_COMP), cpuset=/,mems_allowed=0",
    "{}/7: potentially unexpected fatal signal 11.",
    "{} (7): drop_caches: 3",
    "{} (7) used greatest stack depth: 12345 bytes left",
    "{}[7] vsyscall attempted with vsyscall=none ip:ffffffffff600000 cs:33 sp:7ffd si:0 di:0",
    "{}[7] bad frame in rt_sigreturn frame:00007f ip:7f sp:7f orax:ffffffffffffffff",
    "{}: Corrupted page table at address 7f5c",
    "{} uses obsolete (PF_INET,SOCK_PACKET)",
    "{} (7): /proc/7/oom_adj is deprecated, please use /proc/7/oom_score_adj instead.",
    "{}[7] is installing a program with bpf_probe_write_user helper that may corrupt user memory!",
]
GROUP: Final[list[Line]] = [*klog.memcg_report(), klog.group(), klog.killed(101, "sib"), klog.killed()]
STREAMS: Final[dict[str, Sequence[Line]]] = {
    "memcg": [*klog.memcg_report(), klog.killed(200, "two")],
    "system": [*klog.system_report(), klog.killed(200, "two", "Out of memory")],
    "group": [*GROUP, klog.killed(200, "two", "Out of memory")],
    "long group": [
        *klog.memcg_report(),
        "Tasks in ",
        fragment("/g" * 40),
        fragment(klog.group("")[9:]),
        klog.killed(101),
        klog.killed(),
    ],
    "kills alone": [klog.killed(5, "a"), klog.killed(6, "b", "Out of memory"), klog.killed(7, "c")],
}


def facts(found: Sequence[Finding]) -> list[object]:
    """The findings without the numbers of their records, which an additional line moves."""
    found = [one for one in found if not isinstance(one, Forged)]  # nobody is told that a user chose this name
    numbers = {one.uid: number for number, one in enumerate(found) if isinstance(one, OomKill)}
    return [
        {
            **asdict(one.context),
            "line": one.line,
            "cgroup": one.cgroup,
            "scope": one.scope,
            "tgid": one.tgid,
            "user": one.real_user_id,
            "group": numbers.get(one.group_id or ""),
        }
        if isinstance(one, OomKill)
        else (type(one), one.record.text)
        for one in found
    ]


def sequences(stream: Sequence[Line]) -> Iterator[tuple[str, list[Line]]]:
    every = itertools.islice(itertools.product(NAMES, LINES, range(len(stream) + 1)), 0, None, EVERY)
    for name, line, place in every:
        text = line.format(text_escapes.escape(name.removeprefix(CONTINUES).encode()))
        hostile = fragment(text) if name.startswith(CONTINUES) else text
        yield f"{text} at {place}", [*stream[:place], hostile, *stream[place:]]


@pytest.mark.parametrize("name", STREAMS)
def test_a_line_that_begins_with_a_name_changes_no_kill(name: str) -> None:
    expected = facts(klog.findings(STREAMS[name]))
    for text, lines in sequences(STREAMS[name]):
        assert facts(klog.findings(lines)) == expected, text


@pytest.mark.parametrize(("flags", "levels"), [("c", r"\x01c"), ("-", r"\x015"), ("c", r"\x01c\x013")])
def test_a_name_that_begins_like_a_level_costs_no_fact(flags: str, levels: str) -> None:
    """Seen on 6.18: the opener lost these characters, and with `c` it became a fragment."""
    lines: list[Line] = [*klog.memcg_report()]
    lines[0] = klog.record(klog.opener(), priority=4, flags=flags)
    lines[1] = f"CPU: 1 PID: 99 Comm: {levels}asker Not tainted 6.1.0 #1"
    (kill,) = klog.kills(lines)
    assert (kill.context.trigger_comm, kill.context.trigger_pid) == (text_escapes.printable(f"{levels}asker"), 99)
    assert kill.context.completeness == "full"


def test_a_piece_of_a_path_opens_no_report() -> None:
    piece = fragment("/" + klog.opener("a"))
    lines: list[Line] = [*klog.memcg_report(), "Tasks in ", piece, fragment(klog.group("")[9:]), klog.killed()]
    assert [kill.pid for kill in klog.kills(lines)] == [100]


def test_there_are_a_hundred_thousand_sequences() -> None:
    count = sum(len(NAMES) * len(LINES) * (len(stream) + 1) for stream in STREAMS.values())
    assert count > 100_000
