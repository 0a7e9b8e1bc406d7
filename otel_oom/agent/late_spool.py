"""Catches up with a spool that was found late: its disk answered after this agent had begun without it.

Rules:
- The kernel log still holds the records between the earlier agent's watermark and this agent's first record. A second
  reader reads them once.
- Unacknowledged counts of the earlier agent are carried over into these totals. If the identity has changed since, they
  become a retired series instead.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from otel_oom.agent.reader import ReadBatch, Reader
from otel_oom.health import Health
from otel_oom.kernel.device import Source
from otel_oom.machine.identity import MachineIdentity
from otel_oom.spool.checkpoint import Checkpoint
from otel_oom.totals import ResourceIdentity, RetiredSeries, Totals


@dataclass(frozen=True, slots=True)
class Missed:
    """What this agent did not know when it began.

    batch, kill_lines: of the records between the two agents
    base: the kernel's counter when the earlier agent began to count, None where it does not count
    carried_over, retired: counts of the earlier agent that are not acknowledged, see `Checkpoint`
    """

    batch: ReadBatch
    kill_lines: int
    base: int | None
    carried_over: Totals | None
    retired: tuple[RetiredSeries, ...]


def read_missed(
    earlier: Checkpoint,
    began_at: int | None,
    identity: ResourceIdentity,
    machine: MachineIdentity,
    health: Health,
    source_at: Callable[[int], Source],
) -> Missed | None:
    """Read the records between an earlier agent's checkpoint and `began_at`. None: it is not known which they are.

    began_at: sequence of this agent's first record; identity: under which this agent exports
    source_at: the kernel log from a record on

    Raises: NoDeviceError, NoPermissionError.
    """
    in_new_boot = Checkpoint(machine.boot_id, ResourceIdentity(""), Totals(0), cursor=0, base=0)
    begin = earlier if earlier.boot_id == machine.boot_id else in_new_boot
    if began_at is None or begin.cursor is None:
        return None
    reader = Reader(source_at(begin.cursor), health, machine, first_uncounted=begin.first_uncounted, until=began_at)
    batch = reader.read_all()
    is_same = earlier.identity.is_of_machine(machine.instance_id)
    left = earlier.with_reset_totals(0) if is_same else earlier.under_new_identity(identity, 0)
    return Missed(batch, reader.kill_lines, begin.with_reset_totals(0).base, left.carried_over, left.retired)
