"""What a burst of reading brings, and what ended it. Values, no I/O."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from otel_oom.kernel.log_source import Closed
from otel_oom.kernel.oom_kill import NoVictim, OomKill
from otel_oom.machine.victim_cgroup import Glance


@dataclass(frozen=True, slots=True)
class More:
    """A burst ended before the log did: there may be more to read."""


@dataclass(frozen=True, slots=True)
class Drained:
    """All that the log holds was read."""


BurstEnd: TypeAlias = More | Drained | Closed


@dataclass(frozen=True, slots=True)
class ReadBatch:
    """What reading brought.

    claims: kill lines with an unknown cause: kills if the kernel's counter has them
    glances: what /proc had of the victim, by the sequence of the kill line
    lost: records that were overwritten before they were read; lost_ns: when the last loss was seen, wall clock ns
    is_forked: the last record reports a fork of the virtual machine
    """

    findings: list[OomKill | NoVictim] = field(default_factory=list)
    claims: list[OomKill] = field(default_factory=list)
    glances: dict[int, Glance] = field(default_factory=dict)
    lost: int = 0
    lost_ns: int = 0
    is_forked: bool = False

    @property
    def kills(self) -> list[OomKill]:
        """The kills among the findings."""
        return [finding for finding in self.findings if isinstance(finding, OomKill)]
