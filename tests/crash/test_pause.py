"""An agent that is stopped for a while (SIGSTOP, a frozen cgroup, a paused container) loses nothing."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest
from crash import load
from crash.random_moments import PAUSE_S, show
from support import real_kills, received_telemetry
from support.agents import AgentProcess
from support.kernel_judge import judging
from support.otlp_receiver import OtlpReceiver, Protocol
from support.otlp_servers import Answer
from support.waiting import eventually

from otel_oom import schema

KILLS = 20  # with their reports they fit into the ring
FIRST_S = 0.5


@pytest.mark.timeout(120 + 2 * PAUSE_S)
@pytest.mark.parametrize("moment", ["idle", "in a request"])
@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
def test_a_pause_loses_nothing_and_the_first_export_comes_at_once(
    protocol: Protocol, moment: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with real_kills.sandbox() as made, OtlpReceiver(protocol) as receiver, judging() as judge:
        with AgentProcess(tmp_path, load.settings(receiver, tmp_path, heartbeat_ms=60_000)) as agent:
            receiver.exports(1)
            real_kills.kill(made)
            receiver.wait(lambda: received_telemetry.newest_value(receiver, schema.KILLS, "cgroup") == 1)
            if moment == "in a request":
                receiver.script.logs.append(Answer(delay_s=0.5))
                real_kills.kill(made)
                receiver.wait(lambda: len(receiver.of("logs")) == 2)
            agent.process.send_signal(signal.SIGSTOP)
            before = received_telemetry.uids(receiver)
            for _ in range(KILLS):
                real_kills.kill(made)
                time.sleep(PAUSE_S / KILLS)
            assert received_telemetry.uids(receiver) == before, "a stopped agent sends nothing"

            continued_s = time.monotonic()
            agent.process.send_signal(signal.SIGCONT)
            new = receiver.wait(lambda: [one for one in receiver.accepted("logs") if set(one.uids) - before])
            first_s = new[0].arrived_s - continued_s
            show(capsys, protocol, moment, f"{PAUSE_S:.0f} s", f"{KILLS} kills", f"{first_s * 1000:.0f} ms")
            assert first_s <= FIRST_S

            assert eventually(
                lambda: received_telemetry.newest_value(receiver, schema.KILLS, "cgroup") == judge.counted
            )
            assert agent.terminate() == 0
        assert received_telemetry.uids(receiver) == judge.uids
        assert judge.counted == len(judge.kills)
        assert received_telemetry.records(receiver, schema.RECORDS_LOST) == []
        assert received_telemetry.records(receiver, schema.UNACCOUNTED) == []
