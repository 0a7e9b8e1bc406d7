"""Loads the spool that an earlier agent left, and decides from its checkpoint where this agent starts."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final
from uuid import uuid4

from otel_oom.config.settings import Config
from otel_oom.errors import NoSpoolError, SpoolHeldError
from otel_oom.health import Health
from otel_oom.kernel.log_source import Clock
from otel_oom.machine import procfs
from otel_oom.machine.identity import MachineIdentity, read_machine_identity
from otel_oom.spool.checkpoint import Checkpoint, resume
from otel_oom.totals import Totals

if TYPE_CHECKING:
    from otel_oom.spool.sqlite_store import Stored
    from otel_oom.spool.writer import SpoolWriter

_LOAD_S: Final = 2.0


@dataclass(frozen=True, slots=True)
class StartPoint:
    """Where an agent starts.

    crashed: the stored checkpoint of an agent that did not end as it should in this boot
    has_new_identity: the identity has changed since the stored checkpoint
    reads_backlog: the log is read from before this agent's start
    """

    machine: MachineIdentity
    checkpoint: Checkpoint
    crashed: Checkpoint | None
    sees_host_pids: bool
    has_new_identity: bool
    reads_backlog: bool


def load_spool(config: Config) -> tuple[SpoolWriter | None, Stored | None]:
    """Load the spool, if one is wanted, within `_LOAD_S`: a disk that hangs must not delay the start for longer.

    Returns the writer, None without a spool, and what the disk holds. None: it did not answer in time, or failed.

    Raises: SpoolHeldError, NoSpoolError.
    """
    if config.spool is None:
        return None, None
    # SQLite is loaded only where it is used.
    from otel_oom.spool.directory_lock import StoreHeldError
    from otel_oom.spool.writer import SpoolWriter

    writer = SpoolWriter(config.spool, config.heartbeat_s)
    try:
        stored = writer.load(_LOAD_S)
    except StoreHeldError as held:
        raise SpoolHeldError(
            f"another otel-oom (pid {held.pid}) uses the spool {config.spool}",
            "stop that one, or give this one a place of its own: --spool DIRECTORY, or --spool none",
        ) from held
    if stored is None and config.is_spool_required:
        writer.stop(0)
        raise NoSpoolError(
            f"cannot open the spool {config.spool}: {writer.failure}",
            "repair the disk, name another place with --spool, or do without --spool-required",
        )
    return writer, stored


def find_start_point(stored: Stored | None, config: Config, health: Health, wall_ns: Clock) -> StartPoint:
    """Decide where to start: at the stored checkpoint, or in the kernel log as it is now."""
    known_machine = read_known_machine(config, health)
    machine = known_machine or read_machine_identity()
    sees_host_pids = procfs.sees_host_pids()
    previous = stored.checkpoint if stored else None
    if previous is not None and known_machine is not None:
        previous = _under_current_id(previous, known_machine)
    if known_machine or previous is None:
        # Totals that end with the process need a series of their own: two totals must never share one.
        identity = machine.resource_identity(random_part="" if stored else random_part())
    else:
        identity = previous.identity
    first = Checkpoint(
        machine.boot_id,
        identity,
        Totals(wall_ns()),
        log_epoch_ns=wall_ns() - time.monotonic_ns(),
        agent_pid=os.getpid() if sees_host_pids else 0,
    )
    checkpoint = resume(previous, first)
    has_crashed = previous is not None and previous.boot_id == machine.boot_id and not previous.is_ended
    return StartPoint(
        machine,
        checkpoint,
        previous if has_crashed else None,
        sees_host_pids,
        has_new_identity=known_machine is not None
        and not checkpoint.identity.is_of_machine(known_machine.instance_ids),
        reads_backlog=config.from_ring or checkpoint.cursor is not None,
    )


def read_known_machine(config: Config, health: Health) -> MachineIdentity | None:
    """The machine's identity; None while the identity file cannot be read: the platform may still write it."""
    machine = read_machine_identity(config.identity_file)
    if config.identity_file and not machine.mark:
        health.identity_file_unreadable(config.identity_file)
        return None
    return machine


def random_part() -> str:
    """A part of the identity that no other run, and no other copy of this machine, has."""
    return uuid4().hex[:8]


def _under_current_id(stored: Checkpoint, machine: MachineIdentity) -> Checkpoint:
    """Return the checkpoint with this machine's current id in place of the one that an earlier version made.

    Within a boot the old id stays, because the series of the totals goes on.
    """
    if stored.boot_id != machine.boot_id and stored.identity.is_of_machine(machine.instance_ids):
        return replace(stored, identity=machine.resource_identity())
    return stored
