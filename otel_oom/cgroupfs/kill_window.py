"""Says which cgroup killed processes were in, from two readings of all cgroups' kill counters. No I/O.

A window is what happened between the two readings. Its counters name the cgroup if exactly one moved, by as many kills
as are missing a name.

Why it is exact (mm/oom_kill.c, __oom_kill_process, 4.13 to 6.18): under one spin lock the kernel first counts a kill in
/proc/vmstat, then in the cgroup of the memory's owner, and then prints the kill line. So:
- A line that was read before a reading is contained in it, if its cgroup still exists.
- The machine's counter is read after the cgroups' counters. If it has moved by as many kills as lines were read, no
  kill came in between. This holds if no line was missing at the beginning of the window: see `begin`.
- What a cgroup's counter moved by is at most what was killed in it. A cgroup may be removed, or its counter may begin
  again at 0, and then its kills are not seen. So if the sum of all movements is the number of lines, each one is true.

Rules:
- Anything that does not add up gives no name: a lost line, a removed cgroup, a kill in a cgroup without a counter.
- Kills whose cgroup is known otherwise are taken away first. If the counters do not have them, there is no name.
- A counter that is not in the reading at the beginning begins at 0. So a window may begin only if each counter that was
  not read had no kills: all cgroups were found, or all kills were seen in the counters.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

_MAX_KILLS: Final = 1_024


@dataclass(frozen=True, slots=True)
class CounterReading:
    """The state of all counters after some kills.

    lines: kill lines read so far; known before the counters were read
    counters: kills so far, by the id of a cgroup's counter
    counted: the machine's counter; read after the cgroups' counters
    has_all: all cgroups had been found after the lines were read, and each of their counters could be read
    """

    lines: int
    counters: Mapping[int, int]
    counted: int
    has_all: bool


class KillWindow:
    """Holds the kills since the last complete reading."""

    def __init__(self) -> None:
        self._begin: CounterReading | None = None
        self._kills: dict[int, str | None] = {}
        self._ended = -1  # the newest kill line of the windows before

    @property
    def beginning(self) -> CounterReading | None:
        """The reading at the beginning. None: there is no window."""
        return self._begin

    @property
    def has_names(self) -> bool:
        """Whether the cgroup of a victim in it is known."""
        return any(path is not None for path in self._kills.values())

    def begin(self, reading: CounterReading | None) -> None:
        """Begin a new window. None: there is none, because lines may be missing.

        reading: no kill was in progress when it was made, and the line of each kill before it was read.
        """
        self._begin = reading
        self._ended = max(self._kills, default=self._ended)
        self._kills = {}

    def add(self, kills: Mapping[int, str | None]) -> None:
        """Kill lines were read: the cgroup of each victim by the line's sequence, None: unknown.

        A line of an earlier window may come again: the agent could not pass it on. It is none of this window.
        """
        if self._begin is None:
            return
        self._kills.update({sequence: path for sequence, path in kills.items() if sequence > self._ended})
        if len(self._kills) > _MAX_KILLS:
            self.begin(None)

    def has_each_line(self, reading: CounterReading) -> bool:
        """Whether each kill that the machine counted until the reading has been read as a line."""
        begin = self._begin
        return begin is not None and reading.counted - begin.counted == reading.lines - begin.lines

    def has_each_kill(self, reading: CounterReading) -> bool:
        """Whether the cgroups' counters have each kill of which a line was read. False: a cgroup is new, or removed."""
        begin = self._begin
        return begin is not None and sum(_moved(begin, reading).values()) == reading.lines - begin.lines

    def end(self, reading: CounterReading, counters_by_path: Mapping[str, int]) -> dict[int, int]:
        """End the window, if nothing is missing. Returns the counter's id by the line's sequence, of unnamed victims.

        counters_by_path: id of the counter of each cgroup, by its printable path
        """
        begin, kills = self._begin, self._kills
        if begin is None or not self.has_each_line(reading):
            return {}
        is_exact = self.has_each_kill(reading)
        if is_exact or reading.has_all:
            self.begin(reading)
        if not is_exact:
            return {}
        moved = _moved(begin, reading)
        for path in kills.values():
            if path is not None and not _take_away(path, moved, counters_by_path):
                return {}
        left = [counter for counter, kills_left in moved.items() if kills_left]
        return {sequence: left[0] for sequence, path in kills.items() if path is None} if len(left) == 1 else {}


def _moved(begin: CounterReading, end: CounterReading) -> dict[int, int]:
    """By how much each counter moved. One that is new began at 0."""
    before = begin.counters
    return {
        counter: kills - before.get(counter, 0)
        for counter, kills in end.counters.items()
        if kills != before.get(counter, 0)
    }


def _take_away(path: str, moved: dict[int, int], counters_by_path: Mapping[str, int]) -> bool:
    """Take away one kill whose cgroup is known. Returns whether its counter has it.

    In cgroup v2 a cgroup may have no memory controller; then its kills count in the nearest one above that has it.
    """
    while path not in counters_by_path:
        if path in {"", "/"}:
            return False
        path = path.rpartition("/")[0] or "/"
    counter = counters_by_path[path]
    moved[counter] = moved.get(counter, 0) - 1
    return moved[counter] >= 0
