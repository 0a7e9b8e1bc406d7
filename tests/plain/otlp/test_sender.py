"""Logs over real sockets: an event is settled only after it was accepted, and events arrive in their order."""

from __future__ import annotations

import threading
import time

import pytest
from support.otlp_receiver import OtlpReceiver, Protocol
from support.otlp_servers import Answer
from support.pipelines import CASES, CODE, NOT_TLS, name, sending, settings
from support.waiting import eventually

HANG = Answer(kind="hang")
BOTH = pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])


@BOTH
def test_what_is_put_arrives_in_its_order(protocol: Protocol) -> None:
    uids = [f"kill {number}" for number in range(1_500)]  # more than one batch
    with OtlpReceiver(protocol) as receiver, sending(settings(receiver)) as rig:
        for at in range(0, len(uids), 100):
            rig.kill(*uids[at : at + 100])
        receiver.wait(lambda: len(receiver.delivered) >= len(uids))
        assert receiver.delivered == uids
        assert eventually(lambda: not len(rig.spool))
        assert not rig.health.dropped


@pytest.mark.parametrize(("protocol", "answer"), CASES, ids=name)
def test_a_failure_keeps_the_data(protocol: Protocol, answer: Answer, caplog: pytest.LogCaptureFixture) -> None:
    with OtlpReceiver(protocol) as receiver:
        receiver.script.otherwise = answer
        with sending(settings(receiver)) as rig:
            rig.kill("first", "second")
            receiver.wait(lambda: len(receiver.of("logs")) >= 2)
            assert len(rig.spool) == 2
            assert receiver.of("logs")[0].uids == receiver.of("logs")[1].uids
            assert any("cannot deliver logs, will retry: " in line for line in caplog.messages)
            receiver.script.otherwise = Answer()
            assert receiver.wait(lambda: receiver.delivered) == ["first", "second"]
            assert eventually(lambda: not len(rig.spool))
            assert rig.health.exports["logs", "retry"] >= 2
            assert not rig.health.dropped


@pytest.mark.parametrize(
    ("protocol", "answer", "line"),
    [
        ("http/protobuf", Answer(301), "HTTP 301 Moved Permanently: to http://127.0.0.1"),
        ("http/protobuf", Answer(401), "HTTP 401 Unauthorized; set the key in OTEL_EXPORTER_OTLP_HEADERS"),
        (
            "http/protobuf",
            Answer(404),
            "HTTP 404 Not Found; nothing takes OTLP at /v1/metrics there; check the server and the path in OTEL_",
        ),
        (
            "http/protobuf",
            NOT_TLS,
            "to an HTTPS server.; the answer is not OTLP; if the port speaks TLS, write https://",
        ),
        ("http/protobuf", Answer(kind="reset"), "Connection reset by peer; does a collector at http://127.0.0.1"),
        ("http/protobuf", HANG, "timed out; does a collector"),
        ("grpc", HANG, "timed out; does a collector"),
        (
            "grpc",
            Answer(CODE.UNAUTHENTICATED, details="no\nkey"),
            "UNAUTHENTICATED: no key; set the key in OTEL_EXPORTER_OTLP_HEADERS",
        ),
        (
            "grpc",
            Answer(CODE.UNAUTHENTICATED),
            "will retry: UNAUTHENTICATED; set the key in OTEL_EXPORTER_OTLP_HEADERS",
        ),
        ("grpc", Answer(CODE.UNAVAILABLE, details="later"), "UNAVAILABLE: later; does a collector at http://127.0.0.1"),
    ],
    ids=name,
)
def test_a_failure_is_logged_in_one_line(
    protocol: Protocol, answer: Answer, line: str, caplog: pytest.LogCaptureFixture
) -> None:
    with OtlpReceiver(protocol) as receiver:
        receiver.script.otherwise = answer
        with sending(settings(receiver) | {"OTEL_EXPORTER_OTLP_TIMEOUT": "100"}):
            assert eventually(lambda: caplog.messages)
            assert line in caplog.messages[0]
            assert "\n" not in caplog.messages[0]
            receiver.released.set()


@BOTH
def test_requests_to_a_closed_port_are_repeated_until_it_is_open(
    protocol: Protocol, caplog: pytest.LogCaptureFixture
) -> None:
    with OtlpReceiver(protocol) as receiver:
        receiver.stop()
        with sending(settings(receiver)) as rig:
            rig.kill("first")
            assert eventually(lambda: rig.health.exports["logs", "retry"] >= 2)
            rig.kill("second")
            assert "Connection refused; does a collector" in caplog.text
            receiver.start()
            receiver.wait(lambda: len(receiver.delivered) == 2)
            assert receiver.delivered == ["first", "second"], "exactly once: nothing was read before"
            receiver.stop()
            retries = rig.health.exports["logs", "retry"]
            rig.kill("third")
            assert eventually(lambda: rig.health.exports["logs", "retry"] > retries)
            receiver.start()
            receiver.wait(lambda: "third" in receiver.delivered)


def test_after_a_reset_all_arrive_at_least_once() -> None:
    with OtlpReceiver("http/protobuf") as receiver:
        receiver.script.logs.extend([Answer(kind="reset")] * 2)
        with sending(settings(receiver)) as rig:
            rig.kill("first", "second")
            receiver.wait(lambda: receiver.delivered)
            assert [request.uids for request in receiver.of("logs")] == [["first", "second"]] * 3


@pytest.mark.parametrize(
    ("client", "server", "line"),
    [
        ("http/protobuf", "grpc", "does a collector at|the answer is not HTTP"),
        ("grpc", "http/protobuf", "the answer is not gRPC; if it speaks HTTP, set OTEL_EXPORTER_OTLP_PROTOCOL=http"),
    ],
)
def test_the_wrong_protocol_is_named(
    client: Protocol, server: Protocol, line: str, caplog: pytest.LogCaptureFixture
) -> None:
    with OtlpReceiver(server) as receiver:
        with sending(settings(receiver) | {"OTEL_EXPORTER_OTLP_PROTOCOL": client}):
            assert eventually(lambda: caplog.messages)
        assert any(part in caplog.messages[0] for part in line.split("|")), caplog.messages


@pytest.mark.parametrize(
    ("protocol", "answer"),
    [
        ("http/protobuf", Answer(429, retry_after_s=0.4)),
        ("http/protobuf", Answer(503, retry_after_s=0.4)),
        ("grpc", Answer(CODE.UNAVAILABLE, retry_after_s=0.4)),
        ("grpc", Answer(CODE.RESOURCE_EXHAUSTED, retry_after_s=0.4)),
    ],
    ids=name,
)
def test_no_attempt_is_made_before_the_time_that_the_server_names(
    protocol: Protocol, answer: Answer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("otel_oom.otlp.retry_backoff._PROBE_S", 0.1)
    with OtlpReceiver(protocol) as receiver:
        receiver.script.logs.append(answer)
        with sending(settings(receiver)) as rig:
            rig.kill("first")
            receiver.wait(lambda: receiver.of("logs"))
            rig.kill("second")  # would probe early otherwise
            receiver.wait(lambda: receiver.delivered)
            refused, taken = receiver.of("logs")[:2]
            assert taken.arrived_s - refused.arrived_s >= 0.4
            assert receiver.of("metrics"), "metrics do not wait with the logs"


@BOTH
def test_a_storm_during_a_request_that_hangs(protocol: Protocol) -> None:
    uids = [f"kill {number}" for number in range(1_000)]
    with OtlpReceiver(protocol) as receiver:
        receiver.script.logs.append(HANG)
        with sending(settings(receiver) | {"OTEL_EXPORTER_OTLP_TIMEOUT": "400"}) as rig:
            rig.kill("hangs")
            receiver.wait(lambda: receiver.of("logs"))
            began = time.monotonic()
            storm = [threading.Thread(target=rig.kill, args=uids[at : at + 10]) for at in range(0, 1_000, 10)]
            for one in storm:
                one.start()
                one.join()
            assert time.monotonic() - began < 3.0, "put never waits for the collector"
            receiver.wait(lambda: len(set(receiver.delivered)) == 1_001)
            assert receiver.delivered == ["hangs", *uids]


@BOTH
@pytest.mark.parametrize("step_s", [-3600, 3600])
def test_a_jump_of_the_wall_clock_does_not_matter(
    protocol: Protocol, step_s: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    true_time = time.time
    short = {"OTEL_EXPORTER_OTLP_TIMEOUT": "400"}
    with OtlpReceiver(protocol) as receiver, sending(settings(receiver) | short) as rig:
        receiver.wait(lambda: receiver.accepted("metrics"))
        monkeypatch.setattr(time, "time", lambda: true_time() + step_s)
        began = time.monotonic()
        rig.kill("after the jump")
        receiver.wait(lambda: receiver.delivered)
        assert time.monotonic() - began < 1.0
        receiver.script.logs.append(HANG)
        rig.kill("hangs")
        receiver.wait(lambda: len(receiver.delivered) == 2, within_s=3.0)
        monkeypatch.undo()
        assert {outcome for _, outcome in rig.health.exports} == {"ok", "retry"}
        assert rig.health.exports["logs", "retry"] == 1


@BOTH
@pytest.mark.parametrize("timeout_ms", [150, 400])
def test_the_timeout_is_in_milliseconds(protocol: Protocol, timeout_ms: int) -> None:
    with OtlpReceiver(protocol) as receiver:
        receiver.script.logs.extend([HANG, Answer()])
        with sending(settings(receiver) | {"OTEL_EXPORTER_OTLP_TIMEOUT": str(timeout_ms)}) as rig:
            rig.kill("first")
            hung_s = receiver.wait(lambda: receiver.of("logs"))[0].arrived_s
            assert eventually(lambda: rig.health.exports["logs", "retry"] == 1)
            assert timeout_ms / 1000 - 0.1 < time.monotonic() - hung_s < timeout_ms / 1000 + 2.0
