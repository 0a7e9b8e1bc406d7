"""Answers what the kernel's trace knows: the cgroup of a killed process, and the kills whose lines the log lost.

Rules:
- It is asked after a kill line was read, or after records were lost, and reads only then. No thread, no timer: nothing
  is read while nothing dies.
- The event is in the ring before the kernel prints the line, so one look is enough, and it never waits.
- What it cannot answer is None. Nothing here raises for what the system refuses.
"""

from __future__ import annotations

import math
import os
import resource
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from otel_oom.cgroupfs.cgroup_mounts import mounts_of_this_process
from otel_oom.kernel.kill_facts import interpret
from otel_oom.kernel.kill_line import KillLine
from otel_oom.kernel.oom_kill import OomKill
from otel_oom.victim_trace.cgroup_path import CgroupPaths
from otel_oom.victim_trace.lost_lines import LostLines
from otel_oom.victim_trace.trace_join import TraceJoin
from otel_oom.victim_trace.trace_ring import Traced, TraceRing
from otel_oom.victim_trace.traced_line import TracedLine, traced_record
from otel_oom.victim_trace.traced_victim import TracedVictim
from otel_oom.victim_trace.tracefs_setup import TRACEFS, Instance, Unavailable, set_up


@dataclass(frozen=True, slots=True)
class TracedCgroup:
    """The cgroup of a victim, escaped as in the kernel log.

    path: from the root of the hierarchy, as the host sees it. None: the cgroup was removed before it could be found
    names: the last names of the path, the innermost one last; without `path` that is all that is known
    """

    path: str | None
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LostKills:
    """Kills whose lines the kernel log lost. lines: how many the kernel counted, with the repeats of groups."""

    kills: tuple[OomKill, ...] = ()
    lines: int = 0


class _Ring(Protocol):
    @property
    def has_missed(self) -> bool: ...

    def read_until(self, time_ns: float) -> list[Traced]: ...

    def overwritten(self) -> int: ...


class _Paths(Protocol):
    def path_of(self, cgroup_id: int, name: str) -> str | None: ...


class VictimTrace:
    """ring: what the kernel recorded; paths: of cgroup ids, None where cgroup v2 is not to be seen.

    without_cgroups: why the kernel does not record cgroups, None if it does
    overwritten: is called with the number of events that the kernel overwrote before they were read, if it may be new
    clock_s: a monotonic clock
    """

    def __init__(
        self,
        ring: _Ring,
        paths: _Paths | None,
        *,
        without_cgroups: str | None = None,
        overwritten: Callable[[int], None] = lambda _: None,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self.without_cgroups = without_cgroups
        self._ring = ring
        self._paths = paths
        self._overwritten = overwritten
        self._clock_s = clock_s
        self._join = TraceJoin()
        self._lines = LostLines()

    def find(self, kill: OomKill) -> TracedCgroup | None:
        """The cgroup of the victim of a kill. Call it for each kill, once: so no event is used for two of them."""
        line_ns = kill.record.monotonic_us * 1_000
        self._read_until(line_ns)
        self._lines.came(kill.record.text, line_ns)
        victim = self._join.take(kill.pid, kill.line.comm, line_ns)
        return None if victim is None else self._cgroup_of(victim)

    def discard_lines(self) -> None:
        """Forget the kill lines up to now: counting begins after them."""
        self._read_until(math.inf)
        self._lines.discard()

    def log_lost(self, *, is_backlog: bool) -> None:
        """Records of the kernel log were lost. is_backlog: they are older than this agent."""
        self._read_until(math.inf)
        self._lines.log_lost(self._clock_s(), is_backlog=is_backlog)

    def take_lost(self, read: Iterable[OomKill], boot_id: str, observed_ns: int) -> LostKills:
        """The kills whose lines are lost. Each one is returned once. Call it when the log was read to its end.

        read: kills that were read from the log, and that `find` was not asked for yet: their lines came
        observed_ns: wall clock now, ns since the Unix epoch
        """
        for kill in read:
            self._lines.came(kill.record.text, kill.record.monotonic_us * 1_000)
        lost = self._lines.take(self._clock_s(), self._mark_ns)
        kills = [
            interpret(
                one.kill,
                None,
                record=traced_record(one.line, is_backlog=one.is_backlog),
                observed_ns=observed_ns,
                boot_id=boot_id,
            )
            for one in lost
            if not one.is_repeat
        ]
        return LostKills(tuple(kills), len(lost))

    def _read_until(self, time_ns: float) -> None:
        events = self._ring.read_until(time_ns)
        self._join.add(event for event in events if isinstance(event, TracedVictim))
        self._lines.add((event for event in events if isinstance(event, TracedLine)), self._clock_s())
        if self._ring.has_missed:
            self._overwritten(self._ring.overwritten())

    def _mark_ns(self, kill: KillLine, line: TracedLine) -> int | None:
        victim = self._join.find(kill.pid, kill.comm, line.time_ns)
        return None if victim is None else victim.time_ns

    def _cgroup_of(self, victim: TracedVictim) -> TracedCgroup | None:
        names = victim.cgroup_names
        if names is None or victim.cgroup_id is None:
            return None
        if victim.cgroup_level == len(names):  # all of them, down from the root
            return TracedCgroup("/" + "/".join(names), names)
        path = self._paths.path_of(victim.cgroup_id, names[-1]) if self._paths else None
        return TracedCgroup(path, names)


def set_up_machine(tracefs: Path = TRACEFS) -> Instance | Unavailable:
    """Set up the trace instance of this machine. Raises nothing."""
    try:
        own_cgroups = Path("/proc/self/cgroup").read_text("utf-8", "replace")
    except OSError as error:
        return Unavailable(str(error))
    return set_up(tracefs, own_cgroups=own_cgroups, processors=os.cpu_count() or 1)


def open_victim_trace(
    tracefs: Path = TRACEFS, *, overwritten: Callable[[int], None] = lambda _: None
) -> VictimTrace | Unavailable:
    """Set up the trace instance of this machine, and open it. Raises nothing. overwritten: see `VictimTrace`."""
    instance = set_up_machine(tracefs)
    if isinstance(instance, Unavailable):
        return instance
    # One file for each processor, also for those that may be added. A quarter of the limit: sockets and the spool need
    # files too.
    processors = max(os.cpu_count() or 1, len(list(instance.directory.glob("per_cpu/cpu*"))))
    if processors > resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 4:
        return Unavailable("the limit of open files is too low for this number of processors (LimitNOFILE=)")
    try:
        ring = TraceRing(instance.directory, instance.formats, os.sysconf("SC_PAGE_SIZE"))
    except BlockingIOError:
        return Unavailable(f"another process reads {instance.directory}")
    except OSError as error:
        return Unavailable(str(error))
    overwritten(ring.overwritten())
    mount = mounts_of_this_process().unified
    paths = None if mount is None or instance.without_cgroups else CgroupPaths(mount)
    return VictimTrace(ring, paths, without_cgroups=instance.without_cgroups, overwritten=overwritten)
