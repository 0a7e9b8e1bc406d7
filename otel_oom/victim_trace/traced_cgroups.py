"""Answers which cgroup a killed process was in, from the trace ring and the cgroup filesystem.

Rules:
- It is asked after a kill line was read, and reads only then. No thread, no timer: nothing is read while nothing dies.
- The event is in the ring before the kernel prints the line, so one look is enough, and it never waits.
- What it cannot answer is None. Nothing here raises for what the system refuses.
"""

from __future__ import annotations

import os
import resource
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from otel_oom.cgroupfs.cgroup_mounts import mounts_of_this_process
from otel_oom.kernel.oom_kill import OomKill
from otel_oom.victim_trace.cgroup_path import CgroupPaths
from otel_oom.victim_trace.trace_join import TraceJoin
from otel_oom.victim_trace.trace_ring import TraceRing
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


class _Ring(Protocol):
    def read_until(self, time_ns: int) -> list[TracedVictim]: ...


class _Paths(Protocol):
    def path_of(self, cgroup_id: int, name: str) -> str | None: ...


class TracedCgroups:
    """ring: the victims that the kernel marked; paths: of cgroup ids, None where cgroup v2 is not to be seen."""

    def __init__(self, ring: _Ring, paths: _Paths | None) -> None:
        self._ring = ring
        self._paths = paths
        self._join = TraceJoin()

    def find(self, kill: OomKill) -> TracedCgroup | None:
        """The cgroup of the victim of a kill. Call it for each kill, once: so no event is used for two of them."""
        line_ns = kill.record.monotonic_us * 1_000
        self._join.add(self._ring.read_until(line_ns))
        victim = self._join.take(kill.pid, kill.line.comm, line_ns)
        return None if victim is None else self._cgroup_of(victim)

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


def open_traced_cgroups(tracefs: Path = TRACEFS) -> TracedCgroups | Unavailable:
    """Set up the trace instance of this machine, and open it. Raises nothing."""
    instance = set_up_machine(tracefs)
    if isinstance(instance, Unavailable):
        return instance
    if instance.without_cgroups is not None:
        return Unavailable(instance.without_cgroups)
    # One file for each processor. A quarter of the limit: sockets and the spool need files too.
    if (os.cpu_count() or 1) > resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 4:
        return Unavailable("the limit of open files is too low for this number of processors (LimitNOFILE=)")
    try:
        ring = TraceRing(instance.directory, instance.formats, os.sysconf("SC_PAGE_SIZE"))
    except BlockingIOError:
        return Unavailable(f"another process reads {instance.directory}")
    except OSError as error:
        return Unavailable(str(error))
    mount = mounts_of_this_process().unified
    return TracedCgroups(ring, None if mount is None else CgroupPaths(mount))
