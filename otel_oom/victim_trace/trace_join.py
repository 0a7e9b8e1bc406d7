"""Finds the traced victim that belongs to a kill line. No I/O.

The kernel marks a victim, and then prints the kill line, in one function and while it holds a spin lock. Both times
are of one clock.

Rules:
- A victim belongs to a kill line if pid and name are equal, and it was marked at most `MAX_BEFORE_NS` before the line.
  If there are several, it is the newest one.
- Each victim is used once.
- A pid that is used again gives no wrong owner. The second process has to start, take memory, and be chosen within
  `MAX_BEFORE_NS`, under the same name; and then its own event, which is newer, must have been overwritten.
- A victim whose line did not come is kept in `unmatched`: it was already exiting, or the kernel log lost its line.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Final

from otel_oom.victim_trace.traced_victim import TracedVictim, merge

MAX_BEFORE_NS: Final = 50_000_000
_MAX_AFTER_NS: Final = 999
"""The times of the log are whole µs, cut. More would let a later victim with the same pid fit."""

_STALE_NS: Final = 1_000_000_000
"""Lines of two processors may stand in the log in another order than their times."""

_MAX_WAITING: Final = 1_024
_MAX_UNMATCHED: Final = 512


class TraceJoin:
    """Holds traced victims until their kill lines come."""

    def __init__(self) -> None:
        self._waiting: dict[int, list[TracedVictim]] = {}  # by pid
        self.unmatched: deque[TracedVictim] = deque(maxlen=_MAX_UNMATCHED)
        """Victims without a kill line, oldest first. The oldest are dropped."""

    def add(self, victims: Iterable[TracedVictim]) -> None:
        """Hold victims that were read from the ring. The two events of one victim become one."""
        for victim in victims:
            of_pid = self._waiting.setdefault(victim.pid, [])
            for at, other in enumerate(of_pid):
                if merged := merge(other, victim):
                    of_pid[at] = merged
                    break
            else:
                of_pid.append(victim)
        times = sorted(one.time_ns for of_pid in self._waiting.values() for one in of_pid)
        if len(times) > _MAX_WAITING:
            self._give_up(times[-_MAX_WAITING])

    def take(self, pid: int, comm: str | None, line_ns: int) -> TracedVictim | None:
        """The victim of a kill line. None: there is none.

        comm: its name, escaped as in the kernel log; line_ns: the line's own time
        """
        self._give_up(line_ns - _STALE_NS)
        of_pid = self._waiting.get(pid, [])
        fitting = [
            one
            for one in of_pid
            if (one.comm == comm or one.comm is None or comm is None)
            and line_ns - MAX_BEFORE_NS <= one.time_ns <= line_ns + _MAX_AFTER_NS
        ]
        if not fitting:
            return None
        newest = max(fitting, key=_time_ns)
        of_pid.remove(newest)
        return newest

    def _give_up(self, before_ns: int) -> None:
        """Move the victims that were marked before a time to `unmatched`."""
        old = [one for of_pid in self._waiting.values() for one in of_pid if one.time_ns < before_ns]
        if old:
            self.unmatched.extend(sorted(old, key=_time_ns))
        kept = ((pid, [one for one in of_pid if one.time_ns >= before_ns]) for pid, of_pid in self._waiting.items())
        self._waiting = {pid: of_pid for pid, of_pid in kept if of_pid}


def _time_ns(victim: TracedVictim) -> int:
    return victim.time_ns
