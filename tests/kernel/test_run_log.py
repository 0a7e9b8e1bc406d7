"""What `otel-oom run` says of real kills: a line each, eleven for a storm, and the rest at the stop."""

from __future__ import annotations

import re
from pathlib import Path

from support import real_kills
from support.agents import AgentProcess
from support.kernel_log import require_device
from support.otlp_receiver import OtlpReceiver
from support.otlp_servers import Answer
from support.waiting import eventually

STORM = 30


def kills(agent: AgentProcess) -> list[str]:
    """The sentences so far."""
    return re.findall(r"^otel-oom: info: (.* was OOM-killed: .*)$", agent.said(), re.MULTILINE)


def test_kills_and_their_deliveries_are_said(tmp_path: Path) -> None:
    require_device()
    with OtlpReceiver("http/protobuf") as receiver, real_kills.sandbox() as made:
        with AgentProcess(tmp_path, receiver.settings) as agent:
            real_kills.kill(made, comm=b"x\n<3>forged")
            assert eventually(lambda: kills(agent))
            (sentence,) = kills(agent)
            assert sentence.startswith(r"x\x0a<3>forged (pid ")
            (record,) = receiver.wait(lambda: receiver.accepted("logs"))[0].log_records
            assert sentence == record.body
            real_kills.kill(made, STORM)
            assert eventually(lambda: len(receiver.delivered) == 1 + STORM, within_s=30)
            more = r"otel-oom: info: (\d+) more kill\(s\) within 5 s have no line here; each has its event"
            assert eventually(
                lambda: len(kills(agent)) + sum(map(int, re.findall(more, agent.said()))) == 1 + STORM, within_s=15
            )
            assert len(kills(agent)) <= 1 + 20, "ten in 5 s; a slow machine needs more than 5 s for the storm"
            receiver.script.otherwise = Answer(503)
            real_kills.kill(made)
            assert eventually(lambda: "cannot deliver logs" in agent.said())
            assert agent.terminate() == 0
            assert f"otel-oom: info: delivered {1 + STORM} event(s) since the start\n" in agent.said()
            assert (
                "otel-oom: info: 1 undelivered event(s) and the newest counts (32 kill(s) in all) stay in "
                in agent.said()
            )
        receiver.script.otherwise = Answer()
        with AgentProcess(tmp_path, receiver.settings) as agent:
            assert eventually(lambda: "delivered 1 event(s) that had waited" in agent.said())
            assert "1 undelivered event(s), counting goes on from 32 kill(s)" in agent.said()
            assert agent.terminate() == 0
            assert agent.said().endswith(
                "delivered 1 event(s) since the start; nothing is left\notel-oom: info: stopped\n"
            )
