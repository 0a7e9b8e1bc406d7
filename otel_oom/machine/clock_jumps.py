"""Detects jumps of the wall clock against the kernel's clock. No I/O: both clocks are passed in.

The kernel's clock (CLOCK_MONOTONIC, and the clock of its log) stands still while a machine sleeps. Afterwards the wall
clock is set to the right time. A standby and a step of the wall clock look the same: the difference of the two clocks
changes. After a jump, connections may be dead and the collector's state may be old.

Rules:
- Two looks are compared, however far apart they are. A clock that NTP slews (by at most 0.5 ms a second) never jumps.
  Steps of a second or less are ignored, however many there are.
- The two clocks cannot be read at one instant. If the process was stopped between the reads, the look is repeated.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

MIN_JUMP_NS: Final = 1_000_000_000
_MAX_LOOK_NS: Final = 100_000_000
_TRIES: Final = 3


class ClockJumps:
    """Compares two clocks. wall_ns: ns since the Unix epoch; monotonic_ns: ns of CLOCK_MONOTONIC."""

    def __init__(self, wall_ns: Callable[[], int], monotonic_ns: Callable[[], int]) -> None:
        self._wall_ns = wall_ns
        self._monotonic_ns = monotonic_ns
        self._epoch_ns = self._look()

    def jumped_s(self) -> float:
        """Return the change of the wall clock against the kernel's since the last look, in seconds, signed.

        0.0 for a change of at most one second, and if the clocks could not be read together.
        """
        before_ns, epoch_ns = self._epoch_ns, self._look()
        if epoch_ns is None:
            return 0.0
        self._epoch_ns = epoch_ns
        jumped_ns = 0 if before_ns is None else epoch_ns - before_ns
        return jumped_ns / 1e9 if abs(jumped_ns) > MIN_JUMP_NS else 0.0

    def _look(self) -> int | None:
        """Return the wall clock's time when the kernel's clock was 0. None: the two could not be read together."""
        for _ in range(_TRIES):
            before_ns, wall_ns, after_ns = self._monotonic_ns(), self._wall_ns(), self._monotonic_ns()
            if after_ns - before_ns < _MAX_LOOK_NS:
                return wall_ns - before_ns
        return None
