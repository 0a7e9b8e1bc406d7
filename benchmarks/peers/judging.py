"""What a program says of a capture, held against what happened: counted, and told in words. No I/O.

Rules:
- A report is judged by the record that it was made from, not by what it says: so a wrong name is a wrong victim and
  not one kill missed and another one invented.
- A fake is a report behind which no kill line of facility 0 stands: user space wrote its record, or the record only
  quotes one (a device is called `Out of memory: Killed process 1 (x)`).
- A report that ends with the kernel's `oom-kill:` line stands for the kill line that follows it.
- A victim is right with the pid and the name of the kill line, or, where that names a thread, of its process in the
  `oom-kill:` line: either is true. Names are compared as telemetry shows them, whoever decodes them.
- Only what the log says is asked for: a kill whose cgroup the kernel did not print counts for no one's cgroups.
- What a program does not claim to know is None in its reports, and in its score.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

_KILL_LINE: Final = re.compile(
    r"(?:(?:Memory cgroup out of memory|Out of memory(?: \([a-z_]+\))?): )?Killed process \d"
)
_SUMMARY: Final = "oom-kill:"
_KERNELS: Final = re.compile(f"{_KILL_LINE.pattern}|{_SUMMARY}")


@dataclass(frozen=True, slots=True)
class Kill:
    """What happened: sequence of the kill line; leader: pid and name of the process where the line names a thread."""

    sequence: int
    pid: int
    comm: str
    cgroup: str | None = None
    leader: tuple[int, str | None] | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """What a program says; sequence: of the record that it was made from."""

    sequence: int
    pid: int | None
    comm: str | None
    cgroup: str | None = None


@dataclass(slots=True)
class Score:
    """Counts over one capture or many. cgroups: None for a program that does not say them; notes: what was wrong."""

    kills: int = 0
    known_cgroups: int = 0
    found: int = 0
    victims: int = 0
    cgroups: int | None = 0
    twice: int = 0
    fakes: int = 0
    notes: list[str] = field(default_factory=list)

    @property
    def is_perfect(self) -> bool:
        """Whether all that the program claims to say was said, and nothing else."""
        return not self.notes

    def add(self, other: Score) -> None:
        """Count another capture in."""
        self.kills += other.kills
        self.known_cgroups += other.known_cgroups
        self.found += other.found
        self.victims += other.victims
        self.twice += other.twice
        self.fakes += other.fakes
        self.cgroups = None if self.cgroups is None or other.cgroups is None else self.cgroups + other.cgroups
        self.notes += other.notes


def records(capture: bytes) -> dict[int, tuple[int, str]]:
    """Facility and text of each record of a capture, by its sequence number; dictionary lines are left out."""
    found = {}
    for line in capture.decode("ascii").splitlines():
        head, semicolon, text = line.partition(";")
        if semicolon and not line.startswith(" "):
            priority, sequence = head.split(",")[:2]
            found[int(sequence)] = int(priority) >> 3, text
    return found


def forged(log: dict[int, tuple[int, str]]) -> int:
    """Lines that speak of a kill and are none: written by user space, or a kernel's line that quotes one."""
    return sum(
        ("Killed process " in text or _SUMMARY in text) and not (facility == 0 and _KERNELS.match(text))
        for facility, text in log.values()
    )


def judge(log: dict[int, tuple[int, str]], kills: Iterable[Kill], reports: Iterable[Report], *, cgroups: bool) -> Score:
    """Hold a program's reports of one capture against what happened. cgroups: whether it claims to say them."""
    happened = {kill.sequence: kill for kill in kills}
    score = Score(kills=len(happened), cgroups=0 if cgroups else None)
    score.known_cgroups = sum(kill.cgroup is not None for kill in happened.values())
    claimed = set()
    for report in reports:
        line = _kill_line_of(log, report.sequence)
        if line is None:
            score.fakes += 1
            score.notes.append(f"takes a fake for a kill: {_victim(report.pid, report.comm)}")
        elif line in claimed or line not in happened:
            score.twice += 1
            score.notes.append(f"counts {_victim(report.pid, report.comm)} twice")
        else:
            claimed.add(line)
            _compare(score, happened[line], report)
    score.found = len(claimed)
    if score.found < score.kills:
        score.notes.append(f"misses {score.kills - score.found}")
    return score


def _compare(score: Score, kill: Kill, report: Report) -> None:
    said = report.pid, report.comm
    if said == (kill.pid, kill.comm) or _is_leader(kill, report):
        score.victims += 1
    else:
        score.notes.append(f"names {_victim(*said)}, not {_victim(kill.pid, kill.comm)}")
    if kill.cgroup is None or score.cgroups is None:
        return
    if report.cgroup == kill.cgroup:
        score.cgroups += 1
    else:
        score.notes.append(f"cgroup {_short(report.cgroup)}, not {_short(kill.cgroup)}")


def _is_leader(kill: Kill, report: Report) -> bool:
    return kill.leader is not None and kill.leader[0] == report.pid and kill.leader[1] in {None, report.comm}


def _kill_line_of(log: dict[int, tuple[int, str]], sequence: int) -> int | None:
    """The kill line that a report made from this record stands for."""
    facility, text = log[sequence]
    if facility != 0:
        return None
    if text.startswith(_SUMMARY):
        return next((number for number in sorted(log) if number > sequence and _is_kill_line(log[number])), None)
    return sequence if _is_kill_line(log[sequence]) else None


def _is_kill_line(record: tuple[int, str]) -> bool:
    facility, text = record
    return facility == 0 and _KILL_LINE.match(text) is not None


def _victim(pid: int | None, comm: str | None) -> str:
    return f"`{comm}` ({pid})"


def _short(path: str | None) -> str:
    return "none" if path is None else f"`{path}`" if len(path) <= 40 else f"`{path[:24]}…{path[-15:]}`"
