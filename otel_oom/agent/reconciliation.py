"""The kernel's own counter against the kill lines seen. No I/O, no clock.

Rules (mm/oom_kill.c, __oom_kill_process: count_vm_event(OOM_KILL) comes before the line is printed):
- Look in this order: read the log to its end, read the counter, then `look`. The counter is then never behind the
  lines; of what it is ahead, lines may still be on their way. (Read the other way round, a kill between the two would
  pass for a base that was taken too late, and be missing ever after.)
- So only a surplus that stands at two looks at least 5 s apart is published, and it is published once. What stands is
  what the first look counted: in a storm each look meets other lines on their way, and none of them is missing.
- A negative difference means that the base was taken between count and line: it lowers the base.
"""

from __future__ import annotations

from typing import Final

APART_S: Final = 5.0


class Reconciliation:
    """base: the counter when counting began; unaccounted: kills published since as counted but not seen."""

    def __init__(self, base: int, unaccounted: int = 0) -> None:
        self.base = base
        self.unaccounted = unaccounted
        self._first: tuple[float, int] | None = None

    def look(self, counted: int, lines: int, now_s: float) -> int:
        """Compare; returns how many kills are newly known to be unaccounted for.

        counted: the kernel's counter; lines: kill lines seen since the base; now_s: a monotonic clock.
        """
        surplus = counted - self.base - lines - self.unaccounted
        if surplus < 0:
            self.base += surplus
        if surplus <= 0:
            self._first = None
            return 0
        since_s, counted_then = self._first or (now_s, counted)
        # Lines of later kills are among `lines`, so while kills go on this is too low, and never too high.
        missing = counted_then - self.base - lines - self.unaccounted
        if missing > 0 and now_s - since_s < APART_S:
            self._first = (since_s, counted_then)
            return 0
        self._first = (now_s, counted)
        self.unaccounted += max(0, missing)
        return max(0, missing)
