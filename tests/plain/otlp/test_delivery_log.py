"""What the agent logs of its deliveries: the first of each signal, and events that had waited."""

from __future__ import annotations

import logging

import pytest
from support.otlp_receiver import OtlpReceiver, Protocol
from support.otlp_servers import Answer
from support.pipelines import CODE, sending, settings
from support.waiting import eventually

from otel_oom.config.settings import load_config
from otel_oom.otlp.delivery_log import DeliveryLog
from otel_oom.telemetry.event import Event

BOTH = pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
S = 10**9


@pytest.fixture(autouse=True)
def _info(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)


def batch(count: int, observed_s: int = 100) -> list[Event]:
    return [Event("kill", observed_s * S, "", {})] * count


def waited(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [line for line in caplog.messages if "had waited" in line]


def test_the_first_export_of_each_signal_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    config = load_config({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://me:secret@c:4318"})
    log = DeliveryLog()
    for _ in range(2):
        log.accepted(config.logs)
        log.accepted(config.metrics)
    assert caplog.messages == [
        "the first export of logs was accepted by http://c:4318 (http/protobuf)",
        "the first export of metrics was accepted by http://c:4318 (http/protobuf)",
    ]


def test_events_that_do_not_wait_have_no_line(caplog: pytest.LogCaptureFixture) -> None:
    log = DeliveryLog()
    log.begin(0)
    log.batch_done(batch(1), 1, 0)
    log.batch_done(batch(2), 2, 5)
    assert (log.delivered, caplog.messages) == (3, [])


def test_events_of_an_earlier_run_have_waited(caplog: pytest.LogCaptureFixture) -> None:
    log = DeliveryLog(lambda: 160 * S)
    log.begin(5)
    log.batch_done(batch(3, 100), 3, 2)
    assert caplog.messages == []
    log.batch_done(batch(2, 150), 2, 4)
    assert caplog.messages == ["delivered 5 event(s) that had waited, the oldest for 60 s"]
    log.batch_done(batch(4), 4, 0)
    assert len(caplog.messages) == 1


def test_events_of_an_outage_have_waited(caplog: pytest.LogCaptureFixture) -> None:
    """A second failure on the way, and an event that is rejected, are part of it."""
    log = DeliveryLog(lambda: 112 * S)
    log.begin(0)
    log.batch_done(batch(1), 1, 0)
    log.interrupted()
    log.batch_done(batch(2), 2, 3)
    log.interrupted()
    log.interrupted()
    log.batch_done(batch(1), 0, 2)
    assert caplog.messages == []
    log.batch_done(batch(2), 2, 0)
    assert caplog.messages == ["delivered 4 event(s) that had waited, the oldest for 12 s"]
    assert log.delivered == 5


def test_a_queue_that_dropped_some_of_them_ends_the_wait(caplog: pytest.LogCaptureFixture) -> None:
    log = DeliveryLog(lambda: 100 * S)
    log.begin(10)
    log.batch_done(batch(2), 2, 0)
    assert caplog.messages == ["delivered 2 event(s) that had waited, the oldest for 0 s"]


def test_a_collector_that_comes_and_goes_has_a_line_a_minute(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    log = DeliveryLog(lambda: 100 * S)
    for _ in range(100):
        log.interrupted()
        log.batch_done(batch(1), 1, 0)
    assert waited(caplog) == ["delivered 1 event(s) that had waited, the oldest for 0 s"]
    monkeypatch.setattr("otel_oom.rate_limited_log.REPEAT_AFTER_S", 0.0)
    log.interrupted()
    log.batch_done(batch(1), 1, 0)
    assert waited(caplog)[1].startswith("delivered 100 event(s) that had waited, the oldest for 0 s")


@BOTH
def test_an_outage_ends_with_the_number_of_its_events(protocol: Protocol, caplog: pytest.LogCaptureFixture) -> None:
    refused = Answer(503 if "http" in protocol else CODE.UNAVAILABLE)
    with OtlpReceiver(protocol) as receiver, sending(settings(receiver)) as rig:
        rig.kill("first")
        receiver.wait(lambda: receiver.delivered)
        assert eventually(lambda: len([line for line in caplog.messages if "the first export of" in line]) == 2)
        assert not waited(caplog)
        receiver.script.otherwise = refused
        rig.kill("second", "third")
        assert eventually(lambda: rig.health.exports["logs", "retry"])
        receiver.script.otherwise = Answer()
        assert eventually(lambda: len(receiver.delivered) == 3)
        assert eventually(lambda: waited(caplog))
        assert waited(caplog)[0].startswith("delivered 2 event(s) that had waited, the oldest for ")
        rig.sender.stop(2.0)
        assert (rig.sender.delivered, rig.sender.has_delivered_totals) == (3, True)


def test_an_exporter_that_delivers_nothing_is_not_counted(caplog: pytest.LogCaptureFixture) -> None:
    with sending({"OTEL_LOGS_EXPORTER": "none", "OTEL_METRICS_EXPORTER": "none"}) as rig:
        rig.kill("first")
        assert eventually(lambda: not len(rig.spool))
        rig.sender.stop(2.0)
        assert (rig.sender.delivered, caplog.messages) == (0, [])
