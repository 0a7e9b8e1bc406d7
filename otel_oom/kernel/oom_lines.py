r"""The lines of an OOM report as named patterns, each under a sample and the kernels that print it. No I/O.

Source: mm/oom_kill.c. The kill line is in `kill_line`, lines with cgroup paths are in `cgroup_lines`, the memory of the
cgroup in `memcg_statistics`, that of the machine in `mem_info`.

Rules:
- All patterns read text as `kmsg_record.Record.text` holds it: ASCII, one line, other bytes as `\xNN`.
- A process chooses its own name (any 15 bytes), and must not shift a field by it. A line with a name is read from its
  ends, where the kernel's own words stand: the rest is the name.
- A pattern that counts a kill or opens a report matches only from the start of a record, with known first words.
  Other subsystems print text that devices and users choose, but not at the start (`input: <name> as …`).
- Every pattern takes linear time for every text.
- Kernels: 2.6.32 to 6.18, and RHEL 6 to 8. `until` names the last kernel that prints a form.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from typing import Final

from otel_oom.kernel.chosen_text import FOREIGN_WORDS
from otel_oom.kernel.text_escapes import unescape

TASK_COMM_BYTES: Final = 15  # TASK_COMM_LEN less the NUL
INT64_MAX: Final = 2**63 - 1  # the largest number in OTLP; a larger one is no measurement

# A record that may open a report, count a kill or end a report holds one of these. Other records matter only while a
# report is open. A marker is also what "looks like OOM" when user space wrote it.
MARKERS: Final = (
    b"invoked oom-killer",
    b"oom-kill:",
    b"Kill process ",
    b"kill process ",
    b"Killed process ",
    b"killed process ",
    b"killed as a result of limit of ",
    b"no killable processes",
    b"is already exiting. Skip killing",
    b"are going to be killed due",
)
GROUP_MARKER: Final = b"Tasks in "  # at the start of a text; its end (see above) may be in another record
OOM_MARKER: Final = re.compile(b"|".join(map(re.escape, (*MARKERS, b";" + GROUP_MARKER))))
"""Searches the bytes of one record of /dev/kmsg."""
WORDS_OF_MARKERS: Final = (b"ill", GROUP_MARKER)
"""What a marker matches holds one of these, in most cases `kill` or `Kill`: to find them takes a tenth of the time."""
KILLED_PID: Final = re.compile(rb"Killed process (\d{1,10})\b")
"""The same, for the victim's pid: before a line is parsed, and so not proved to be a kill."""

# The cause names the scope: `Memory cgroup …` one memory cgroup, all others the machine. A sysctl may add a word, as in
# `Out of memory (oom_kill_allocating_task)`. `No available memory …`: until 2.6.35
MEMCG_CAUSE: Final = "Memory cgroup out of memory"
POLICY_CAUSES: Final = {
    "No available memory (MPOL_BIND)": "memory_policy",
    "No available memory in cpuset": "cpuset",
}
RESULT_LINE_BEGINNINGS: Final = (
    "Killed process ",
    MEMCG_CAUSE,
    "Out of memory",
    *POLICY_CAUSES,
    "Kernel panic - not syncing: Out of",
)
"""First words of all lines that state a result: a kill, no victim, or a victim that is already exiting."""
CAUSE: Final = (
    rf"(?P<cause>(?:{MEMCG_CAUSE}|Out of memory)(?: \([A-Za-z_ ]{{1,40}}\))?"
    rf"|{'|'.join(map(re.escape, POLICY_CAUSES))})"
)

NODES: Final = r"\d{1,5}(?:[,-]\d{1,5})*"  # of NUMA: `0-1,3`

# python3 invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=0                              (5.0+)
# java invoked oom-killer: gfp_mask=0x6000c0(GFP_KERNEL), nodemask=(null), order=0, oom_score_adj=936      (4.15-4.20)
# java invoked oom-killer: gfp_mask=0x14000c0(GFP_KERNEL), nodemask=(null),  order=0, oom_score_adj=936    (4.11-4.14)
# java invoked oom-killer: gfp_mask=0x24000c0(GFP_KERNEL), nodemask=0-1, order=0, oom_score_adj=936        (4.9, 4.10)
# java invoked oom-killer: gfp_mask=0x24000c0(GFP_KERNEL), order=0, oom_score_adj=936                        (4.6-4.8)
# sed invoked oom-killer: gfp_mask=0x201da, order=0, oom_score_adj=0                                (3.7-4.5, RHEL 7)
# sed invoked oom-killer: gfp_mask=0x201da, order=0, oom_adj=0, oom_score_adj=0                  (2.6.36-3.6, RHEL 6)
# sed invoked oom-killer: gfp_mask=0x201da, order=0, oom_adj=0         (2.6.32-2.6.35; before that: oomkilladj=0)
# x invoked oom-killer: gfp_mask=0x0(), order=0, oom_score_adj=0\x0aoom_policy=default    (proposed with BPF's policies)
_INVOKED: Final = r"(?P<comm>.{0,60}) invoked oom-killer: gfp_mask=(?P<gfp_mask>0x[0-9a-f]+(?:\([^)]*\))?),(?: nodemask=(?P<nodemask>[^ ]*){comma})?"
_NODES: Final = re.compile(NODES)
_OPENER: Final = re.compile(
    _INVOKED.replace("{comma}", ",") + r" +order=(?P<order>-?\d{1,5})(?:, oom\w+=-?\d+)+(?:(?:\\x0a| )oom\w+=[^\s\\]+)*"
)
# 4.11 to 4.14 print it in three pieces. Terminals cut its end.
_OPENER_CUT: Final = re.compile(
    _INVOKED.replace("{comma}", "")
    + r"(?: +order=(?P<order>-?\d{1,5}),(?: oom_adj=-?\d+,)?)?(?: +[a-z_]*=?-?\d{0,5})?(?:\.\.\.)?"
)

# CPU: 1 UID: 0 PID: 25773 Comm: vic Not tainted 6.18.44 #1 PREEMPT(none)                                      (6.12+)
# CPU: 1 PID: 103 Comm: ghog Tainted: G        W          6.1.0-56-cloud-amd64 #1  Debian 6.1.192-2        (3.9-6.11)
# Pid: 31995, comm: java Not tainted 2.6.32-504.el6.x86_64 #1                                              (until 3.8)
# The kernel takes `\x01` and a digit or `c` at the start of a line as its own level: an opener loses them, this line
# keeps them. Source: printk_parse_prefix() in kernel/printk/printk.c
CURRENT_TASK_BEGINNINGS: Final = ("CPU: ", "Pid: ")
CURRENT_TASK: Final = re.compile(
    r"(?:CPU: \d+ (?:UID: \d+ )?PID: (?P<pid>\d{1,10}) Comm: |Pid: (?P<old_pid>\d{1,10}), comm: )"
    r"(?P<levels>(?:\\x01[0-7c])*)(?P<rest>.*)"
)
# Behind the name. No version of a kernel holds the words that follow a chosen text.
AFTER_CURRENT_COMM: Final = re.compile(rf" (?:Kdump: loaded )?(?:Not tainted|Tainted:)(?!.*{FOREIGN_WORDS})")

# asker cpuset=/ mems_allowed=0                                         (2.6.33-4.20; the first word is a process's name)
CPUSET: Final = " cpuset="
MEMS_ALLOWED: Final = re.compile(rf".* mems_allowed=(?P<nodes>{NODES})")  # behind the name of the cpuset

# [  pid  ]   uid  tgid total_vm      rss rss_anon rss_file rss_shmem pgtables_bytes swapents oom_score_adj name  (6.8+)
# [  pid  ]   uid  tgid total_vm      rss pgtables_bytes swapents oom_score_adj name                          (4.19-6.7)
# [ pid ]   uid  tgid total_vm      rss pgtables_bytes swapents oom_score_adj name                           (4.15-4.18)
# [ pid ]   uid  tgid total_vm      rss nr_ptes nr_pmds swapents oom_score_adj name                           (4.1-4.14)
# [ pid ]   uid  tgid total_vm      rss nr_ptes swapents oom_score_adj name                          (3.7-4.0, RHEL 7)
# [ pid ]   uid  tgid total_vm      rss cpu oom_adj oom_score_adj name                            (2.6.36-3.6, RHEL 6)
# [ pid ]   uid  tgid total_vm      rss cpu oom_adj name                                               (2.6.32-2.6.35)
TABLE_HEADER: Final = re.compile(r"\[ *pid *\] +(?P<columns>(?=\w)[\w ]+ name)")

# Memory cgroup out of memory: Kill process 2110 (python3) score 1000 or sacrifice child               (2.6.36-5.0, RHEL)
# Out of memory: kill process 20273 (httpd) score 1285879 or a child                                      (until 2.6.35)
# The named process may be the parent of the process that the kernel then kills.
ANNOUNCE: Final = re.compile(
    rf"{CAUSE}: [Kk]ill process \d{{1,10}} \((?P<comm>.*)\) score -?\d{{1,20}}(?: or (?:sacrifice child|a child))?"
)

# Tasks in /grp are going to be killed due to memory.oom.group set                                              (4.19+)
# A long path comes in fragments, with others' fragments between them. Terminals cut the end. The end is the proof:
# `Tasks in /x[7]: segfault at 0` begins with the name of a process.
GROUP: Final = re.compile(rf"{GROUP_MARKER.decode()}.* are going to be killed due to memory\.oom\.group set")
GROUP_CUT: Final = re.compile(rf"{GROUP_MARKER.decode()}/.*\.\.\.")

# Memory cgroup out of memory: OOM victim 812 (x) is already exiting. Skip killing the task               (5.10+, not all)
ALREADY_EXITING: Final = re.compile(rf"{CAUSE}: OOM victim \d+ \(.*\) is already exiting\. Skip killing the task")

# Out of memory and no killable processes...                                  (4.19+; before 4.19 only as a panic's text)
NO_KILLABLE: Final = re.compile(
    r"(?:Kernel panic - not syncing: )?Out of memory and no killable processes(?:\.\.\.)?(?:\\x0a)?"
)


def is_comm(text: str) -> bool:
    """Return whether an escaped text is short enough for a process name."""
    return len(text) <= TASK_COMM_BYTES or (len(text) <= 4 * TASK_COMM_BYTES and len(unescape(text)) <= TASK_COMM_BYTES)


def number(digits: str | None, unit: int = 1) -> int | None:
    """Return digits * unit. None for no digits, and for more than INT64_MAX: a counter that wrapped."""
    return value if digits and len(digits) < 20 and (value := int(digits) * unit) <= INT64_MAX else None


def int64(value: int | None) -> int | None:
    """Return a sum, None for more than INT64_MAX."""
    return value if value is not None and value <= INT64_MAX else None


def size(kib: str | None) -> int | None:
    """Return a size in bytes, None as `number`. kib: the kernel prints KiB as `kB`."""
    return number(kib, 1024)


def limit(digits: str) -> int | None:
    """Return a memory cgroup's limit in bytes. digits: kB. None if no limit is set: the kernel's largest number.

    These are 9007199254740988 (PAGE_COUNTER_MAX with 4 KiB pages), 9007199254740991 and 18014398509481983 (byte
    counters, until 3.18) and 8589934588 (32-bit kernels).
    """
    kb = number(digits)
    return None if kb is None or kb >= 2**52 or kb == 8589934588 else kb * 1024


@dataclass(frozen=True, slots=True)
class Opener:
    """The line that begins a report.

    comm: still escaped; order: None if the end of the line is missing
    nodemask: NUMA nodes of a memory policy (4.9-4.20); None: no policy, or not printed
    """

    comm: str
    gfp_mask: str
    order: int | None
    nodemask: str | None = None


def parse_opener(text: str) -> Opener | None:
    """Parse an `invoked oom-killer` line. None if it is another line."""
    if " invoked oom-killer: " not in text:
        return None
    line = _OPENER.fullmatch(text) or _OPENER_CUT.fullmatch(text)
    if line is None or not is_comm(line["comm"]):
        return None
    order = line["order"]
    nodemask = line["nodemask"]
    if nodemask is not None and _NODES.fullmatch(nodemask) is None:  # `(null)`
        nodemask = None
    return Opener(line["comm"], line["gfp_mask"], None if order is None else int(order), nodemask)


@functools.lru_cache(maxsize=4)  # one kernel prints one header
def row_pattern(columns: tuple[str, ...]) -> re.Pattern[str]:
    """Return the pattern of a task table's rows. columns: the names of its header, without `pid`.

    A row: `[  25773]     0 25773     3383 … 0 vic`. The name is last, after exactly one blank, and may hold any text.
    Groups: pid, name and, if the table has these columns, rss and oom_score_adj.
    """
    places = {column: place for place, column in enumerate(columns[:-1]) if column in {"rss", "oom_score_adj"}}
    cells, begin = "", 0
    for place, column in sorted((place, column) for column, place in places.items()):
        cells += r" +-?\d{1,20}" * (place - begin) + rf" +(?P<{column}>-?\d{{1,20}})"
        begin = place + 1
    cells += r" +-?\d{1,20}" * (len(columns) - 1 - begin)
    return re.compile(rf"\[ *(?P<pid>\d{{1,10}})\]{cells} (?P<name>.*)")
