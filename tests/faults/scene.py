"""The scene of a fault: a real agent with a spool, real kills, a faulty collector, a judge that reads the log."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from faults.network import FAR, Network, connections
from support import real_kills, received_telemetry
from support.agents import AgentProcess
from support.kernel_judge import Judge, judging, kill_uid
from support.otlp_receiver import OtlpReceiver, Protocol
from support.otlp_servers import Answer
from support.waiting import eventually

from otel_oom import schema
from otel_oom.demo.kill_sandbox import Sandbox


@dataclass
class Scene:
    """What a case works with. network: only where the case needs one; given_up: uids that never arrive.

    settings: variables of the agent, beside those of the receiver; directory: with its spool
    """

    protocol: Protocol
    receiver: OtlpReceiver
    agent: AgentProcess
    judge: Judge
    made: Sandbox
    network: Network | None
    settings: Mapping[str, str]
    directory: Path
    stack: ExitStack
    given_up: set[str] = field(default_factory=set)

    def start_agent(self, variables: Mapping[str, str]) -> AgentProcess:
        """Another agent with the same spool, when the first one has ended."""
        agent = AgentProcess(self.directory, {**self.receiver.settings, **self.settings, **variables})
        self.stack.callback(agent.__exit__)
        return agent

    def kill(self, kills: int = 1) -> list[str]:
        """Make real kills, one after the other; returns the uids of all kills so far, by the kernel's log."""
        real_kills.kill(self.made, kills)
        return self.uids

    @property
    def uids(self) -> list[str]:
        """Ids of all kills so far, in the order of the kernel's log."""
        return [kill_uid(line) for line in self.judge.kills]

    def choose(self, http: Answer, grpc: Answer) -> Answer:
        """The answer for the protocol of this scene."""
        return grpc if self.protocol == "grpc" else http

    def answer_always(self, answer: Answer) -> None:
        """Answer every request like this from now on."""
        self.receiver.script.otherwise = answer

    def recover(self) -> float:
        """End the fault; returns the time, monotonic seconds."""
        self.receiver.script.otherwise = Answer()
        return time.monotonic()

    def refused(self, requests: int) -> None:
        """Wait until this number of requests with logs arrived."""
        self.receiver.wait(lambda: len(self.receiver.of("logs")) >= requests)

    def arrival_s(self, uid: str, within_s: float = 15.0) -> float:
        """Wait until the record is accepted; returns the time of its first acceptance, monotonic seconds."""
        return self.receiver.wait(
            lambda: [one.arrived_s for one in self.receiver.accepted("logs") if uid in one.uids], within_s
        )[0]

    def everything_arrives(self, within_s: float = 15.0) -> None:
        """Wait until all kills of the kernel's log were accepted, except the uids in `given_up`."""
        expected = set(self.uids) - self.given_up
        self.receiver.wait(lambda: expected <= set(self.receiver.delivered), within_s)

    @contextmanager
    def collectors_machine(self) -> Iterator[None]:
        """This thread is on the collector's machine."""
        with self.network.far() if self.network else ExitStack():
            yield

    def open_connections(self) -> dict[int, int]:
        """The agent's connections to the collector: near port, and bytes without an acknowledgement."""
        return connections(self.agent.process.pid, self.receiver.port)

    def said(self, words: str) -> None:
        """Wait until the agent has written these words."""
        assert eventually(lambda: words in self.agent.said()), self.agent.said()

    def last(self, metric: schema.Metric, attributes: str) -> Any:
        """The newest accepted value of a metric."""
        return received_telemetry.newest_value(self.receiver, metric, attributes)


@contextmanager
def scene(
    protocol: Protocol,
    directory: Path,
    variables: Mapping[str, str],
    *,
    has_network: bool = False,
    stderr: int | None = None,
) -> Iterator[Scene]:
    """An agent that watches and has sent its first export to a collector without a fault. stderr: of the agent."""
    with ExitStack() as stack:
        made = stack.enter_context(real_kills.sandbox())
        network = stack.enter_context(Network()) if has_network else None
        with network.far() if network else ExitStack():
            receiver = stack.enter_context(OtlpReceiver(protocol, address=FAR if network else "127.0.0.1"))
        judge = stack.enter_context(judging())
        settings = {"OTEL_METRIC_EXPORT_INTERVAL": "500", **variables}
        with network.near() if network else ExitStack():
            agent = AgentProcess(directory, {**receiver.settings, **settings}, stderr=stderr)
        stack.enter_context(agent)
        receiver.exports(1)
        yield Scene(protocol, receiver, agent, judge, made, network, settings, directory, stack)
