"""Compares the kernel's OOM kill counter with the kill lines that were read. No I/O, no clock.

Rules (mm/oom_kill.c, __oom_kill_process: count_vm_event(OOM_KILL) comes before the line is printed):
- Read the log to its end, then the counter, then call `compare`. So each line that was read is in the counter. Lines of
  a surplus may still come. (In the other order, a kill between the two would later be published.)
- A surplus of the counter is published once, as unaccounted kills, if it lasts 5 s. It is the surplus of one comparison
  that must last: in a storm each comparison finds a surplus of other kills, whose lines come later.
- A surplus of lines is a line that is not the kernel's: it is published once, as unconfirmed kills, if it lasts 5 s.
- A new base is the kernel's counter at the start. Lines of kills that it contains may come later, and lower it. In a
  storm the next kills hide them: they are counted, and their lines are not read yet. So the base stays new until no
  line came for 5 s. No line lowers a base that is not new.
"""

from __future__ import annotations

import math
from typing import Final

MIN_SURPLUS_AGE_S: Final = 5.0


class Reconciliation:
    """The numbers of one comparison; `counter = base + lines + surplus` once every line has come.

    base: the kernel's counter when counting began, None where the kernel does not count (before 4.13)
    lines: kill lines read since the base
    surplus: published since the base: unaccounted kills less unconfirmed ones
    lowerings: how many lines may lower the base; 0: it is not new
    """

    def __init__(self, base: int | None, *, lines: int = 0, surplus: int = 0, lowerings: float = 0) -> None:
        self.base = base
        self.lines = lines
        self._published = surplus
        self._lowerings = lowerings
        self._quiet: tuple[float, int] | None = None
        """Since when the number of lines is this one."""
        self._first: tuple[float, int] | None = None
        self._deficit_since_s = 0.0
        self._least_deficit = 0
        self._known_deficit = 0

    @property
    def is_new_base(self) -> bool:
        """Whether a line may still lower the base."""
        return self._lowerings > 0

    @property
    def is_settled(self) -> bool:
        """Whether the last comparison found no difference that may still last."""
        return self._first is None and not self._least_deficit and not self.is_new_base

    def add_lines(self, count: int) -> None:
        """More kill lines were read."""
        self.lines += count

    def reset(self) -> None:
        """Totals begin again at 0: the base is now. Kills that were counted before stay compared."""
        if self.base is not None:
            self.base += self.lines + self._published
        self.lines = 0
        self._published = 0
        self._first = None

    def extend_back(self, base: int | None, lines: int, *, is_new_base: bool) -> None:
        """Counting began earlier than was known.

        base: the earlier one, if known; is_new_base: of that one
        lines: read between the two bases, which the caller then adds
        """
        if self.base is not None:
            self.base = self.base - lines if base is None else base
            self._lowerings = math.inf if is_new_base and base is not None else self._lowerings

    def add_carried_over(self, surplus: int) -> None:
        """The totals now contain a surplus that was published before the base. It changes no comparison."""
        if self.base is not None:
            self.base -= surplus
        self._published += surplus

    def confirms(self, counted: int | None, lines: int) -> bool:
        """Whether the counter has this many more kills than lines were read. None: there is no counter."""
        return counted is not None and self.base is not None and self._surplus(counted, self.base) >= lines

    def confirms_new_lines(self, counted: int | None) -> bool:
        """Whether the counter has each line that was read since the last call. None: there is no counter."""
        if counted is None or self.base is None:
            return True
        base = self._lower_new_base(counted, self.base)
        known, self._known_deficit = self._known_deficit, self._deficit(counted, base)
        return self._known_deficit <= known

    def compare(self, counted: int, now_s: float) -> int:
        """Compare; returns how many kills are newly known to be unaccounted, or less than 0: to be unconfirmed.

        counted: the kernel's counter; now_s: a monotonic clock
        """
        if self.base is None:
            return 0
        if self._quiet is None or self._quiet[1] != self.lines:
            self._quiet = (now_s, self.lines)
        elif now_s - self._quiet[0] >= MIN_SURPLUS_AGE_S:
            self._lowerings = 0
        base = self._lower_new_base(counted, self.base)
        newly = self._unaccounted(counted, base, now_s) - self._unconfirmed(counted, base, now_s)
        self._published += newly
        self._known_deficit = self._deficit(counted, base)
        return newly

    def _unaccounted(self, counted: int, base: int, now_s: float) -> int:
        if self._surplus(counted, base) <= 0:
            self._first = None
            return 0
        since_s, counted_then = self._first or (now_s, counted)
        # Lines of later kills are among `lines`: while kills go on this is too low, and never too high.
        lasting = self._surplus(counted_then, base)
        if lasting > 0 and now_s - since_s < MIN_SURPLUS_AGE_S:
            self._first = (since_s, counted_then)
            return 0
        self._first = (now_s, counted)
        return max(0, lasting)

    def _unconfirmed(self, counted: int, base: int, now_s: float) -> int:
        deficit = self._deficit(counted, base)
        if not self._least_deficit:
            self._deficit_since_s = now_s
            self._least_deficit = deficit
        self._least_deficit = min(self._least_deficit, deficit)
        if now_s - self._deficit_since_s < MIN_SURPLUS_AGE_S:
            return 0
        lasting = self._least_deficit
        self._deficit_since_s, self._least_deficit = now_s, deficit - lasting
        return lasting

    def _lower_new_base(self, counted: int, base: int) -> int:
        """Lower the base by the lines that the counter does not have, as far as it is new. Returns the base."""
        lowered = int(min(self._deficit(counted, base), self._lowerings))
        self._lowerings -= lowered
        self.base = base - lowered
        return self.base

    def _deficit(self, counted: int, base: int) -> int:
        """How many lines the counter does not have."""
        return max(0, -self._surplus(counted, base))

    def _surplus(self, counted: int, base: int) -> int:
        return counted - base - self.lines - self._published
