"""Finds the cgroups of victims that the kernel printed no report for: from its trace events, /proc, and kill counters.

Rules:
- Each source is asked for what the sources before it do not have. What is found says where it comes from.
- The kernel's trace event is asked for each kill, so that each event is used up.
- The kill counters say it of all kills that were read together. Victims whose cgroup is known are taken away first.
- If something fails, the kill is delivered without its cgroup.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from otel_oom.agent.read_batch import ReadBatch
from otel_oom.cgroupfs.cgroup_mounts import mounts_of_this_process
from otel_oom.cgroupfs.counted_cgroups import CountedCgroups, NoCounters, open_counted_cgroups
from otel_oom.health import Health
from otel_oom.kernel.oom_kill import OomKill
from otel_oom.kernel.text_escapes import printable
from otel_oom.machine import procfs
from otel_oom.machine.victim_cgroup import Glance, cgroup_of
from otel_oom.telemetry.container_from_cgroup import UNKNOWN_PARENTS
from otel_oom.victim_trace.traced_cgroups import TracedCgroup, open_traced_cgroups
from otel_oom.victim_trace.tracefs_setup import Unavailable

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class VictimCgroup:
    """What is known beside the report. Fields: see `LiveFacts`."""

    path: str | None = None
    source: str | None = None
    tail: str | None = None


UNKNOWN: Final = VictimCgroup()


class VictimCgroups:
    """traced_cgroup: what the kernel's trace events know of a victim; counted: from kill counters, None without."""

    def __init__(
        self,
        health: Health,
        traced_cgroup: Callable[[OomKill], TracedCgroup | None] = lambda _: None,
        counted: CountedCgroups | None = None,
    ) -> None:
        self._health = health
        self._traced_cgroup = traced_cgroup
        self._counted = counted

    def find(self, batch: ReadBatch, lines: int, *, is_backlog: bool) -> dict[int, VictimCgroup]:
        """What is known of the victims in a batch, by the sequence of the kill line. Raises nothing.

        lines: kill lines that the agent has read so far; is_backlog: they are older than this agent
        """
        kills = [finding for finding in batch.findings if isinstance(finding, OomKill)]
        found = {}
        for kill in kills:
            sequence = kill.record.sequence
            try:
                found[sequence] = self._find_one(kill, None if is_backlog else batch.glances.get(sequence))
            except Exception as error:  # noqa: BLE001 the kill is delivered without it
                self._health.bug("the search for a victim's cgroup", error)
                found[sequence] = UNKNOWN
        if kills and self._counted is not None and not is_backlog:
            try:
                known = {kill.record.sequence: kill.cgroup or found[kill.record.sequence].path for kill in kills}
                for sequence, path in self._counted.find(lines, known).items():
                    found[sequence] = VictimCgroup(path, "counter")
            except Exception as error:  # noqa: BLE001 the kills are delivered without it
                self._health.bug("the reading of kill counters", error)
        return found

    def look(self, lines: int, counted: int) -> None:
        """The log was read to its end, and the kernel's counter after it: see `CountedCgroups.look`. Raises nothing."""
        if self._counted is not None:
            try:
                self._counted.look(lines, counted)
            except Exception as error:  # noqa: BLE001 kills are delivered without it
                self._health.bug("the reading of kill counters", error)

    def _find_one(self, kill: OomKill, glance: Glance | None) -> VictimCgroup:
        traced = self._traced_cgroup(kill)
        if traced is not None and traced.path is not None:
            return VictimCgroup(printable(traced.path), "tracefs")
        path = None if glance is None else cgroup_of(glance, kill.comm)
        if path is not None:
            return VictimCgroup(path, "proc")
        if traced is None:
            return UNKNOWN
        return VictimCgroup(tail="/".join((UNKNOWN_PARENTS, *map(printable, traced.names))))


def open_victim_cgroups(health: Health, *, reads_trace: bool, reads_counters: bool) -> VictimCgroups:
    """Open the sources of this machine. Raises nothing; the log lines say what is not available, and why.

    reads_trace: it takes victims out of the kernel's trace ring, which one agent of a machine can do
    reads_counters: the log is this machine's
    """
    return VictimCgroups(
        health, _open_trace() if reads_trace else _no_trace, _open_counters() if reads_counters else None
    )


def _open_trace() -> Callable[[OomKill], TracedCgroup | None]:
    cgroups = open_traced_cgroups()
    if isinstance(cgroups, Unavailable):
        log.info(
            "kills without a report get their cgroup from /proc, which has it for some of them: %s", cgroups.reason
        )
        return _no_trace
    log.info("kills without a report get their cgroup from the kernel's trace events")
    return cgroups.find


def _no_trace(_kill: OomKill) -> None:
    """No trace ring is read."""


def _open_counters() -> CountedCgroups | None:
    counters = open_counted_cgroups(mounts_of_this_process().memory, procfs.oom_kills)
    if isinstance(counters, NoCounters):
        log.info("kill counters of cgroups are not read: %s", counters.reason)
        return None
    return counters
