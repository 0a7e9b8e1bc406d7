"""Finds the cgroups of victims that the kernel printed no report for: from its trace events, /proc, and kill counters.

Rules:
- Each source is asked for what the sources before it do not have. What is found says where it comes from.
- The kernel's trace event is asked for each kill, so that each event is used up.
- The kill counters say it of all kills that were read together. Victims whose cgroup is known are taken away first.
- Of a kill that is older than the agent, or whose line the log lost, only a trace event is used: the rest may be of
  another process.
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
from otel_oom.kernel.oom_kill import NoVictim, OomKill
from otel_oom.kernel.text_escapes import printable
from otel_oom.machine import procfs
from otel_oom.machine.victim_cgroup import cgroup_of
from otel_oom.telemetry.container_from_cgroup import UNKNOWN_PARENTS
from otel_oom.victim_trace.traced_line import TracedRecord
from otel_oom.victim_trace.victim_trace import TracedCgroup

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
        counted: CountedCgroups | NoCounters | None = None,
    ) -> None:
        self._health = health
        self._traced_cgroup = traced_cgroup
        self._counted = counted

    def find(self, batch: ReadBatch, lines: int, *, is_backlog: bool) -> list[VictimCgroup]:
        """What is known of the victim of each finding in a batch. Raises nothing.

        lines: kill lines that the agent has read so far; is_backlog: they are older than this agent
        """
        found = [self._find_one(finding, batch, is_backlog=is_backlog) for finding in batch.findings]
        if not isinstance(self._counted, CountedCgroups) or is_backlog:
            return found
        try:
            known = {
                finding.record.sequence: finding.cgroup or cgroup.path
                for finding, cgroup in zip(batch.findings, found, strict=True)
                if isinstance(finding, OomKill) and not isinstance(finding.record, TracedRecord)
            }
            paths = self._counted.find(lines, known) if known else {}
        except Exception as error:  # noqa: BLE001 the kills are delivered without it
            self._health.bug("the reading of kill counters", error)
            return found
        return [
            VictimCgroup(paths[finding.record.sequence], "counter") if finding.record.sequence in paths else cgroup
            for finding, cgroup in zip(batch.findings, found, strict=True)
        ]

    def look(self, lines: int, counted: int) -> None:
        """The log was read to its end, and the kernel's counter after it: see `CountedCgroups.look`. Raises nothing."""
        if isinstance(self._counted, NoCounters):
            log.info("kill counters of cgroups are not read: %s", self._counted.reason)
            self._counted = None
        if self._counted is not None:
            try:
                self._counted.look(lines, counted)
            except Exception as error:  # noqa: BLE001 kills are delivered without it
                self._health.bug("the reading of kill counters", error)

    def _find_one(self, finding: OomKill | NoVictim, batch: ReadBatch, *, is_backlog: bool) -> VictimCgroup:
        if isinstance(finding, NoVictim):
            return UNKNOWN
        try:
            traced = self._traced_cgroup(finding)
            if traced is not None and traced.path is not None:
                return VictimCgroup(printable(traced.path), "tracefs")
            is_late = is_backlog or isinstance(finding.record, TracedRecord)
            glance = None if is_late else batch.glances.get(finding.record.sequence)
            path = None if glance is None else cgroup_of(glance, finding.comm)
            if path is not None:
                return VictimCgroup(path, "proc")
            return (
                UNKNOWN
                if traced is None
                else VictimCgroup(tail="/".join((UNKNOWN_PARENTS, *map(printable, traced.names))))
            )
        except Exception as error:  # noqa: BLE001 the kill is delivered without it
            self._health.bug("the search for a victim's cgroup", error)
            return UNKNOWN


def open_counters(below: str) -> CountedCgroups | NoCounters:
    """Prepare to read this machine's kill counters. below: where the cgroup filesystems are. Raises nothing."""
    return open_counted_cgroups(mounts_of_this_process(below).memory, procfs.oom_kills)
