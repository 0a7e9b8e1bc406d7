"""An agent that ends and comes back, on the real kernel: what happened between is told once, also its own death."""

from __future__ import annotations

from pathlib import Path

from support import kernel
from support.agents import AgentProcess
from support.kernel import KernelLog, eventually
from support.otlp_receiver import OtlpReceiver

from otel_oom import schema


def settings(receiver: OtlpReceiver) -> dict[str, str]:
    return {"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.endpoint}


def told(receiver: OtlpReceiver, event: str = schema.OOM_KILL) -> list[dict[str, object]]:
    records = [record for request in receiver.accepted("logs") for record in request.records]
    return [record for record in records if record[schema.EVENT_NAME.name] == event]


def newest(receiver: OtlpReceiver) -> tuple[int, int, object]:
    """Total, start time and instance of the last export."""
    request = receiver.accepted("metrics")[-1]
    point = request.points(schema.KILLS.name)["cgroup"]
    return point.as_int, point.start_time_unix_nano, request.resource[schema.SERVICE_INSTANCE_ID]


def test_kills_between_two_agents_are_told_by_the_second(tmp_path: Path) -> None:
    with kernel.sandbox() as made, OtlpReceiver("http/protobuf") as receiver, KernelLog() as log:
        with AgentProcess(tmp_path, settings(receiver)) as agent:
            kernel.kill(made)
            assert eventually(lambda: newest(receiver)[0] == 1)
            before = newest(receiver)
            assert agent.terminate() == 0
        kernel.kill(made, 2)
        with AgentProcess(tmp_path, settings(receiver)):
            assert eventually(lambda: newest(receiver)[0] == 3)
            kernel.kill(made)
            assert eventually(lambda: newest(receiver)[0] == 4)
        assert eventually(lambda: len(told(receiver)) == 4)
        sequences = [record[schema.KMSG_SEQUENCE.name] for record in told(receiver)]
        assert sequences == [line.sequence for line in log.kill_lines()]
        assert [record.get(schema.BACKLOG.name) for record in told(receiver)] == [None, True, True, None]
        assert newest(receiver)[1:] == before[1:], "the same series, begun at the same time"
        totals = [request.values(schema.KILLS.name)["cgroup"] for request in receiver.accepted("metrics")]
        assert totals == sorted(totals)


def test_an_agent_that_was_a_victim_itself_is_told_by_the_next(tmp_path: Path) -> None:
    with kernel.sandbox() as made, OtlpReceiver("http/protobuf") as receiver:
        with AgentProcess(tmp_path, settings(receiver)) as agent:
            pid = agent.process.pid
            receiver.exports(1)
            made.processes.write_text(str(pid))
            Path(f"/proc/{pid}/oom_score_adj").write_text("1000")
            kernel.kill(made)
            agent.process.wait(10)
        with AgentProcess(tmp_path, settings(receiver)) as second:
            assert eventually(lambda: told(receiver, schema.AGENT_KILLED))
            assert eventually(lambda: newest(receiver)[0] == 2)
            assert second.terminate() == 0
        (own,) = told(receiver, schema.AGENT_KILLED)
        assert own[schema.PID.name] == pid
        assert told(receiver)[0][schema.PID.name] == pid, "and it is a kill as any other"
        with AgentProcess(tmp_path, settings(receiver)):
            assert eventually(lambda: newest(receiver)[0] == 2)
        assert len(told(receiver, schema.AGENT_KILLED)) == 1, "told once"


def test_a_second_agent_does_not_start_on_the_same_spool(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    with OtlpReceiver("http/protobuf") as receiver, AgentProcess(tmp_path, settings(receiver)) as agent:
        second = AgentProcess(other, {**settings(receiver), "OTEL_OOM_SPOOL": str(tmp_path / "spool")})
        assert second.process.wait(20) == 75
        assert second.said() == (
            f"otel-oom: error: another otel-oom (pid {agent.process.pid}) uses the spool {tmp_path}/spool; "
            "stop that one, or give this one a place of its own: --spool DIRECTORY, or --spool none\n"
        )
        agent.process.kill()
        agent.process.wait()
        with AgentProcess(other, {**settings(receiver), "OTEL_OOM_SPOOL": str(tmp_path / "spool")}) as third:
            assert third.terminate() == 0
