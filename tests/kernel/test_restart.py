"""An agent that ends and starts again, on the real kernel: kills in between are delivered once, its own too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from support import real_kills
from support.agents import AgentProcess
from support.kernel_log import KernelLog
from support.otlp_receiver import OtlpReceiver
from support.received_telemetry import records
from support.waiting import eventually

from otel_oom import schema


def attributes(receiver: OtlpReceiver, event: str = schema.OOM_KILL) -> list[dict[str, Any]]:
    return [record.attributes for record in records(receiver, event)]


def newest(receiver: OtlpReceiver) -> tuple[int, int, str]:
    """Total, start time and instance of the last export."""
    point = receiver.accepted("metrics")[-1].points(schema.KILLS.name)["cgroup"]
    return point.value, point.start_time_unix_nano, point.instance


def test_kills_between_two_agents_are_delivered_by_the_second(tmp_path: Path) -> None:
    with real_kills.sandbox() as made, OtlpReceiver("http/protobuf") as receiver, KernelLog() as log:
        with AgentProcess(tmp_path, receiver.settings) as agent:
            real_kills.kill(made)
            assert eventually(lambda: newest(receiver)[0] == 1)
            before = newest(receiver)
            assert agent.terminate() == 0
        real_kills.kill(made, 2)
        with AgentProcess(tmp_path, receiver.settings):
            assert eventually(lambda: newest(receiver)[0] == 3)
            real_kills.kill(made)
            assert eventually(lambda: newest(receiver)[0] == 4)
        assert eventually(lambda: len(attributes(receiver)) == 4)
        sequences = [record[schema.KMSG_SEQUENCE.name] for record in attributes(receiver)]
        assert sequences == [line.sequence for line in log.kill_lines()]
        assert [record.get(schema.BACKLOG.name) for record in attributes(receiver)] == [None, True, True, None]
        assert newest(receiver)[1:] == before[1:], "the same series with the same start time"
        totals = [request.values(schema.KILLS.name)["cgroup"] for request in receiver.accepted("metrics")]
        assert totals == sorted(totals)


def test_an_agent_that_was_a_victim_is_reported_by_the_next(tmp_path: Path) -> None:
    with real_kills.sandbox() as made, OtlpReceiver("http/protobuf") as receiver:
        with AgentProcess(tmp_path, receiver.settings) as agent:
            pid = agent.process.pid
            receiver.exports(1)
            made.processes.write_text(str(pid))
            Path(f"/proc/{pid}/oom_score_adj").write_text("1000")
            real_kills.kill(made)
            agent.process.wait(10)
        with AgentProcess(tmp_path, receiver.settings) as second:
            assert eventually(lambda: attributes(receiver, schema.AGENT_KILLED))
            assert eventually(lambda: newest(receiver)[0] == 2)
            assert second.terminate() == 0
        (own,) = attributes(receiver, schema.AGENT_KILLED)
        assert own[schema.PID.name] == pid
        assert attributes(receiver)[0][schema.PID.name] == pid, "and it is a kill like any other"
        with AgentProcess(tmp_path, receiver.settings):
            assert eventually(lambda: newest(receiver)[0] == 2)
        assert len(attributes(receiver, schema.AGENT_KILLED)) == 1, "reported once"


def test_a_second_agent_does_not_start_on_the_same_spool(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    with OtlpReceiver("http/protobuf") as receiver, AgentProcess(tmp_path, receiver.settings) as agent:
        second = AgentProcess(other, {**receiver.settings, "OTEL_OOM_SPOOL": str(tmp_path / "spool")})
        assert second.process.wait(20) == 75
        assert second.said() == (
            f"otel-oom: error: another otel-oom (pid {agent.process.pid}) uses the spool {tmp_path}/spool; "
            "stop that one, or give this one a place of its own: --spool DIRECTORY, or --spool none\n"
        )
        agent.process.kill()
        agent.process.wait()
        with AgentProcess(other, {**receiver.settings, "OTEL_OOM_SPOOL": str(tmp_path / "spool")}) as third:
            assert third.terminate() == 0
