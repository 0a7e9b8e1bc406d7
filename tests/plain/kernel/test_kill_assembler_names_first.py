"""Kernel lines that begin with a process's name, at every place of a report: any user chooses 15 bytes of the log.

Each name of `NAMES` is put at the start of each line of `LINES`, and that line at each place of each of `STREAMS`. The
findings must be those of the stream without it: no false kill, none hidden, none with facts of another one.
"""

import itertools
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import pytest
from support import klog
from support.kill_streams import STREAMS, facts
from support.klog import Line, fragment

from otel_oom.kernel import text_escapes

EVERY: Final = int(os.environ.get("OTEL_OOM_EVERY_NAME", "151"))
"""One in how many sequences is tried; 1: all of them. A prime, so that names, lines and places are mixed."""
SEQUENCES_IN_CI: Final = 100_000
CI: Final = Path(__file__).resolve().parents[3] / ".ci/run"

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
    "Task in /x",
    "evil",
]
CONTINUES: Final = "\x01c"
"""At the start of a name: the kernel takes it for KERN_CONT, and the line becomes a fragment."""
NAMES: Final = sorted(
    {line[:15] for line in BEGINNINGS} | {CONTINUES + line[:13] for line in BEGINNINGS} | {"", "\n", ")"}
)
SEGFAULT: Final = "{}[7]: segfault at 0 ip 0000000000401136 sp 00007ffd8f5a1a90 error 6 in vic[401000+1000]"
# Linux 4.19 to 6.18: lines that begin with the name of a process. Other lines have fixed words before a name:
# `traps: `, `audit: `, `cgroup: fork rejected by pids controller in `, `INFO: task `, `process '`, `warning: `,
# `coredump: `, `ptrace attach of `, `x86/split lock detection: `, `usb 1-1: Product: `, `EXT4-fs (`, `oom_reaper: `.
# Names of network interfaces begin lines too, but hold no blank, `/` or `:`.
LINES: Final = [
    SEGFAULT,  # arch/x86/mm/fault.c; the other architectures have forms of their own:
    f"{SEGFAULT} likely on CPU 1 (core 1, socket 0)",
    "{}[7]: segfault (11) at 0 nip 10000684 lr 10000684 code 1 in vic[10000000+10000]",  # powerpc
    "{}[7]: unhandled signal 11 code 0x1 at 0x0000000000000000 in vic[2aaaaaa000+1000]",  # riscv
    "{}[7]: unhandled exception: DABT (lower EL), ESR 0x0000000092000046 in vic[aaaad2f40000+1000]",  # arm64
    "{}[7]: undefined instruction: pc=0000aaaad2f40754",  # arm64
    "{}[7] bad frame in rt_sigreturn frame:00007f ip:7f sp:7f orax:ffffffffffffffff",  # x86
    "{}[7]: bad frame in __arm64_sys_rt_sigreturn: pc=0000aaaad2f40754 sp=0000ffffd8f5a1a0",  # arm64
    "{}[7] vsyscall attempted with vsyscall=none ip:ffffffffff600000 cs:33 sp:7ffd si:0 di:0",
    "{}: Corrupted page table at address 7f5c",
    "{}(7): unaligned access to 0x60000ffffefb8d11, ip=0x4000000000000891",  # ia64
    "{}: page allocation failure: order:4, mode:0x40dc0(GFP_KERNEL|__GFP_COMP), cpuset=/,mems_allowed=0",
    "{}: vmalloc error: size 4096, failed to allocate pages, mode:0xcc2(GFP_KERNEL|__GFP_HIGHMEM), cpuset=/",
    "{}/7: potentially unexpected fatal signal 11.",
    "{}: 7: potentially unexpected fatal signal 11.",  # 6.14+
    "{} (7): drop_caches: 3",
    "{} (7) used greatest stack depth: 12345 bytes left",
    "{} uses obsolete (PF_INET,SOCK_PACKET)",
    "{} (7): /proc/7/oom_adj is deprecated, please use /proc/7/oom_score_adj instead.",
    "{}[7] is installing a program with bpf_probe_write_user helper that may corrupt user memory!",
    "{}[7]: memfd_create() called without MFD_EXEC or MFD_NOEXEC_SEAL set",  # 6.3+
    "{} (7) uses deprecated remap_file_pages() syscall. See Documentation/mm/remap_file_pages.rst.",
    "{} (7): attempted to duplicate a private mapping with mremap.  This is not supported.",
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


def test_ci_runs_a_hundred_thousand_sequences() -> None:
    count = sum(len(NAMES) * len(LINES) * (len(stream) + 1) for stream in STREAMS.values())
    every = re.search(r"OTEL_OOM_EVERY_NAME=(\d+)", CI.read_text())
    assert every
    assert count // int(every[1]) > SEQUENCES_IN_CI
