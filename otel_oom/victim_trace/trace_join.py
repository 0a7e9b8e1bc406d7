"""Finds the traced victim that belongs to a kill line. No I/O.

The kernel marks a victim, and then prints the kill line, in one function and while it holds a spin lock. Both times
are of one clock.

Rules:
- A victim belongs to a kill line if pid and name are equal, and it was marked at most `MAX_BEFORE_NS` before the line.
  If there are several, it is the newest one.
- Each victim is used once.
- A pid that is used again gives no wrong owner. The second process has to start, take memory, and be chosen within
  `MAX_BEFORE_NS`, under the same name; and then its own event, which is newer, must have been overwritten.
- A victim whose line did not come is kept: the kernel log may have lost its line, and then `lost_lines` has it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from otel_oom.victim_trace.traced_victim import TracedVictim, merge

MAX_BEFORE_NS: Final = 50_000_000
_MAX_AFTER_NS: Final = 999
"""The times of the log are whole µs, cut. More would let a later victim with the same pid fit."""

_MAX_PIDS: Final = 2_048  # some 1 MiB
_MAX_OF_PID: Final = 8


class TraceJoin:
    """Holds traced victims until their kill lines come."""

    def __init__(self) -> None:
        self._waiting: dict[int, list[TracedVictim]] = {}  # by pid

    def add(self, victims: Iterable[TracedVictim]) -> None:
        """Hold victims that were read from the ring. The two of one victim become one. The oldest are dropped."""
        for victim in victims:
            of_pid = self._waiting.setdefault(victim.pid, [])
            for at, other in enumerate(of_pid):
                if merged := merge(other, victim):
                    of_pid[at] = merged
                    break
            else:
                of_pid.append(victim)
                del of_pid[:-_MAX_OF_PID]
        while len(self._waiting) > _MAX_PIDS:
            del self._waiting[next(iter(self._waiting))]

    def take(self, pid: int, comm: str | None, line_ns: int) -> TracedVictim | None:
        """The victim of a kill line. None: there is none.

        comm: its name, escaped as in the kernel log; line_ns: the line's own time
        """
        victim = self.find(pid, comm, line_ns)
        if victim is not None:
            of_pid = self._waiting[pid]
            of_pid.remove(victim)
            if not of_pid:
                del self._waiting[pid]
        return victim

    def find(self, pid: int, comm: str | None, line_ns: int) -> TracedVictim | None:
        """The same, and it stays."""
        fitting = [
            one
            for one in self._waiting.get(pid, [])
            if (one.comm == comm or one.comm is None or comm is None)
            and line_ns - MAX_BEFORE_NS <= one.time_ns <= line_ns + _MAX_AFTER_NS
        ]
        return max(fitting, key=lambda one: one.time_ns, default=None)
