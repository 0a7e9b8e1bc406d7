"""Limits of the time that an input takes and of the growth of the process, as a wrapper of a fuzzer's target."""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

BASE_NS: Final = 100_000_000
NS_PER_KIB: Final = 1_000_000
GROWTH_BYTES: Final = 64 << 20
EVERY: Final = 50_000
"""Inputs between two measurements of the memory. Growth counts from the second one: caches are full then."""

_STATM: Final = Path("/proc/self/statm")


class SlowError(Exception):
    """An input took more CPU time than 100 ms plus 1 ms for each KiB of its log."""


class GrowthError(Exception):
    """The process grew by more than 64 MiB."""


def resident_bytes() -> int:
    """Resident memory of this process."""
    return int(_STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


class Limited:
    """A target that also raises when an input is slow or the process grows.

    target: takes an input and returns the size of its log, bytes
    cpu_ns, resident: measure CPU time and memory; tests replace them
    """

    def __init__(
        self,
        target: Callable[[bytes], int],
        *,
        cpu_ns: Callable[[], int] = time.thread_time_ns,
        resident: Callable[[], int] = resident_bytes,
        every: int = EVERY,
    ) -> None:
        self._target = target
        self._cpu_ns = cpu_ns
        self._resident = resident
        self._every = every
        self._first: int | None = None
        self.inputs = 0

    def __call__(self, data: bytes) -> None:
        """Run the target. Raises: SlowError, GrowthError, and what the target raises."""
        begin = self._cpu_ns()
        size = self._target(data)
        took = self._cpu_ns() - begin
        if took > BASE_NS + NS_PER_KIB * size // 1024:
            raise SlowError(f"{took / 1e6:.0f} ms for a log of {size} bytes")
        self.inputs += 1
        if self.inputs % self._every == 0:
            self._look()

    def _look(self) -> None:
        gc.collect()
        now = self._resident()
        if self.inputs == 2 * self._every:
            self._first = now
        if self._first is not None and now - self._first > GROWTH_BYTES:
            raise GrowthError(f"{(now - self._first) >> 20} MiB more after {self.inputs} inputs")
