"""Answers which cgroup killed processes were in, from the kill counters of all cgroups.

It serves where the kernel printed no report, and neither its trace events nor /proc name the cgroup.

Rules:
- The counters are read only after a burst with a victim that has no name yet, and once after kills have ended. Nothing
  is read while nothing dies.
- A look that fails is tried again for a minute, and then only after the next kill: some cgroup may never be readable.
- The first window begins when nothing was counted and no line came for 5 s: a kill that was counted then has its line.
- No kill waits longer than `_FIND_S`. A look, at most one in 5 s, takes `_LOOK_S` at most. With more than `MAX_CGROUPS`
  cgroups nothing is read at all. Measured on 6.18 (v1): 111 cgroups are read in 0.3 ms, and searched in 0.8 ms.
- What it cannot say is absent. Nothing here raises for what the system refuses.
"""

from __future__ import annotations

import logging
import os
import re
import resource
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from otel_oom.cgroupfs.cgroup_mounts import MemoryHierarchy
from otel_oom.cgroupfs.kill_counters import KillCounters, TooManyCgroupsError
from otel_oom.cgroupfs.kill_window import CounterReading, KillWindow

log = logging.getLogger(__name__)

MAX_CGROUPS: Final = 256
_FIND_S: Final = 0.005  # of this, the search for new cgroups
_SEARCH_S: Final = 0.003
_LOOK_S: Final = 0.010
_MAX_LOOKS: Final = 12  # after one kill: a minute
# Before 5.7 (04fd61a4e010) a kill in v1 counts in the cgroups above too: a removed cgroup's kill would be theirs.
_V1_SINCE: Final = (5, 7)


@dataclass(frozen=True, slots=True)
class NoCounters:
    """The counters cannot be used. reason: why."""

    reason: str


class _Counters(Protocol):
    @property
    def max_cgroups(self) -> int: ...
    def __len__(self) -> int: ...
    def find_cgroups(self, deadline_s: float) -> bool: ...
    def read(self, deadline_s: float) -> dict[int, int] | None: ...
    def path_of(self, number: int) -> str | None: ...
    def by_path(self) -> dict[str, int]: ...
    def close(self) -> None: ...


class CountedCgroups:
    """counters: of all cgroups; kernel_kills: the machine's counter, None if it cannot be read."""

    def __init__(self, counters: _Counters, kernel_kills: Callable[[], int | None]) -> None:
        self._counters: _Counters | None = counters
        self._kernel_kills = kernel_kills
        self._window = KillWindow()
        self._last: tuple[int, int] | None = None
        self._looks = 0  # since the last kill
        self._is_announced = False

    def find(self, lines: int, kills: Mapping[int, str | None]) -> dict[int, str]:
        """The printable cgroup by sequence of the kill line, for victims whose cgroup is not known.

        lines: kill lines that were read so far; kills: the last of them, with the victim's printable cgroup, if known
        """
        self._window.add(kills)
        counters = self._counters
        if counters is None or self._window.beginning is None or None not in kills.values():
            return {}
        begin_s = time.monotonic()
        deadline_s = begin_s + _FIND_S
        reading = self._read(counters, lines, deadline_s, has_all=False)
        if reading is not None and self._window.has_each_line(reading) and not self._window.has_each_kill(reading):
            reading = self._search_and_read(counters, lines, begin_s + _SEARCH_S, deadline_s)
        if reading is None:
            return {}
        found = self._window.end(reading, counters.by_path() if self._window.has_names else {})
        paths = {number: counters.path_of(number) for number in set(found.values())}
        return {
            sequence: path
            for sequence, number in found.items()
            if sequence in kills and (path := paths[number]) is not None
        }

    def look(self, lines: int, counted: int) -> None:
        """Begin a window, if nothing was killed since the last look. Call it at least 5 s after the last call.

        counted: the machine's counter, read after the log was read to its end
        """
        is_first, is_quiet = self._last is None, self._last == (lines, counted)
        self._last = (lines, counted)
        begin = self._window.beginning
        is_begun = begin is not None and (begin.lines, begin.counted) == (lines, counted)
        self._looks = self._looks if is_quiet else 0
        is_given_up = self._looks >= _MAX_LOOKS
        if self._counters is None or is_begun or is_given_up or not (is_first or is_quiet):
            return
        # The first look only opens the files.
        deadline_s = time.monotonic() + _LOOK_S
        reading = self._search_and_read(self._counters, lines, deadline_s, deadline_s)
        self._looks += 1
        if is_quiet and reading is not None and reading.has_all and reading.counted == counted:
            self._window.begin(reading)
            if not self._is_announced:
                number = len(self._counters)
                log.info(
                    "victims that nothing else names get their cgroup from the kill counters of %d cgroups", number
                )
                self._is_announced = True

    def _search_and_read(
        self, counters: _Counters, lines: int, search_deadline_s: float, deadline_s: float
    ) -> CounterReading | None:
        try:
            has_all = counters.find_cgroups(search_deadline_s)
        except TooManyCgroupsError:
            log.info("there are more than %d cgroups: their kill counters are not read", counters.max_cgroups)
            counters.close()
            self._counters = None
            self._window.begin(None)
            return None
        return self._read(counters, lines, deadline_s, has_all=has_all)

    def _read(self, counters: _Counters, lines: int, deadline_s: float, *, has_all: bool) -> CounterReading | None:
        before = len(counters)
        kills = counters.read(deadline_s)
        counted = self._kernel_kills()
        if kills is None or counted is None:
            return None
        return CounterReading(lines, kills, counted, has_all=has_all and len(kills) == before)


def open_counted_cgroups(
    hierarchy: MemoryHierarchy | None, kernel_kills: Callable[[], int | None], release: str = os.uname().release
) -> CountedCgroups | NoCounters:
    """Prepare to read the counters; `look` opens them. release: of the kernel. Raises nothing."""
    if hierarchy is None:
        return NoCounters("no mount shows the whole hierarchy of the memory cgroups")
    if hierarchy.version == 1 and _version(release) < _V1_SINCE:
        return NoCounters("on cgroup v1 it needs Linux 5.7")
    if kernel_kills() is None:
        return NoCounters("/proc/vmstat has no oom_kill (Linux 4.13+)")
    # Half of the limit: sockets, the spool and the trace ring need files too.
    most = min(MAX_CGROUPS, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2)
    return CountedCgroups(KillCounters(hierarchy, most), kernel_kills)


def _version(release: str) -> tuple[int, int]:
    found = re.match(r"(\d+)\.(\d+)", release)
    return (int(found[1]), int(found[2])) if found else (0, 0)
