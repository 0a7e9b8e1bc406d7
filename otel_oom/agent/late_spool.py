"""Catches up with a spool that was found late: its disk answered after this agent had begun without it.

Rules:
- The kernel log still holds the records from the earlier `first_uncounted` to this agent's first record. A second
  reader reads them once.
- Unacknowledged counts of the earlier agent are carried over into these totals. If the identity has changed since, they
  become a retired series instead.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from otel_oom.agent.reader import Reader
from otel_oom.health import Health
from otel_oom.kernel.log_source import Source
from otel_oom.machine.identity import MachineIdentity
from otel_oom.spool.checkpoint import Checkpoint
from otel_oom.totals import ResourceIdentity


def read_missed(
    earlier: Checkpoint,
    began_at: int | None,
    identity: ResourceIdentity,
    machine: MachineIdentity,
    health: Health,
    source_at: Callable[[int], Source],
) -> tuple[Reader, Checkpoint] | None:
    """Read the records between an earlier agent's checkpoint and `began_at`. None: it is not known which they are.

    began_at: sequence of this agent's first record; identity: under which this agent exports
    source_at: the kernel log from a record on

    Returns the reader of these records, and the earlier checkpoint with totals of 0. Its base is the kernel's counter
    when the earlier agent began to count. Its `carried_over` and `retired` are the unacknowledged counts.

    Raises: NoDeviceError, NoPermissionError.
    """
    # Start time 0: the totals of `left` are not used.
    is_same = earlier.identity.is_of_machine(machine.instance_ids)
    left = earlier.with_reset_totals(0) if is_same else earlier.under_new_identity(identity, 0)
    if left.boot_id != machine.boot_id:  # read the log from its start; the kernel's counter was 0
        left = replace(left, cursor=0, first_uncounted=0, base=0, is_new_base=False)
    if began_at is None or left.cursor is None:
        return None
    reader = Reader(source_at(left.cursor), health, machine, first_uncounted=left.first_uncounted, until=began_at)
    reader.read_all()
    return reader, left
