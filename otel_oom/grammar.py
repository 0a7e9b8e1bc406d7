r"""The lines of the kernel's OOM killer as named patterns, each under a sample and the kernels that print it.

Source: mm/oom_kill.c, mm/memcontrol.c and mm/show_mem.c (before 6.4: lib/show_mem.c, mm/page_alloc.c). No I/O.

Rules:
- All patterns read text as `kmsg.Record.text` holds it: ASCII, one line, other bytes as `\xNN`.
- A process chooses its name (any 15 bytes), whoever makes a cgroup chooses its name (255 bytes, no `/`). Neither
  may shift a field, so a line with names in it is taken apart from its ends, where the kernel's own words stand:
  a name is what remains. Where two cuts fit, facts from elsewhere in the report decide.
- A pattern that may count a kill is anchored at the start of the record, and knows its prefixes by name: other
  subsystems print text that devices and users choose, but never at the start (`input: <name> as …`).
- No pattern takes more than linear time, whatever a name was built for.
- Kernels here: 4.19 to 6.18. An older form is one more pattern beside the newest of its kind.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from otel_oom.kmsg import unescape

TASK_COMM_BYTES: Final = 15  # TASK_COMM_LEN less the NUL
INT64_MAX: Final = 2**63 - 1  # what a number in telemetry can hold; one that is larger was never measured

# A record that may open a report, count a kill or end a report holds one of these. Everything else matters only
# while a report is open. It is also what "looks like OOM" means when user space wrote it.
ANCHOR: Final = re.compile(
    rb"invoked oom-killer|oom-kill:|Kill(?:ed)? process |;Tasks in |no killable processes"
    rb"|is already exiting\. Skip"
)

# `Memory cgroup out of memory` also where a whole group goes; `Out of memory (oom_kill_allocating_task)`: that sysctl.
MEMCG_CAUSE: Final = "Memory cgroup out of memory"
_CAUSE: Final = rf"(?P<cause>{MEMCG_CAUSE}|Out of memory(?: \([a-z_]+\))?)"

# python3 invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=0                              (5.0+)
# java invoked oom-killer: gfp_mask=0x6000c0(GFP_KERNEL), nodemask=(null), order=0, oom_score_adj=936      (4.15-4.20)
_OPENER: Final = re.compile(
    r"(?P<comm>.{0,60}) invoked oom-killer: gfp_mask=(?P<gfp_mask>0x[0-9a-f]+(?:\([^)]*\))?),"
    r"(?: nodemask=[^ ]*,)? +order=(?P<order>-?\d{1,5})(?:, oom\w+=-?\d+)+(?:(?:\\x0a| )\w+=[^\s\\]+)*"
)

# CPU: 1 PID: 103 Comm: ghog Tainted: G        W          6.1.0-56-cloud-amd64 #1  Debian 6.1.192-2        (3.9-6.11)
# CPU: 1 UID: 0 PID: 25773 Comm: vic Not tainted 6.18.44 #1 PREEMPT(none)                                      (6.12+)
CURRENT_TASK: Final = re.compile(r"CPU: \d+ (?:UID: \d+ )?PID: (?P<pid>\d{1,10}) Comm: (?P<rest>.*)")

# memory: usage 12288kB, limit 12288kB, failcnt 82                                                                (all)
MEMCG_USAGE: Final = re.compile(r"memory: usage (?P<usage>\d+)kB, limit (?P<limit>\d+)kB, failcnt \d+")

# Memory cgroup stats for /grp:                                              (5.3+; before, the numbers follow at once)
STATS: Final = "Memory cgroup stats for "
MEMCG_STATS: Final = re.compile(r"Memory cgroup stats for (?P<path>/.*?):(?: cache:\d+KB .*)?")

# Task in /docker/4f1c killed as a result of limit of /docker                                           (until 4.20)
TASK_IN: Final = "Task in "
_AS_A_RESULT: Final = " killed as a result of limit of "

# [  pid  ]   uid  tgid total_vm      rss pgtables_bytes swapents oom_score_adj name                          (4.19-6.7)
# [  pid  ]   uid  tgid total_vm      rss rss_anon rss_file rss_shmem pgtables_bytes swapents oom_score_adj name  (6.8+)
TABLE_HEADER: Final = re.compile(r"\[ *pid *\] +(?P<columns>(?=\w)[\w ]+ name)")

# active_anon:661 inactive_anon:38157 … free:482 free_pcp:198 free_cma:0             (all; one record, \x0a between lines)
FREE_PAGES: Final = re.compile(r"active_anon:\d+ .*\\x0a free:(?P<pages>\d+) ")
# 65406 pages RAM                                                                                                 (all)
RAM_PAGES: Final = re.compile(r"(?P<pages>\d+) pages RAM")
# Free swap  = 0kB                                                                                                (all)
# Total swap = 0kB
SWAP: Final = re.compile(r"(?P<which>Free|Total) swap +=\s*(?P<kb>\d+)kB")

# oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,oom_memcg=/g,task_memcg=/g,task=vic,pid=25773,uid=0
# oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),cpuset=/,mems_allowed=0-1,global_oom,task_memcg=/,task=x,pid=187,uid=0
# (5.0+ and RHEL8's 4.18; no cpuset part without CONFIG_CPUSETS, no memcg parts without CONFIG_MEMCG)
SUMMARY: Final = "oom-kill:"
_SUMMARY_ENDS: Final = re.compile(
    r"oom-kill:constraint=(?P<constraint>\w+),(?P<middle>.*),pid=(?P<pid>\d{1,10}),uid=(?P<uid>\d{1,10})"
)

_GLOBAL: Final = ",global_oom,task_memcg="
# Lines that hold a cgroup's path, so that their ends may come as fragments.
HEADS: Final = (SUMMARY, TASK_IN, STATS)

# Memory cgroup out of memory: Kill process 2110 (python3) score 1000 or sacrifice child                   (until 5.0)
ANNOUNCE: Final = re.compile(rf"{_CAUSE}: Kill process \d+ \(.*\) score \d+ or sacrifice child")

# Memory cgroup out of memory: Killed process 2110 (python3) total-vm:67880kB, anon-rss:20480kB, file-rss:1056kB, shmem-rss:0kB, UID:0 pgtables:80kB oom_score_adj:0
# (5.4+; 5.1-5.3 end after shmem-rss; before 5.1 there is no prefix either; RHEL puts `, UID 0,` before or behind the name)
_KILLED: Final = re.compile(rf"(?:{_CAUSE}: )?Killed process (?P<pid>\d{{1,10}})(?:, UID \d+,)? \((?P<rest>.*)")
# Greedy: the last `) total-vm:` is the kernel's, earlier ones are the name's.
_KILLED_REST: Final = re.compile(r"(?P<comm>.*)\)(?:, UID \d+,)? (?P<numbers>total-vm:.*)")
_NUMBER: Final = re.compile(r"\b(total-vm|anon-rss|file-rss|shmem-rss|pgtables|UID|oom_score_adj):(-?\d+)")

# Tasks in /grp are going to be killed due to memory.oom.group set                                              (4.19+)
GROUP: Final = "Tasks in "

# Memory cgroup out of memory: OOM victim 812 (x) is already exiting. Skip killing the task               (5.10+, not all)
ALREADY_EXITING: Final = re.compile(rf"{_CAUSE}: OOM victim \d+ \(.*\) is already exiting\. Skip killing the task")

# Out of memory and no killable processes...                                                                    (4.19+)
NO_KILLABLE: Final = "Out of memory and no killable processes..."


@dataclass(frozen=True, slots=True)
class Killed:
    """A `Killed process` line. Sizes are bytes; None is what this kernel does not print. `comm` is still escaped."""

    cause: str | None
    pid: int
    comm: str | None
    total_vm: int | None = None
    rss_anon: int | None = None
    rss_file: int | None = None
    rss_shmem: int | None = None
    pgtables: int | None = None
    uid: int | None = None
    score_adj: int | None = None


@dataclass(frozen=True, slots=True)
class Summary:
    """An `oom-kill:` line. Paths are still escaped; `is_global` where the kernel printed `global_oom`."""

    constraint: str
    pid: int
    uid: int
    is_global: bool
    oom_memcg: str | None
    task_memcg: str | None


def is_comm(text: str) -> bool:
    """Whether an escaped text is short enough to be a process name."""
    return len(text) <= 4 * TASK_COMM_BYTES and len(unescape(text)) <= TASK_COMM_BYTES


def size(digits: str | None, unit: int = 1024) -> int | None:
    """Bytes, or None for a number that no measure gives: a counter that wrapped, more digits than int() takes."""
    return value if digits and len(digits) < 20 and (value := int(digits) * unit) <= INT64_MAX else None


def opener(text: str) -> dict[str, str] | None:
    """comm, gfp_mask and order of an `invoked oom-killer` line."""
    line = _OPENER.fullmatch(text)
    return line.groupdict() if line and is_comm(line["comm"]) else None


def killed(text: str) -> Killed | None:
    """Parse a `Killed process` line. It counts even if its tail is of a form never seen: then pid and name alone."""
    head = _KILLED.fullmatch(text)
    if head is None:
        return None
    pid, cause = int(head["pid"]), head["cause"]
    rest = _KILLED_REST.fullmatch(head["rest"])
    if rest is None:
        return Killed(cause, pid, next((comm for comm, _ in _cuts(head["rest"], ")") if is_comm(comm)), None))
    numbers = dict(_NUMBER.findall(rest["numbers"]))
    return Killed(
        cause=cause,
        pid=pid,
        comm=rest["comm"],
        total_vm=size(numbers.get("total-vm")),
        rss_anon=size(numbers.get("anon-rss")),
        rss_file=size(numbers.get("file-rss")),
        rss_shmem=size(numbers.get("shmem-rss")),
        pgtables=size(numbers.get("pgtables")),
        uid=size(numbers.get("UID"), 1),
        score_adj=size(numbers.get("oom_score_adj"), 1),
    )


def summary(text: str, *, comm: str | None = None, oom_memcg: str | None = None) -> Summary | None:
    """Parse an `oom-kill:` line.

    comm, oom_memcg: the victim's name from the kill line and the path from `Memory cgroup stats for`, both as the
    kernel escaped them, where known: they decide between cuts that the text alone leaves open.
    """
    ends = _SUMMARY_ENDS.fullmatch(text)
    if ends is None:
        return None
    middle = ends["middle"]
    # No cpuset name holds a `/`, so the first `,oom_memcg=/` or `,global_oom,task_memcg=/` is the kernel's.
    limit, everywhere = middle.find(",oom_memcg=/"), middle.find(_GLOBAL + "/")
    paths: tuple[str | None, str | None] = (None, None)
    is_global = everywhere >= 0 and (limit < 0 or everywhere < limit)
    if is_global:
        paths = (None, _task_memcg(middle[everywhere:].removeprefix(_GLOBAL), comm))
    elif limit >= 0:
        paths = _memcg_paths(middle[limit:].removeprefix(",oom_memcg="), comm, oom_memcg)
    return Summary(ends["constraint"], int(ends["pid"]), int(ends["uid"]), is_global, *paths)


def task_in(text: str) -> tuple[str, str] | None:
    """(task_memcg, oom_memcg) of a `Task in … killed as a result of limit of …` line."""
    if not text.startswith(TASK_IN):
        return None
    body = text.removeprefix(TASK_IN)
    for task_memcg, oom_memcg in _cuts(body, _AS_A_RESULT):
        if _is_below(task_memcg, oom_memcg):
            return task_memcg, oom_memcg
    return None


def row(text: str, columns: list[str]) -> dict[str, str] | None:
    """One row of the task table by the names of its header: `[  25773]     0 25773     3383 … 0 vic`.

    The name stands last, behind exactly one blank, and may hold anything.
    """
    cells = _row_pattern(len(columns)).fullmatch(text)
    if cells is None:
        return None
    return {"pid": cells[1], "name": cells[3], **dict(zip(columns, cells[2].split(), strict=False))}


@functools.lru_cache(maxsize=4)  # one kernel prints one header
def _row_pattern(columns: int) -> re.Pattern[str]:
    return re.compile(rf"\[ *(\d{{1,10}})\]((?: +-?\d{{1,20}}){{{columns - 1}}}) (.*)")


def _cuts(text: str, mark: str) -> Iterator[tuple[str, str]]:
    """All ways to cut a text in two at a mark, the last occurrence first."""
    at = text.rfind(mark)
    while at >= 0:
        yield text[:at], text[at + len(mark) :]
        at = text.rfind(mark, 0, at)


def _is_below(path: str, ancestor: str) -> bool:
    return path == ancestor or path.startswith(ancestor.removesuffix("/") + "/")


def _task_memcg(body: str, comm: str | None) -> str | None:
    """The path in `<task_memcg>,task=<comm>`: the victim's own name decides, else the shortest possible name."""
    cuts = [(path, name) for path, name in _cuts(body, ",task=") if is_comm(name)]
    return next((path for path, name in cuts if name == comm), cuts[0][0] if cuts else None)


def _memcg_paths(body: str, comm: str | None, known: str | None) -> tuple[str | None, str | None]:
    """(oom_memcg, task_memcg) of `<oom_memcg>,task_memcg=<task_memcg>,task=<comm>`: the victim lives at or below."""
    task_memcg = _task_memcg(body, comm)
    if task_memcg is None:
        return None, None
    fits = [cut for cut in _cuts(task_memcg, ",task_memcg=") if _is_below(path=cut[1], ancestor=cut[0])]
    for oom_memcg, path in fits:
        if oom_memcg == known:
            return oom_memcg, path
    return fits[0] if len(fits) == 1 else (None, None)
