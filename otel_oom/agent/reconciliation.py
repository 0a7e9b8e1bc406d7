"""Compares the kernel's OOM kill counter with the kill lines that were read. No I/O, no clock.

Rules (mm/oom_kill.c, __oom_kill_process: count_vm_event(OOM_KILL) comes before the line is printed):
- Read the log to its end, then the counter, then call `compare`. So each line that was read is in the counter. Lines of
  a surplus may still come. (In the other order, a kill between the two would lower the base, and later be published.)
- A surplus of the counter is published once, as unaccounted kills, if it lasts 5 s. It is the surplus of one comparison
  that must last: in a storm each comparison finds a surplus of other kills, whose lines come later.
- A negative difference means that the base was taken between count and line: it lowers the base.
"""

from __future__ import annotations

from typing import Final

MIN_SURPLUS_AGE_S: Final = 5.0


class Reconciliation:
    """The numbers of one comparison; `counter = base + lines + unaccounted` once every line has come.

    base: the kernel's counter when counting began, None where the kernel does not count (before 4.13)
    lines: kill lines read since the base; unaccounted: kills published since the base that no line showed
    """

    def __init__(self, base: int | None, *, lines: int = 0, unaccounted: int = 0) -> None:
        self.base = base
        self.lines = lines
        self._unaccounted = unaccounted
        self._first: tuple[float, int] | None = None

    def add_lines(self, count: int) -> None:
        """More kill lines were read."""
        self.lines += count

    def reset(self) -> None:
        """Totals begin again at 0: the base is now. Kills that were counted before stay compared."""
        if self.base is not None:
            self.base += self.lines + self._unaccounted
        self.lines = 0
        self._unaccounted = 0
        self._first = None

    def extend_back(self, base: int | None, lines: int) -> None:
        """Counting began earlier than was known. base: the earlier one, if known; lines: read between the two bases."""
        if self.base is not None and base is not None:
            self.base = base
        self.lines += lines

    def add_carried_over(self, unaccounted: int) -> None:
        """The totals now contain unaccounted kills from before the base. They change no comparison."""
        if self.base is not None:
            self.base -= unaccounted
        self._unaccounted += unaccounted

    def compare(self, counted: int, now_s: float) -> int:
        """Compare; returns how many kills are newly known to be unaccounted.

        counted: the kernel's counter; now_s: a monotonic clock
        """
        if self.base is None:
            return 0
        surplus = self._surplus(counted, self.base)
        if surplus < 0:
            self.base += surplus
        if surplus <= 0:
            self._first = None
            return 0
        since_s, counted_then = self._first or (now_s, counted)
        # Lines of later kills are among `lines`: while kills go on this is too low, and never too high.
        lasting = self._surplus(counted_then, self.base)
        if lasting > 0 and now_s - since_s < MIN_SURPLUS_AGE_S:
            self._first = (since_s, counted_then)
            return 0
        self._first = (now_s, counted)
        self._unaccounted += max(0, lasting)
        return max(0, lasting)

    def _surplus(self, counted: int, base: int) -> int:
        return counted - base - self.lines - self._unaccounted
