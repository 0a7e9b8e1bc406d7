"""Opens the kernel log for an agent, and settles where counting begins."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from otel_oom.agent.reader import Reader
from otel_oom.agent.reconciliation import Reconciliation
from otel_oom.health import Health
from otel_oom.kernel.log_source import Clock, Source
from otel_oom.machine.identity import MachineIdentity
from otel_oom.machine.victim_cgroup import Look, no_glance
from otel_oom.spool.checkpoint import Checkpoint
from otel_oom.spool.spool import Spool
from otel_oom.totals import Totals
from otel_oom.victim_trace.victim_trace import LostKills


@dataclass(frozen=True, slots=True)
class OpenLog:
    """The kernel log, open where this agent begins to read.

    began_at: sequence of the first record that this agent reads, None where records are not numbered
    is_resumed: the comparison with the kernel's counter began before this start
    """

    source: Source
    reader: Reader
    reconciliation: Reconciliation
    began_at: int | None
    is_resumed: bool

    def add_lost_kills(self, lost: LostKills, counted: int | None) -> bool:
        """Add kills whose lines the log lost, if the kernel's counter has all of them. Returns whether it has.

        counted: that counter, None where it does not count
        """
        if not lost.lines or not self.reconciliation.confirms(counted, lost.lines):
            return False
        self.reconciliation.add_lines(lost.lines)
        self.reader.batch.findings.extend(lost.kills)
        return True

    def checkpoint(self, before: Checkpoint, totals: Totals) -> Checkpoint:
        """The checkpoint after all that was read. totals: of all that was read."""
        return replace(
            before,
            totals=totals,
            cursor=self.reader.cursor,
            first_uncounted=self.reader.first_uncounted,
            base=self.reconciliation.base,
            lines=self.reconciliation.lines,
            is_new_base=self.reconciliation.is_new_base,
        )


def open_log(
    source: Source,
    spool: Spool,
    health: Health,
    machine: MachineIdentity,
    *,
    kernel_kills: Callable[[], int | None],
    look: Look = no_glance,
    reads_backlog: bool = False,
    wall_ns: Clock,
) -> OpenLog:
    """Open the source at the spool's checkpoint. Where uncounted records are missing, totals begin again at 0.

    kernel_kills: the kernel's counter now, None where it does not count; look: reads the cgroup of a victim from /proc
    reads_backlog: the log is read from before this start

    Raises: NoDeviceError, NoPermissionError.
    """
    counted_before = kernel_kills() or 0
    source.open()
    health.device_up()
    checkpoint = spool.checkpoint
    counted = kernel_kills()
    reader = Reader(source, health, machine, first_uncounted=checkpoint.first_uncounted, look=look)
    gap = reader.find_gap()
    begin = checkpoint if gap is None else checkpoint.with_reset_totals(wall_ns())
    # A machine that was set back has the counter of that time.
    is_read_now = begin.base is None or gap == "set back"
    base = None if counted is None else counted if is_read_now else begin.base
    lowerings: float = math.inf if is_read_now or begin.is_new_base else 0
    if counted is not None and is_read_now and (gap == "set back" or not reads_backlog):
        # Kills since the log's end was found, and one that was counted before it and not yet printed. There is only
        # one, because the kernel kills under its `oom_lock`.
        lowerings = counted - counted_before + 1
    reconciliation = Reconciliation(base, lines=begin.lines, surplus=begin.totals.surplus, lowerings=lowerings)
    log = OpenLog(source, reader, reconciliation, reader.next_sequence, is_resumed=not is_read_now)
    spool.begin(log.checkpoint(begin, begin.totals))
    return log
