"""Whether the wall clock and the kernel's clock go on together. No I/O: both clocks are passed in.

The kernel's clock (CLOCK_MONOTONIC, and that of its log) stands still while a machine sleeps; the wall clock is set
right afterwards, or by whoever else sets it. From inside a standby and a step look the same: the two part by the time
slept, or stepped. What was certain before is not after it: connections may be dead, and what a collector knows is old.

Rules:
- Two looks are compared, however far apart they are: a clock that is slewed (NTP does so by half a millisecond a
  second) never parts, and one that is set does. Steps of less than a second are none, however many there are.
- The two clocks cannot be read at one moment. A look in between which this process was stopped says nothing, and is
  taken again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

APART_NS: Final = 1_000_000_000
_AT_ONCE_NS: Final = 100_000_000
_TRIES: Final = 3


class ClockJumps:
    """wall_ns: ns since the Unix epoch; monotonic_ns: ns of CLOCK_MONOTONIC."""

    def __init__(self, wall_ns: Callable[[], int], monotonic_ns: Callable[[], int]) -> None:
        self._wall_ns = wall_ns
        self._monotonic_ns = monotonic_ns
        self._epoch_ns = self._look()

    def jumped_s(self) -> float:
        """Seconds by which the wall clock left the kernel's since the last look, signed; 0: a second at most."""
        before_ns, epoch_ns = self._epoch_ns, self._look()
        if epoch_ns is None:
            return 0.0
        self._epoch_ns = epoch_ns
        jumped_ns = 0 if before_ns is None else epoch_ns - before_ns
        return jumped_ns / 1e9 if abs(jumped_ns) > APART_NS else 0.0

    def _look(self) -> int | None:
        """Where the kernel's clock was 0 on the wall clock; None where the two could not be read together."""
        for _ in range(_TRIES):
            before_ns, wall_ns, after_ns = self._monotonic_ns(), self._wall_ns(), self._monotonic_ns()
            if after_ns - before_ns < _AT_ONCE_NS:
                return wall_ns - before_ns
        return None
