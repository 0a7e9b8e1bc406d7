"""Compares the kernel's OOM kill counter with the kill lines that were read. No I/O, no clock.

Rules (mm/oom_kill.c, __oom_kill_process: count_vm_event(OOM_KILL) comes before the line is printed):
- The order is: read the log to its end, read the counter, then `look`. The counter is then never behind the lines; the
  lines of a surplus may still come. (In the other order, a kill between the two would look like a base that was taken
  too late, and would stay missing.)
- A surplus is published only if it lasts for two looks at least 5 s apart, and it is published once. What has to last
  is the count of the first look: in a storm each look finds other lines on their way, and none of them is missing.
- A negative difference means that the base was taken between count and line: it lowers the base.
"""

from __future__ import annotations

from typing import Final

APART_S: Final = 5.0


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
        """The totals take over unaccounted kills that were published before the base: they change no comparison."""
        if self.base is not None:
            self.base -= unaccounted
        self._unaccounted += unaccounted

    def look(self, counted: int, now_s: float) -> int:
        """Compare; returns how many kills are newly known to be unaccounted.

        counted: the kernel's counter; now_s: a monotonic clock
        """
        if self.base is None:
            return 0
        surplus = self._missing(counted, self.base)
        if surplus < 0:
            self.base += surplus
        if surplus <= 0:
            self._first = None
            return 0
        since_s, counted_then = self._first or (now_s, counted)
        # Lines of later kills are among `lines`: while kills go on this is too low, and never too high.
        missing = self._missing(counted_then, self.base)
        if missing > 0 and now_s - since_s < APART_S:
            self._first = (since_s, counted_then)
            return 0
        self._first = (now_s, counted)
        self._unaccounted += max(0, missing)
        return max(0, missing)

    def _missing(self, counted: int, base: int) -> int:
        return counted - base - self.lines - self._unaccounted
