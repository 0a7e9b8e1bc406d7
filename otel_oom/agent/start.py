"""The agent, its sender and its spool, put together from settings: what `run`, `demo` and the tests start."""

from __future__ import annotations

import logging
import os
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final
from uuid import uuid4

from otel_oom import __version__, schema
from otel_oom.agent import warm_up
from otel_oom.agent.loop import Agent
from otel_oom.config.settings import Config
from otel_oom.errors import NoSpoolError, SpoolHeldError
from otel_oom.health import Health
from otel_oom.kernel.device import Clock, Device, Source
from otel_oom.machine import procfs, victim_process
from otel_oom.machine.fork_detection import ForkDetection
from otel_oom.machine.identity import BackgroundRead, MachineIdentity, read_machine_identity
from otel_oom.otlp import build_sender
from otel_oom.otlp.sender import Sender
from otel_oom.spool.checkpoint import Checkpoint, resume
from otel_oom.spool.spool import Spool
from otel_oom.totals import Totals

if TYPE_CHECKING:
    from otel_oom.spool.sqlite_store import Stored
    from otel_oom.spool.writer import SpoolWriter

log = logging.getLogger(__name__)

# Of the three seconds in which a stop is promised; reading has half a second before.
_LAST_SENDS_S: Final = 2.0
_LAST_WRITES_S: Final = 0.4
_SPOOL_PATIENCE_S: Final = 2.0


@dataclass(frozen=True, slots=True)
class Running:
    """An agent that is ready: the source is open, the first export is on its way."""

    agent: Agent
    sender: Sender
    spool: Spool
    health: Health
    writer: SpoolWriter | None

    def warm_up(self) -> str | None:
        """Rehearse a kill, so that the first one needs no memory that may not be there. None, or why it could not."""
        return warm_up.warm_up(self.sender.rehearse, read_machine_identity())

    def run(self) -> None:
        """Watch until `agent.stop()`, then deliver what is left for at most two seconds."""
        self.sender.start()
        if self.writer is not None:
            self.writer.follow(self.spool)
        try:
            self.agent.run()
        finally:
            self.sender.stop(_LAST_SENDS_S)
            self.spool.put((), replace(self.spool.checkpoint, is_ended=True))
            if self.writer is not None and not self.writer.stop(_LAST_WRITES_S):
                log.warning("the spool's disk does not answer, and may hold this process until it does")


def start(config: Config, *, source: Source | None = None, wall_ns: Clock = time.time_ns) -> Running:
    """Open the spool and the device (or the given source), and build the way to the collector.

    Raises: NoDeviceError, NoPermissionError, NoSpoolError, SpoolHeldError, UsageError.
    """
    health = Health()
    writer, stored = _load(config, health)
    try:
        return _start(config, health, writer, stored, source, wall_ns)
    except BaseException:
        if writer is not None:
            writer.stop(_LAST_WRITES_S)
        raise


def _load(config: Config, health: Health) -> tuple[SpoolWriter | None, Stored | None]:
    """The spool's thread, if a spool is wanted, and what it found, if it could be had."""
    if config.spool is None:
        return None, None
    # SQLite is loaded only where it is used.
    from otel_oom.spool.sqlite_store import StoreHeldError
    from otel_oom.spool.writer import SpoolWriter

    writer = SpoolWriter(config.spool, config.heartbeat_s)
    try:
        stored = writer.load(_SPOOL_PATIENCE_S)
    except StoreHeldError as held:
        raise SpoolHeldError(
            f"another otel-oom (pid {held.pid}) uses the spool {config.spool}",
            "stop that one, or give this one a place of its own: --spool DIRECTORY, or --spool none",
        ) from held
    if stored is None and config.is_spool_required:
        writer.stop(0)
        raise NoSpoolError(
            f"cannot open the spool {config.spool}: {writer.failure}",
            "mend the disk, name another place with --spool, or do without --spool-required",
        )
    return writer, stored


def _start(
    config: Config,
    health: Health,
    writer: SpoolWriter | None,
    stored: Stored | None,
    source: Source | None,
    wall_ns: Clock,
) -> Running:
    known_machine = _read_known_machine(config, health)
    machine = known_machine or read_machine_identity()
    sees_host_pids = procfs.sees_host_pids()
    previous = stored.checkpoint if stored else None
    checkpoint = resume(
        previous,
        Checkpoint(
            boot_id=machine.boot_id,
            # Totals that end with the process need a series of their own: two totals must never share one.
            identity=(
                machine.resource_identity(unique_suffix="" if stored else _random())
                if known_machine or previous is None
                else previous.identity
            ),
            totals=Totals(wall_ns()),
            log_epoch_ns=wall_ns() - time.monotonic_ns(),
            agent_pid=os.getpid() if sees_host_pids else 0,
        ),
    )
    spool = Spool(health, checkpoint, stored=stored.events if stored else (), has_writer=writer is not None)
    if stored is not None:
        health.spool_up()
    elif writer is not None:
        spool.not_saved(f"{config.spool}: {writer.failure}")
    is_resuming = checkpoint.cursor is not None
    is_crashed = previous is not None and previous.boot_id == machine.boot_id and not previous.is_ended
    crashed = previous if is_crashed else None
    agent = Agent(
        source
        or Device(
            config.device,
            from_ring=config.from_ring or is_resuming,
            resume_at=checkpoint.cursor if checkpoint.first_uncounted else None,
            clock=wall_ns,
        ),
        spool,
        health,
        machine,
        look_at_victim=lambda kill: (
            victim_process.look_at_victim(kill, with_command_line=config.with_command_line) if sees_host_pids else {}
        ),
        kernel_kills=procfs.oom_kills,
        forks=ForkDetection(
            BackgroundRead(lambda: _read_known_machine(config, health)),
            is_always=config.fork_identity == "always",
            unique_suffix=_random if stored is None or config.fork_identity == "always" else str,
            now_s=time.monotonic(),
        ),
        has_backlog=config.from_ring or is_resuming,
        previous_pid=crashed.agent_pid if crashed else 0,
        source_at=lambda cursor: Device(config.device, from_ring=True, resume_at=cursor or None, clock=wall_ns),
        wall_ns=wall_ns,
    )
    agent.open()
    sender = build_sender.build(
        config,
        spool,
        health,
        resource_defaults={
            schema.SERVICE_NAME: "otel-oom",
            schema.SERVICE_VERSION: __version__,
            schema.OS_TYPE: "linux",
            schema.OS_VERSION: machine.kernel_release,
        },
        kernel_kills=procfs.oom_kills,
        wall_ns=wall_ns,
    )
    is_gone_on = previous is not None and previous.series.key == spool.checkpoint.series.key
    is_moved = known_machine is not None and not checkpoint.written_by(known_machine.instance_id)
    if (crashed and is_gone_on and checkpoint.carried_over is None) or is_moved:
        agent.read_backlog()
    sender.open_series()
    if not sees_host_pids:
        log.warning(
            "not in the host's pid namespace: records come without executable and parent (docker run --pid=host)"
        )
    return Running(agent, sender, spool, health, writer)


def _read_known_machine(config: Config, health: Health) -> MachineIdentity | None:
    """Who this machine is now; None while the file that says so cannot be read: it may be on its way."""
    machine = read_machine_identity(config.identity_file)
    if config.identity_file and not machine.mark:
        health.identity_file_unreadable(config.identity_file)
        return None
    return machine


def _random() -> str:
    """What no other run, and no other copy of this machine, has."""
    return uuid4().hex[:8]
