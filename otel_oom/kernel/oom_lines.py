r"""The lines of the kernel's OOM killer as named patterns, each under a sample and the kernels that print it.

Source: mm/oom_kill.c, mm/memcontrol.c and mm/show_mem.c (before 6.4: lib/show_mem.c, mm/page_alloc.c). No I/O.
Lines with cgroups' paths in them are in `paths`.

Rules:
- All patterns read text as `kmsg.Record.text` holds it: ASCII, one line, other bytes as `\xNN`.
- A process chooses its name (any 15 bytes), whoever makes a cgroup chooses its name (255 bytes, no `/`). Neither
  may shift a field, so a line with names in it is taken apart from its ends, where the kernel's own words stand:
  a name is what remains. Where two cuts fit, facts from elsewhere in the report decide.
- A pattern that may count a kill is anchored at the start of the record, and knows its prefixes by name: other
  subsystems print text that devices and users choose, but never at the start (`input: <name> as …`).
- No pattern takes more than linear time, whatever a name was built for.
- Kernels here: 2.6.32 to 6.18, and what RHEL 6 to 8 print. `until` names the last kernel of a form.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from typing import Final

from otel_oom.kernel.kmsg_record import unescape

TASK_COMM_BYTES: Final = 15  # TASK_COMM_LEN less the NUL
INT64_MAX: Final = 2**63 - 1  # what a number in telemetry can hold; one that is larger was never measured

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

# Whose memory ran out. Out of memory (oom_kill_allocating_task): that sysctl. No available memory …: until 2.6.35
MEMCG_CAUSE: Final = "Memory cgroup out of memory"
POLICY_CAUSES: Final = {
    "No available memory (MPOL_BIND)": "memory_policy",
    "No available memory in cpuset": "cpuset",
}
VERDICTS: Final = (
    "Killed process ",
    MEMCG_CAUSE,
    "Out of memory",
    *POLICY_CAUSES,
    "Kernel panic - not syncing: Out of",
)
"""How every line begins that says what the killer did: most records are told apart from these by a glance."""
_CAUSE: Final = (
    rf"(?P<cause>(?:{MEMCG_CAUSE}|Out of memory)(?: \([A-Za-z_ ]{{1,40}}\))?"
    rf"|{'|'.join(map(re.escape, POLICY_CAUSES))})"
)

# python3 invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=0                              (5.0+)
# java invoked oom-killer: gfp_mask=0x6000c0(GFP_KERNEL), nodemask=(null), order=0, oom_score_adj=936      (4.15-4.20)
# java invoked oom-killer: gfp_mask=0x14000c0(GFP_KERNEL), nodemask=(null),  order=0, oom_score_adj=936    (4.11-4.14)
# java invoked oom-killer: gfp_mask=0x24000c0(GFP_KERNEL), nodemask=0-1, order=0, oom_score_adj=936        (4.9, 4.10)
# java invoked oom-killer: gfp_mask=0x24000c0(GFP_KERNEL), order=0, oom_score_adj=936                        (4.6-4.8)
# sed invoked oom-killer: gfp_mask=0x201da, order=0, oom_score_adj=0                                (3.7-4.5, RHEL 7)
# sed invoked oom-killer: gfp_mask=0x201da, order=0, oom_adj=0, oom_score_adj=0                  (2.6.36-3.6, RHEL 6)
# sed invoked oom-killer: gfp_mask=0x201da, order=0, oom_adj=0         (2.6.32-2.6.35; before that: oomkilladj=0)
# x invoked oom-killer: gfp_mask=0x0(), order=0, oom_score_adj=0\x0aoom_policy=default    (proposed with BPF's policies)
_INVOKED: Final = r"(?P<comm>.{0,60}) invoked oom-killer: gfp_mask=(?P<gfp_mask>0x[0-9a-f]+(?:\([^)]*\))?),(?: nodemask=[^ ]*{comma})?"
_OPENER: Final = re.compile(
    _INVOKED.replace("{comma}", ",") + r" +order=(?P<order>-?\d{1,5})(?:, oom\w+=-?\d+)+(?:(?:\\x0a| )\w+=[^\s\\]+)*"
)
# 4.11 to 4.14 print it in three pieces; texts lose its end to the edge of a terminal.
_OPENER_CUT: Final = re.compile(
    _INVOKED.replace("{comma}", "")
    + r"(?: +order=(?P<order>-?\d{1,5}),(?: oom_adj=-?\d+,)?)?(?: +[a-z_]*=?-?\d{0,5})?(?:\.\.\.)?"
)

# CPU: 1 UID: 0 PID: 25773 Comm: vic Not tainted 6.18.44 #1 PREEMPT(none)                                      (6.12+)
# CPU: 1 PID: 103 Comm: ghog Tainted: G        W          6.1.0-56-cloud-amd64 #1  Debian 6.1.192-2        (3.9-6.11)
# Pid: 31995, comm: java Not tainted 2.6.32-504.el6.x86_64 #1                                              (until 3.8)
CURRENT_TASK: Final = re.compile(
    r"(?:CPU: \d+ (?:UID: \d+ )?PID: (?P<pid>\d{1,10}) Comm: |Pid: (?P<old_pid>\d{1,10}), comm: )(?P<rest>.*)"
)

# asker cpuset=/ mems_allowed=0                                           (2.6.33-4.20; it begins with a process's name)
CPUSET: Final = " cpuset="

# memory: usage 12288kB, limit 12288kB, failcnt 82                                                                (all)
MEMCG_USAGE: Final = re.compile(r"memory: usage (?P<usage>\d+)kB, limit (?P<limit>\d+)kB, failcnt \d+")

# [  pid  ]   uid  tgid total_vm      rss rss_anon rss_file rss_shmem pgtables_bytes swapents oom_score_adj name  (6.8+)
# [  pid  ]   uid  tgid total_vm      rss pgtables_bytes swapents oom_score_adj name                          (4.19-6.7)
# [ pid ]   uid  tgid total_vm      rss pgtables_bytes swapents oom_score_adj name                           (4.15-4.18)
# [ pid ]   uid  tgid total_vm      rss nr_ptes nr_pmds swapents oom_score_adj name                           (4.1-4.14)
# [ pid ]   uid  tgid total_vm      rss nr_ptes swapents oom_score_adj name                          (3.7-4.0, RHEL 7)
# [ pid ]   uid  tgid total_vm      rss cpu oom_adj oom_score_adj name                            (2.6.36-3.6, RHEL 6)
# [ pid ]   uid  tgid total_vm      rss cpu oom_adj name                                               (2.6.32-2.6.35)
TABLE_HEADER: Final = re.compile(r"\[ *pid *\] +(?P<columns>(?=\w)[\w ]+ name)")

# active_anon:661 inactive_anon:38157 … free:482 free_pcp:198 free_cma:0             (all; one record, \x0a between lines)
#  free:12929 slab_reclaimable:1635 slab_unreclaimable:1919           (its third or last line, in a text without records)
FREE_PAGES: Final = re.compile(r"(?:active_anon:\d+ .*\\x0a)? ?free:(?P<pages>\d+) [a-z]")
# 65406 pages RAM                                                                                                 (all)
# 65406 pages of RAM                                                                                  (arm, until 3.x)
RAM_PAGES: Final = re.compile(r"(?P<pages>\d+) pages (?:of )?RAM")
# Free swap  = 0kB                                                                                                (all)
# Total swap = 0kB
SWAP: Final = re.compile(r"(?P<which>Free|Total) swap +=\s*(?P<kb>\d+)kB")

# Memory cgroup out of memory: Kill process 2110 (python3) score 1000 or sacrifice child               (2.6.36-5.0, RHEL)
# Out of memory: kill process 20273 (httpd) score 1285879 or a child                                      (until 2.6.35)
# It may name the parent of the process that is then killed.
ANNOUNCE: Final = re.compile(rf"{_CAUSE}: [Kk]ill process \d{{1,10}} \(.*")

# Memory cgroup out of memory: Killed process 2110 (python3) total-vm:67880kB, anon-rss:20480kB, file-rss:1056kB, shmem-rss:0kB, UID:0 pgtables:80kB oom_score_adj:0
# (5.4+; 5.4.0 to 5.4.9 print bytes as kB in pgtables; 5.1-5.3 end after shmem-rss)
# Killed process 9 (java) total-vm:7977568kB, anon-rss:3558396kB, file-rss:104kB, shmem-rss:0kB   (4.5-5.0)
# Killed process 9 (java), UID 0, total-vm:1587388kB, anon-rss:980428kB, file-rss:0kB, shmem-rss:0kB   (RHEL 7.7+)
# Killed process 9 (java) total-vm:7977568kB, anon-rss:3558396kB, file-rss:104kB   (2.6.36-4.4)
# Killed process 9, UID 500, (java) total-vm:7977568kB, anon-rss:3558396kB, file-rss:104kB   (RHEL 6)
# Killed process 9 (java) vsz:264612kB, anon-rss:158264kB, file-rss:0kB   (2.6.33-2.6.35)
# Killed process 9 (java)   (2.6.32)
_KILLED: Final = re.compile(
    rf"(?:{_CAUSE}: )?Killed process (?P<pid>\d{{1,10}})(?:, UID (?P<uid>\d{{1,10}}),)? \((?P<rest>.*)"
)
# Greedy: the last `) total-vm:` is the kernel's, earlier ones are the name's. Vendors put words with numbers between.
_KILLED_REST: Final = re.compile(
    r"(?P<comm>.*)\)(?P<words>(?:,? [A-Za-z_]+:? -?\d{1,10})*),? (?P<numbers>(?:total-vm|vsz):.*)"
)
_WORD_UID: Final = re.compile(r" UID (\d{1,10})")
# The newest form, whole: what the patterns here say of it, in half the time.
_KILLED_WHOLE: Final = re.compile(
    rf"{_CAUSE}: Killed process (?P<pid>\d{{1,10}}) \((?P<comm>.*)\) total-vm:(\d+)kB, anon-rss:(\d+)kB"
    r", file-rss:(\d+)kB, shmem-rss:(\d+)kB, UID:(\d{1,10}) pgtables:(\d+)kB oom_score_adj:(-?\d{1,5})"
)
# A number counts only if what follows shows that it is whole.
_SIZE: Final = re.compile(r"\b(total-vm|vsz|anon-rss|file-rss|shmem-rss|pgtables):(\d+)kB")
_UID: Final = re.compile(r" UID:(\d{1,10})[ ,]")
_SCORE_ADJ: Final = re.compile(r" oom_score_adj:(-?\d{1,5})(?!\S)")

# Tasks in /grp are going to be killed due to memory.oom.group set                                              (4.19+)
# Its path comes in fragments where it is long.
GROUP: Final = re.compile(r"Tasks in (?:/.*)?")

# Memory cgroup out of memory: OOM victim 812 (x) is already exiting. Skip killing the task               (5.10+, not all)
ALREADY_EXITING: Final = re.compile(rf"{_CAUSE}: OOM victim \d+ \(.*\) is already exiting\. Skip killing the task")

# Out of memory and no killable processes...                                       (4.19+; before, it was a panic's text)
NO_KILLABLE: Final = re.compile(r"(?:Kernel panic - not syncing: )?Out of memory and no killable processes")


# random: crng reseeded due to virtual machine fork             (5.18+ with CONFIG_VMGENID: drivers/char/random.c)
# Many platforms give a machine a new generation id at every resume, so it is no proof of a second copy.
FORKED: Final = "random: crng reseeded due to virtual machine fork"


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


def is_comm(text: str) -> bool:
    """Whether an escaped text is short enough to be a process name."""
    return len(text) <= TASK_COMM_BYTES or (len(text) <= 4 * TASK_COMM_BYTES and len(unescape(text)) <= TASK_COMM_BYTES)


def size(digits: str | None, unit: int = 1024) -> int | None:
    """Bytes, or None for a number that no measure gives: a counter that wrapped, more digits than int() takes."""
    return value if digits and len(digits) < 20 and (value := int(digits) * unit) <= INT64_MAX else None


def limit(digits: str) -> int | None:
    """Bytes of a memcg's limit in kB, or None where none was set: the kernels' largest numbers, 8 EiB and more.

    9007199254740988: PAGE_COUNTER_MAX with 4 KiB pages; 9007199254740991, 18014398509481983: of counters in bytes,
    until 3.18; 8589934588: of 32-bit kernels.
    """
    kb = size(digits, 1)
    return None if kb is None or kb >= 2**52 or kb == 8589934588 else kb * 1024


def opener(text: str) -> dict[str, str | None] | None:
    """comm, gfp_mask and order of an `invoked oom-killer` line; order is None where its end is missing."""
    if " invoked oom-killer: " not in text:
        return None
    line = _OPENER.fullmatch(text) or _OPENER_CUT.fullmatch(text)
    return line.groupdict() if line and is_comm(line["comm"]) else None


def killed(text: str) -> Killed | None:
    """Parse a `Killed process` line. It counts even if its tail is of a form never seen: then pid and name alone."""
    if whole := _KILLED_WHOLE.fullmatch(text):
        cause, pid, comm, total_vm, anon, file, shmem, user_id, pgtables, score_adj = whole.groups()
        return Killed(
            cause=cause,
            pid=int(pid),
            comm=comm,
            total_vm=size(total_vm),
            rss_anon=size(anon),
            rss_file=size(file),
            rss_shmem=size(shmem),
            pgtables=size(pgtables),
            uid=size(user_id, 1),
            score_adj=int(score_adj),
        )
    head = _KILLED.fullmatch(text)
    if head is None:
        return None
    pid, cause, uid = int(head["pid"]), head["cause"], head["uid"]
    rest = _KILLED_REST.fullmatch(head["rest"])
    if rest is None:
        comm, bracket, _ = head["rest"][: 4 * TASK_COMM_BYTES + 1].rpartition(")")
        while bracket and not is_comm(comm):
            comm, bracket, _ = comm.rpartition(")")
        return Killed(cause, pid, comm if bracket else None, uid=size(uid, 1))
    numbers = rest["numbers"]
    sizes = dict(_SIZE.findall(numbers))
    user = _UID.search(numbers) or _WORD_UID.search(rest["words"])
    score_adj = _SCORE_ADJ.search(numbers)
    return Killed(
        cause=cause,
        pid=pid,
        comm=rest["comm"],
        total_vm=size(sizes.get("total-vm", sizes.get("vsz"))),
        rss_anon=size(sizes.get("anon-rss")),
        rss_file=size(sizes.get("file-rss")),
        rss_shmem=size(sizes.get("shmem-rss")),
        pgtables=size(sizes.get("pgtables")),
        uid=size(user[1] if user else uid, 1),
        score_adj=int(score_adj[1]) if score_adj else None,
    )


@functools.lru_cache(maxsize=4)  # one kernel prints one header
def row_pattern(columns: tuple[str, ...]) -> re.Pattern[str]:
    """One row of the task table by the names of its header: `[  25773]     0 25773     3383 … 0 vic`.

    Its groups are pid, name and, where there are such columns, rss and oom_score_adj. The pid stands before the columns;
    the name stands last, behind exactly one blank, and may hold anything.
    """
    places = {column: place for place, column in enumerate(columns[:-1]) if column in {"rss", "oom_score_adj"}}
    cells, begin = "", 0
    for place, column in sorted((place, column) for column, place in places.items()):
        cells += r" +-?\d{1,20}" * (place - begin) + rf" +(?P<{column}>-?\d{{1,20}})"
        begin = place + 1
    cells += r" +-?\d{1,20}" * (len(columns) - 1 - begin)
    return re.compile(rf"\[ *(?P<pid>\d{{1,10}})\]{cells} (?P<name>.*)")
