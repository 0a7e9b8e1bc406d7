"""The agent and its sender, put together from settings: what `run`, `demo` and the tests start."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import Final
from uuid import uuid4

from otel_oom import __version__, host, schema
from otel_oom.agent import Agent
from otel_oom.config import Config
from otel_oom.device import Clock, Device, Source
from otel_oom.health import Health
from otel_oom.otlp import pipeline
from otel_oom.otlp.sender import Sender
from otel_oom.spool import Spool

log = logging.getLogger(__name__)

_LAST_SENDS_S: Final = 2.0  # of the three seconds in which a stop is promised


@dataclass(frozen=True, slots=True)
class Running:
    """An agent that is ready: the source is open, the first export is on its way."""

    agent: Agent
    sender: Sender
    health: Health

    def run(self) -> None:
        """Watch until `agent.stop()`, then deliver what is left for at most two seconds."""
        self.sender.start()
        try:
            self.agent.run()
        finally:
            self.sender.stop(_LAST_SENDS_S)


def start(config: Config, *, source: Source | None = None, wall_ns: Clock = time.time_ns) -> Running:
    """Open the device (or the given source) and build the way to the collector.

    Raises: NoDeviceError, NoPermissionError, UsageError.
    """
    identity = host.identity()
    health = Health()
    spool = Spool(health, start_ns=wall_ns())
    sender = pipeline.build(
        config,
        spool,
        health,
        resource_defaults={
            schema.SERVICE_NAME: "otel-oom",
            schema.SERVICE_VERSION: __version__,
            # Totals end with the process while the queue is in memory alone, and two totals must never share a series.
            schema.SERVICE_INSTANCE_ID: f"{identity.instance_id}-{uuid4().hex[:8]}",
            schema.HOST_NAME: identity.host_name,
            schema.HOST_ID: identity.machine_id,
            schema.OS_TYPE: "linux",
            schema.OS_VERSION: identity.kernel_release,
        },
        kernel_kills=host.oom_kills,
        wall_ns=wall_ns,
    )
    sees_host_pids = host.sees_host_pids()
    agent = Agent(
        source or Device(config.device, from_ring=config.from_ring, clock=wall_ns),
        spool,
        health,
        identity,
        look_at_victim=lambda kill: (
            host.look_at_victim(kill, with_command_line=config.with_command_line) if sees_host_pids else {}
        ),
        kernel_kills=host.oom_kills,
        has_backlog=config.from_ring,
        wall_ns=wall_ns,
    )
    agent.open()
    sender.open_series()
    if not sees_host_pids:
        log.warning(
            "not in the host's pid namespace: records come without executable and parent (docker run --pid=host)"
        )
    return Running(agent, sender, health)
