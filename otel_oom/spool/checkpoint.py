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

from dataclasses import dataclass, replace
from typing import Final

from otel_oom.totals import MAX_RETIRED_SERIES, ResourceIdentity, RetiredSeries, Series, Totals

_DAY_NS: Final = 86_400 * 10**9


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """One moment of the agent in one boot.

    identity: under which the totals are exported
    cursor: sequence of the record at which reading begins again, None before the first: it lies before an open report
        or group, never in it; first_uncounted: sequence of the first record that `totals` and `lines` do not hold yet
    base, lines: the kernel's counter when counting began (None: not known yet), and kill lines seen since
    log_epoch_ns: the kernel log's clock laid on the wall clock as first seen in this boot
    exported_ns: the latest time that any metric point carried
    agent_pid: of the agent that wrote this, 0 where pids are not the kernel log's
    is_ended: it ended as it should, and what it exported is in `totals`
    acknowledged: the totals that a collector has taken, None before the first
    carried_over: of earlier totals, what no collector has taken: it is added when the first export is on its way
    retired: of what this machine was before, what is still to be told as that one's, oldest first
    """

    boot_id: str
    identity: ResourceIdentity
    totals: Totals
    cursor: int | None = None
    first_uncounted: int = 0
    base: int | None = None
    lines: int = 0
    log_epoch_ns: int = 0
    exported_ns: int = 0
    agent_pid: int = 0
    is_ended: bool = False
    acknowledged: Totals | None = None
    carried_over: Totals | None = None
    retired: tuple[RetiredSeries, ...] = ()

    @property
    def series(self) -> Series:
        """The totals, and whose they are."""
        return Series(self.identity, self.totals)

    @property
    def acknowledged_of_current(self) -> Totals | None:
        """What a collector has taken of these totals, not of some that began before."""
        return (
            self.acknowledged
            if self.acknowledged is not None and self.acknowledged.start_ns == self.totals.start_ns
            else None
        )

    def with_reset_totals(self, start_ns: int) -> Checkpoint:
        """The totals begin again at 0. What they held stays in the comparison with the kernel's counter."""
        base = None if self.base is None else self.base + self.lines + self.totals.unaccounted
        carried_over = self.totals.beyond(self.acknowledged)
        if self.carried_over is not None:
            carried_over = carried_over.plus_all(self.carried_over, 0)
        is_owed = carried_over.unaccounted or any(carried_over.kills.values())
        return replace(
            self,
            totals=Totals(start_ns),
            base=base,
            lines=0,
            acknowledged=None,
            carried_over=carried_over if is_owed else None,
        )

    def under_new_identity(self, identity: ResourceIdentity, start_ns: int) -> Checkpoint:
        """This machine is another one now."""
        with_reset_totals = self.with_reset_totals(start_ns)
        retired = self.retired
        if with_reset_totals.carried_over is not None:
            totals = self.totals if self.carried_over is None else self.totals.plus_all(self.carried_over, 0)
            last = RetiredSeries(Series(self.identity, totals), self.acknowledged_of_current, self.exported_ns)
            retired = (*retired, last)[-MAX_RETIRED_SERIES:]
        return replace(with_reset_totals, identity=identity, carried_over=None, retired=retired)

    def written_by(self, instance_id: str) -> bool:
        """Whether that machine wrote it. Its id may be longer: it is of one run, or of one fork, of that machine."""
        return self.identity.instance_id.startswith(instance_id)


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
        is_same = stored.written_by(now.identity.instance_id)
        before = stored.with_reset_totals(0) if is_same else stored.under_new_identity(now.identity, 0)
        return replace(
            now, cursor=0, base=0, exported_ns=exported_ns, carried_over=before.carried_over, retired=before.retired
        )
    return replace(stored, agent_pid=now.agent_pid, is_ended=False, exported_ns=exported_ns)
