"""A stop is prompt whatever the collector does, and delivers what it can."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest
from support.agents import environment
from support.otlp_receiver import OtlpReceiver, Protocol
from support.otlp_servers import Answer
from support.pipelines import CODE, sending, settings
from support.waiting import eventually

from otel_oom import schema

BOTH = pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])


@BOTH
def test_a_stop_delivers_what_is_left(protocol: Protocol) -> None:
    uids = [f"kill {number}" for number in range(2_000)]
    with OtlpReceiver(protocol) as receiver, sending(settings(receiver)) as rig:
        receiver.wait(lambda: receiver.accepted("metrics"))
        rig.kill(*uids)
        rig.sender.stop(2.0)
        assert not rig.sender.is_alive()
        assert receiver.delivered == uids
        assert receiver.accepted("metrics")[-1].values(schema.KILLS.name)["cgroup"] == len(uids)


@BOTH
@pytest.mark.parametrize("what", ["hang", "refuse", "503"])
def test_a_stop_is_prompt_whatever_the_collector_does(protocol: Protocol, what: str) -> None:
    answers = {"hang": Answer(kind="hang"), "503": Answer(503 if "http" in protocol else CODE.UNAVAILABLE)}
    with OtlpReceiver(protocol) as receiver:
        if what == "refuse":
            receiver.stop()
        else:
            receiver.script.otherwise = answers[what]
        with sending(settings(receiver) | {"OTEL_EXPORTER_OTLP_TIMEOUT": "4000"}) as rig:
            rig.kill("first")
            assert eventually(lambda: receiver.requests or rig.health.exports["logs", "retry"])
            began = time.monotonic()
            rig.sender.stop(0.25)
            assert 0.2 < time.monotonic() - began < 3.0, "the time of the stop, and not that of a request"
            assert len(rig.spool) == 1, "not accepted, not settled"
            receiver.released.set()


@BOTH
def test_a_stop_does_not_wait_for_the_backoff(protocol: Protocol, monkeypatch: pytest.MonkeyPatch) -> None:
    """A collector that came back since the last attempt gets what is left."""
    monkeypatch.setattr("random.uniform", lambda _low, _high: 60.0)
    with OtlpReceiver(protocol) as receiver:
        receiver.script.otherwise = Answer(503 if "http" in protocol else CODE.UNAVAILABLE)
        with sending(settings(receiver)) as rig:
            rig.kill("first")
            assert eventually(lambda: rig.health.exports["logs", "retry"] and rig.health.exports["metrics", "retry"])
            receiver.script.otherwise = Answer()
            rig.sender.stop(2.0)
            assert receiver.delivered == ["first"]
            assert [one.values(schema.KILLS.name)["cgroup"] for one in receiver.accepted("metrics")] == [0, 1]


@BOTH
def test_a_new_event_probes_early(protocol: Protocol, only_probes: float) -> None:
    with OtlpReceiver(protocol) as receiver:
        receiver.script.logs.append(Answer(503 if "http" in protocol else CODE.UNAVAILABLE))
        with sending(settings(receiver)) as rig:
            rig.kill("first")
            assert eventually(lambda: rig.health.exports["logs", "retry"])
            rig.kill("second")
            receiver.wait(lambda: receiver.delivered)
            failed, taken = receiver.of("logs")
            assert taken.arrived_s - failed.arrived_s > only_probes - 0.1, "and not more often than allowed"
            assert taken.uids == ["first", "second"]


@BOTH
def test_a_process_ends_while_a_request_hangs(protocol: Protocol) -> None:
    """The threads of the gRPC library must not keep the process alive."""
    program = (
        "import os\nfrom support.pipelines import build\n"
        "rig = build({k: v for k, v in os.environ.items() if k.startswith('OTEL_')})\n"
        "rig.sender.start()\nrig.kill('first')\nprint('up', flush=True)\ninput()\nrig.sender.stop(0.3)\n"
    )
    with OtlpReceiver(protocol) as receiver:
        receiver.script.otherwise = Answer(kind="hang")
        variables = settings(receiver) | {"OTEL_EXPORTER_OTLP_TIMEOUT": "20000", "PYTHONPATH": "tests"}
        with subprocess.Popen(
            [sys.executable, "-c", program],
            env=environment(**variables),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        ) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            assert process.stdout.readline() == b"up\n"
            receiver.wait(lambda: receiver.requests)
            began = time.monotonic()
            process.stdin.write(b"\n")
            process.stdin.flush()
            assert process.wait(10) == 0
            assert time.monotonic() - began < 2.0
