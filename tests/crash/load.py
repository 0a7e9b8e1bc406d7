"""The load of a crash test: kills at a limited rate, a receiver that stops and starts, SIGKILLs at random moments.

Each takes a `random.Random` of its own, made from the one seed. A failure can be repeated as far as the scheduler
allows.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from pathlib import Path
from random import Random

from support import real_kills
from support.agents import AgentProcess
from support.otlp_receiver import OtlpReceiver
from support.otlp_servers import Answer
from support.waiting import eventually

from otel_oom.demo.kill_sandbox import Sandbox

_KILLS_PER_S = 20.0  # a ring of 128 KiB then holds the records of some 15 s
_PORT_S = 5.0


class PacedKills:
    """Bursts of one to three kills at random times, at most 20 a second."""

    def __init__(self, made: Sandbox, chance: Random) -> None:
        self._made = made
        self._chance = chance

    def step(self, ended: threading.Event) -> None:
        """One burst, and the pause after it."""
        next_s = time.monotonic()
        burst = self._chance.randint(1, 3)
        real_kills.kill(self._made, burst)
        next_s += burst / _KILLS_PER_S * self._chance.uniform(1.0, 1.3)
        ended.wait(max(0.0, next_s - time.monotonic()))


class Outages:
    """Stops a receiver and starts it again. restarts: how often so far.

    Before a stop, the receiver reads requests and resets their connections. So every request that it stored was
    answered, and every request without an answer must come again.
    """

    def __init__(self, receiver: OtlpReceiver, chance: Random) -> None:
        self._receiver = receiver
        self._chance = chance
        self.restarts = 0

    def step(self, ended: threading.Event) -> None:
        """One outage, and the time before it."""
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
        except (OSError, RuntimeError):  # the kernel gave the port to a client's connection meanwhile
            return False
        return True


def settings(receiver: OtlpReceiver, directory: Path, heartbeat_ms: int = 1_000) -> dict[str, str]:
    """Variables of agents that share the spool of this directory."""
    return {
        **receiver.settings,
        "OTEL_METRIC_EXPORT_INTERVAL": str(heartbeat_ms),
        "OTEL_OOM_SPOOL": str(directory / "spool"),
    }


def crash(directory: Path, variables: Mapping[str, str], chance: Random) -> None:
    """Start an agent and SIGKILL it: in half of the cases while it starts, else while it watches."""
    agent = AgentProcess(directory, variables)
    try:
        if chance.random() < 0.5:
            assert eventually(lambda: "watching" in agent.said(), within_s=30), agent.said()
        time.sleep(chance.uniform(0.0, 1.5))
        assert agent.process.poll() is None, f"it ended before the SIGKILL: {agent.said()}"
        assert "bug in" not in agent.said()
    finally:
        agent.process.kill()
        agent.process.wait()
