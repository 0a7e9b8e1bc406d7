r"""The kill line: `Killed process …`, in all forms from 2.6.32 to 6.18. No I/O.

Source: mm/oom_kill.c, __oom_kill_process().

Rules:
- A process chooses its own name (any 15 bytes), and must not shift a field by it. The line is read from its ends,
  where the kernel's own words stand: the rest is the name.
- A line with an unknown tail is still a kill line: its pid and its name are read. But no tail of the kernel holds `: `
  or `=`. In other lines users choose the first text, up to 4 KiB, and `: ` or `=` follows it:
  `<source of a mount>: Can't lookup blockdev` (fs/super.c), `<prefix of a log rule>IN=lo OUT= …` (nf_log_syslog.c).
- A text that is longer than any kill line is no kill line. printk cuts a long line, and may cut off the words that show
  that a user chose the text. A shorter kill line may be a mount's too (`chosen_text`): only the kernel's counter shows
  that.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from otel_oom.kernel.oom_lines import CAUSE, RESULT_LINE_BEGINNINGS, TASK_COMM_BYTES, is_comm, number, size

# Memory cgroup out of memory: Killed process 2110 (python3) total-vm:67880kB, anon-rss:20480kB, file-rss:1056kB, shmem-rss:0kB, UID:0 pgtables:80kB oom_score_adj:0
# (5.4+; 5.4.0 to 5.4.9 print bytes as kB in pgtables; 5.1-5.3 end after shmem-rss)
# Killed process 9 (java) total-vm:7977568kB, anon-rss:3558396kB, file-rss:104kB, shmem-rss:0kB   (4.5-5.0)
# Killed process 9 (java), UID 0, total-vm:1587388kB, anon-rss:980428kB, file-rss:0kB, shmem-rss:0kB   (RHEL 7.7+)
# Killed process 9 (java) total-vm:7977568kB, anon-rss:3558396kB, file-rss:104kB   (2.6.36-4.4)
# Killed process 9, UID 500, (java) total-vm:7977568kB, anon-rss:3558396kB, file-rss:104kB   (RHEL 6)
# Killed process 9 (java) vsz:264612kB, anon-rss:158264kB, file-rss:0kB   (2.6.33-2.6.35)
# Killed process 9 (java)   (2.6.32)
# bpf oom test: Killed process 12 (x) total-vm:…                                       (proposed with BPF's policies)
_BEGINNING: Final = re.compile(
    rf"(?:{CAUSE}: )?Killed process (?P<pid>\d{{1,10}})(?:, UID (?P<user_id>\d{{1,10}}),)? \((?P<rest>.*)"
)
# Greedy: the last `) total-vm:` is the kernel's, earlier ones are part of the name. Vendors add words with numbers.
_REST: Final = re.compile(
    r"(?P<comm>.*)\)(?P<words>(?:,? [A-Za-z_]+:? -?\d{1,10})*),? (?P<numbers>(?:total-vm|vsz):.*)"
)
_WORD_UID: Final = re.compile(r" UID (\d{1,10})")
# The newest form as a whole. It gives what the patterns below give, in half the time: a storm is kill lines alone.
_NEWEST_RESULT: Final = (
    r": Killed process (?P<pid>\d{1,10}) \((?P<comm>.*)\) total-vm:(\d+)kB, anon-rss:(\d+)kB"
    r", file-rss:(\d+)kB, shmem-rss:(\d+)kB, UID:(\d{1,10}) pgtables:(\d+)kB oom_score_adj:(-?\d{1,5})"
)
_NEWEST: Final = re.compile(CAUSE + _NEWEST_RESULT)
_UNKNOWN_CAUSE: Final = re.compile(r"(?P<cause>[A-Za-z][\w ()./-]{0,63})" + _NEWEST_RESULT)
# A number is read only if the text after it shows that the number is not cut.
_SIZE: Final = re.compile(r"\b(total-vm|vsz|anon-rss|file-rss|shmem-rss|pgtables):(\d+)kB")
_UID: Final = re.compile(r" UID:(\d{1,10})[ ,]")
_FOREIGN_TAIL: Final = re.compile(r": |=")
_MAX_CHARS: Final = 512  # the newest form with a name of 60 escaped characters and numbers of 64 bits has 350
_SCORE_ADJ: Final = re.compile(r" oom_score_adj:(-?\d{1,5})(?!\S)")


@dataclass(frozen=True, slots=True)
class KillLine:
    """A parsed kill line. Sizes are bytes. None: this kernel does not print it.

    cause: the words before `: Killed process`
    comm: still escaped, see `text_escapes`
    """

    cause: str | None
    pid: int
    comm: str | None
    total_vm: int | None = None
    rss_anon: int | None = None
    rss_file: int | None = None
    rss_shmem: int | None = None
    pgtables: int | None = None
    user_id: int | None = None
    score_adj: int | None = None

    @property
    def has_known_cause(self) -> bool:
        """Whether the kernel's own words, known to this version, begin the line."""
        return self.cause is None or self.cause.startswith(RESULT_LINE_BEGINNINGS)


def parse_kill_line(text: str) -> KillLine | None:
    """Parse a kill line. None if it is another line."""
    if len(text) > _MAX_CHARS:
        return None
    newest = _NEWEST.fullmatch(text)
    return _parse_any_form(text) if newest is None else _newest(newest)


def parse_unknown_cause(text: str) -> KillLine | None:
    """Parse a kill line of the newest form whose cause is not known. None if it is another line.

    The line alone proves no kill: another part of the kernel may print a text like it.
    """
    newest = _UNKNOWN_CAUSE.fullmatch(text)
    return None if newest is None or len(text) > _MAX_CHARS else _newest(newest)


def _newest(newest: re.Match[str]) -> KillLine:
    cause, pid, comm, *sizes, user_id, pgtables, score_adj = newest.groups()
    total_vm, anon, file, shmem = map(size, sizes)
    return KillLine(cause, int(pid), comm, total_vm, anon, file, shmem, size(pgtables), number(user_id), int(score_adj))


def _parse_any_form(text: str) -> KillLine | None:
    beginning = _BEGINNING.fullmatch(text)
    if beginning is None:
        return None
    pid, cause, user_id = int(beginning["pid"]), beginning["cause"], beginning["user_id"]
    rest = _REST.fullmatch(beginning["rest"])
    if rest is None:
        comm = _comm_without_tail(beginning["rest"])
        if _FOREIGN_TAIL.search(beginning["rest"], len(comm) if comm is not None else TASK_COMM_BYTES):
            return None
        return KillLine(cause, pid, comm, user_id=number(user_id))
    numbers = rest["numbers"]
    if _FOREIGN_TAIL.search(numbers):
        return None
    sizes = dict(_SIZE.findall(numbers))
    user = _UID.search(numbers) or _WORD_UID.search(rest["words"])
    score_adj = _SCORE_ADJ.search(numbers)
    return KillLine(
        cause=cause,
        pid=pid,
        comm=rest["comm"],
        total_vm=size(sizes.get("total-vm", sizes.get("vsz"))),
        rss_anon=size(sizes.get("anon-rss")),
        rss_file=size(sizes.get("file-rss")),
        rss_shmem=size(sizes.get("shmem-rss")),
        pgtables=size(sizes.get("pgtables")),
        user_id=number(user[1] if user else user_id),
        score_adj=int(score_adj[1]) if score_adj else None,
    )


def _comm_without_tail(text: str) -> str | None:
    """Return the longest possible name before a `)`: the name itself may hold `)` as well."""
    comm, bracket, _ = text[: 4 * TASK_COMM_BYTES + 1].rpartition(")")
    while bracket and not is_comm(comm):
        comm, bracket, _ = comm.rpartition(")")
    return comm if bracket else None
