"""What a test does to the agent: kills at a bearable pace, a receiver that comes and goes, a SIGKILL at any moment.

Each takes a `random.Random` of its own out of the one seed, so that a failure can be made again as far as the
scheduler lets it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from pathlib import Path
from random import Random

from support import kernel
from support.agents import AgentProcess
from support.kernel import eventually
from support.otlp_receiver import OtlpReceiver
from support.otlp_servers import Answer

from otel_oom.demo.kill_sandbox import Sandbox

_KILLS_PER_S = 20.0  # a ring of 128 KiB then lasts for some 15 s
_PORT_S = 5.0


class PacedKills:
    """Bursts of one to three kills at random times, at most 20 a second."""

    def __init__(self, made: Sandbox, chance: Random) -> None:
        self._made = made
        self._chance = chance

    def step(self, ended: threading.Event) -> None:
        next_s = time.monotonic()
        burst = self._chance.randint(1, 3)
        kernel.kill(self._made, burst)
        next_s += burst / _KILLS_PER_S * self._chance.uniform(1.0, 1.3)
        ended.wait(max(0.0, next_s - time.monotonic()))


class Outages:
    """Takes a receiver down and up again. restarts: how often so far.

    Before it goes down it cuts requests off after it has read them. So what it has accepted was answered, and what was
    not answered must come again.
    """

    def __init__(self, receiver: OtlpReceiver, chance: Random) -> None:
        self._receiver = receiver
        self._chance = chance
        self.restarts = 0

    def step(self, ended: threading.Event) -> None:
        ended.wait(self._chance.uniform(0.5, 2.0))
        self._receiver.script.otherwise = Answer(kind="reset")
        time.sleep(self._chance.uniform(0.1, 0.3))
        self._receiver.stop()
        ended.wait(self._chance.uniform(0.2, 1.0))
        self._receiver.script.otherwise = Answer()
        eventually(self._start, within_s=_PORT_S)
        self.restarts += 1

    def _start(self) -> bool:
        try:
            self._receiver.start()
        except (OSError, RuntimeError):  # somebody was given the port for a connection of theirs meanwhile
            return False
        return True


def settings(receiver: OtlpReceiver, directory: Path, heartbeat_ms: int = 1_000) -> dict[str, str]:
    """Of an agent that goes on, at each start, with the spool of this directory."""
    return {
        "OTEL_EXPORTER_OTLP_PROTOCOL": receiver.protocol,
        "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.endpoint,
        "OTEL_METRIC_EXPORT_INTERVAL": str(heartbeat_ms),
        "OTEL_OOM_SPOOL": str(directory / "spool"),
    }


def crash(directory: Path, variables: Mapping[str, str], chance: Random) -> None:
    """Start an agent and SIGKILL it: every other time while it starts, else while it watches."""
    agent = AgentProcess(directory, variables)
    try:
        if chance.random() < 0.5:
            assert eventually(lambda: "watching" in agent.said(), within_s=30), agent.said()
        time.sleep(chance.uniform(0.0, 1.5))
        assert agent.process.poll() is None, f"it ended by itself: {agent.said()}"
        assert "bug in" not in agent.said()
    finally:
        agent.process.kill()
        agent.process.wait()
