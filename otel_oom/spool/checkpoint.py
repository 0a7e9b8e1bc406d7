"""The checkpoint: the values that survive a restart together. No I/O, no clock.

Rules:
- Totals and their start time continue over a restart within one boot. In a new boot, and where uncounted records are
  missing from the log, they begin again at 0 with a new start time: a metrics backend then sees a reset, no decrease.
- Unacknowledged counts from before a new boot are carried over: they are the first increase of the new totals.
- The kernel's counter is compared with all that was read in this boot, across restarts and resets.
- Two totals never share a series: totals continue only under the identity that they were exported with. If the
  identity has changed (a copy of a disk, a fork of a running VM), totals begin again at 0 under the new one.
- Unacknowledged counts are then exported under the old identity with stored timestamps, identical in every copy. A
  metrics backend that has newer points of that series drops them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from otel_oom.totals import MAX_RETIRED_SERIES, ResourceIdentity, RetiredSeries, Series, Totals

NOT_KNOWN: Final = Totals(0)
"""The totals of an earlier agent whose checkpoint is lost: they begin with the agent after it."""

_DAY_NS: Final = 86_400 * 10**9


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """One moment of an agent in one boot.

    identity: under which the totals are exported
    cursor: sequence of the record from which a restart reads, None before the first; never inside a report or group
    first_uncounted: sequence of the first record that `totals` and `lines` do not contain
    base: the kernel's counter less `lines` and `totals.surplus`, once all lines are read; None if not known
    lines: kill lines read since the last reset
    log_epoch_ns: wall clock at the kernel log's time 0, as first seen in this boot, ns since the Unix epoch
    exported_ns: the latest time of any acknowledged metric point
    agent_pid: of the agent that wrote this, 0 in another pid namespace than the kernel log's
    is_ended: the agent ended as it should, and `totals` contains all that it exported
    acknowledged: the totals that a collector accepted, None before the first
    carried_over: unacknowledged counts from before a reset, until the next `put` adds them to the totals
    retired: totals of previous identities that are not fully acknowledged, oldest first
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
        """The totals, and their identity."""
        return Series(self.identity, self.totals)

    @property
    def acknowledged_of_current(self) -> Totals | None:
        """What a collector accepted of these totals. None: nothing, or only totals from before a reset."""
        is_current = self.acknowledged is not None and self.acknowledged.start_ns == self.totals.start_ns
        return self.acknowledged if is_current else None

    def with_reset_totals(self, start_ns: int) -> Checkpoint:
        """The totals begin again at 0: for a new boot, a gap at a restart, and a new identity.

        The base moves on: the kernel's counter stays compared with all kills.
        """
        base = None if self.base is None else self.base + self.lines + self.totals.surplus
        carried_over = self.totals.beyond(self.acknowledged)
        if self.carried_over is not None:
            carried_over = carried_over.plus_all(self.carried_over, 0)  # 0: without an observation time
        counts = (carried_over.unaccounted, carried_over.unconfirmed, *carried_over.kills.values())
        return replace(
            self,
            totals=Totals(start_ns),
            base=base,
            lines=0,
            acknowledged=None,
            carried_over=carried_over if any(counts) else None,
        )

    def under_new_identity(self, identity: ResourceIdentity, start_ns: int) -> Checkpoint:
        """The totals begin again at 0 under another identity: for a copied disk and a fork of a running VM.

        Unacknowledged totals become a retired series: its collector may be out of reach now.
        """
        after = self.with_reset_totals(start_ns)
        retired = self.retired
        if after.carried_over is not None:
            totals = self.totals if self.carried_over is None else self.totals.plus_all(self.carried_over, 0)
            last = RetiredSeries(Series(self.identity, totals), self.acknowledged_of_current, self.exported_ns)
            retired = (*retired, last)[-MAX_RETIRED_SERIES:]
        return replace(after, identity=identity, carried_over=None, retired=retired)


def resume(stored: Checkpoint | None, now: Checkpoint) -> Checkpoint:
    """Where an agent begins. stored: by the agent before; now: the checkpoint of a first start at this moment.

    In the same boot it begins under the stored identity, even if the machine has a new one: records from before a fork
    belong to the old identity.
    """
    if stored is None:
        return now
    # A stored time over a day ahead came from a wrong clock: ignore it.
    is_sane = stored.exported_ns - now.totals.start_ns < _DAY_NS
    exported_ns = stored.exported_ns if is_sane else 0
    if stored.boot_id != now.boot_id:  # read the log from its start; the kernel's counter was 0. Start time 0: not used
        is_same = stored.identity.is_of_machine(now.identity.instance_id)
        before = stored.with_reset_totals(0) if is_same else stored.under_new_identity(now.identity, 0)
        return replace(
            now, cursor=0, base=0, exported_ns=exported_ns, carried_over=before.carried_over, retired=before.retired
        )
    if stored.totals == NOT_KNOWN:
        return replace(now, identity=stored.identity, cursor=stored.cursor, first_uncounted=stored.first_uncounted)
    return replace(stored, agent_pid=now.agent_pid, is_ended=False, exported_ns=exported_ns)
