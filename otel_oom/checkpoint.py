"""Where reading and counting stand: the values that survive a restart together. No I/O, no clock.

Rules:
- Totals and their start time go on over a restart within one boot. In a new boot, and where the log has a gap that the
  restart cannot see into, they begin again at 0 with a new start time: a store then sees a reset, not a jump. What no
  collector had taken of the old ones is the first increase of the new ones.
- What the kernel counted is compared with what was seen over the whole boot, across restarts and gaps.
- Two totals never share a series: totals go on only under the instance id that they were exported with. Where this
  machine is another one than before (a copy of a disk, a fork of a running VM) they begin again at 0 under its own id.
  What no collector had taken of the old ones is told as the old one's, at the times that it has for each copy: all
  copies say the same, and a store that has newer points of the old one drops it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

MAX_FORMER: Final = 100  # forks with untold kills, while no collector is to be had: beyond it the oldest is given up
_DAY_NS: Final = 86_400 * 10**9


@dataclass(frozen=True, slots=True)
class Totals:
    """What the counters carry. start_ns: when they began at 0, wall clock ns since the Unix epoch.

    kills: kill lines by scope; stamps_ns: the newest kill of each scope, wall clock ns
    """

    start_ns: int
    kills: Mapping[str, int] = field(default_factory=dict)
    stamps_ns: Mapping[str, int] = field(default_factory=dict)
    unaccounted: int = 0

    def plus(self, scope: str, observed_ns: int) -> Totals:
        """One kill more."""
        return replace(
            self,
            kills={**self.kills, scope: self.kills.get(scope, 0) + 1},
            stamps_ns={**self.stamps_ns, scope: observed_ns},
        )

    def plus_unaccounted(self, count: int) -> Totals:
        """More kills that the log did not show."""
        return replace(self, unaccounted=self.unaccounted + count)

    def plus_all(self, other: Totals, observed_ns: int) -> Totals:
        """All that others held, as kills of now."""
        kills = {scope: self.kills.get(scope, 0) + count for scope, count in other.kills.items() if count}
        return replace(
            self,
            kills={**self.kills, **kills},
            stamps_ns={**self.stamps_ns, **dict.fromkeys(kills, observed_ns)},
            unaccounted=self.unaccounted + other.unaccounted,
        )

    def beyond(self, told: Totals | None) -> Totals:
        """What these hold more than others of the same beginning."""
        if told is None or told.start_ns != self.start_ns:
            return self
        kills = {scope: count - told.kills.get(scope, 0) for scope, count in self.kills.items()}
        return replace(self, kills=kills, unaccounted=self.unaccounted - told.unaccounted)


@dataclass(frozen=True, slots=True)
class Origin:
    """Who sends: what in the resource tells this machine from its copies.

    instance_id: `service.instance.id`, if the user sets no other; host_name, host_id: empty where there is none
    """

    instance_id: str
    host_name: str = ""
    host_id: str = ""


@dataclass(frozen=True, slots=True)
class Series:
    """Totals, and whose they are."""

    origin: Origin
    totals: Totals

    @property
    def key(self) -> tuple[Origin, int]:
        """What makes them one series: whose, and since when."""
        return self.origin, self.totals.start_ns


@dataclass(frozen=True, slots=True)
class Former:
    """The last totals of what this machine was.

    told: those that a collector has taken, None before the first; exported_ns: the latest time that a point carried
    """

    series: Series
    told: Totals | None
    exported_ns: int

    def after(self, series: Series) -> Former:
        """The same, when a collector has taken that, which may be another one's."""
        return replace(self, told=series.totals) if series.key == self.series.key else self


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """One moment of the agent in one boot.

    origin: under which the totals are exported
    cursor: sequence of the record at which reading begins again, None before the first: it lies before an open report
        or group, never in it; uncounted: sequence of the first record that `totals` and `lines` do not hold yet
    base, lines: the kernel's counter when counting began (None: not known yet), and kill lines seen since
    log_epoch_ns: the kernel log's clock laid on the wall clock as first seen in this boot
    exported_ns: the latest time that any metric point carried
    agent_pid: of the agent that wrote this, 0 where pids are not the kernel log's
    is_ended: it ended as it should, and what it exported is in `totals`
    told: the totals that a collector has taken, None before the first
    owed: of earlier totals, what no collector has taken: it is added when the first export is on its way
    former: of what this machine was before, what is still to be told as that one's, oldest first
    """

    boot_id: str
    origin: Origin
    totals: Totals
    cursor: int | None = None
    uncounted: int = 0
    base: int | None = None
    lines: int = 0
    log_epoch_ns: int = 0
    exported_ns: int = 0
    agent_pid: int = 0
    is_ended: bool = False
    told: Totals | None = None
    owed: Totals | None = None
    former: tuple[Former, ...] = ()

    @property
    def series(self) -> Series:
        """The totals, and whose they are."""
        return Series(self.origin, self.totals)

    @property
    def told_of_these(self) -> Totals | None:
        """What a collector has taken of these totals, not of some that began before."""
        return self.told if self.told is not None and self.told.start_ns == self.totals.start_ns else None

    def anew(self, start_ns: int) -> Checkpoint:
        """The totals begin again at 0. What they held stays in the comparison with the kernel's counter."""
        base = None if self.base is None else self.base + self.lines + self.totals.unaccounted
        owed = self.totals.beyond(self.told)
        if self.owed is not None:
            owed = owed.plus_all(self.owed, 0)
        is_owed = owed.unaccounted or any(owed.kills.values())
        return replace(self, totals=Totals(start_ns), base=base, lines=0, told=None, owed=owed if is_owed else None)

    def of_another(self, origin: Origin, start_ns: int) -> Checkpoint:
        """This machine is another one now."""
        anew = self.anew(start_ns)
        former = self.former
        if anew.owed is not None:
            totals = self.totals if self.owed is None else self.totals.plus_all(self.owed, 0)
            last = Former(Series(self.origin, totals), self.told_of_these, self.exported_ns)
            former = (*former, last)[-MAX_FORMER:]
        return replace(anew, origin=origin, owed=None, former=former)

    def is_of(self, instance_id: str) -> bool:
        """Whether that machine wrote it. Its id may be longer: it is of one run, or of one fork, of that machine."""
        return self.origin.instance_id.startswith(instance_id)


def resume(stored: Checkpoint | None, now: Checkpoint) -> Checkpoint:
    """Where an agent begins, from what the last one stored; now: a first start at this moment, in this boot.

    In one boot it begins as what the last one was: what the log holds from before a fork is that one's.
    """
    if stored is None:
        return now
    # Beyond a day it was the clock that lied when that was exported, and not its mending that put it back.
    is_sane = stored.exported_ns - now.totals.start_ns < _DAY_NS
    exported_ns = stored.exported_ns if is_sane else 0
    if stored.boot_id != now.boot_id:  # the log is read from its start, and the kernel began to count at 0
        is_same = stored.is_of(now.origin.instance_id)
        before = stored.anew(0) if is_same else stored.of_another(now.origin, 0)
        return replace(now, cursor=0, base=0, exported_ns=exported_ns, owed=before.owed, former=before.former)
    return replace(stored, agent_pid=now.agent_pid, is_ended=False, exported_ns=exported_ns)
