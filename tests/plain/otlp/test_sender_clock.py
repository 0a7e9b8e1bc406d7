"""Clocks: what the sender does after a jump of the wall clock, and the offset to the collector's clock."""

from __future__ import annotations

import time
from types import SimpleNamespace

import psutil
import pytest
from support.otlp_receiver import OtlpReceiver, Protocol
from support.otlp_servers import Answer
from support.pipelines import CODE, sending, settings
from support.waiting import eventually

from otel_oom import schema
from otel_oom.health import Health

BOTH = pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
OFFSET = schema.CLOCK_OFFSET.name


def ways_to(receiver: OtlpReceiver) -> set[int]:
    """Local ports of this process's connections to a receiver."""
    found = [one for one in psutil.Process().net_connections("tcp") if one.status == psutil.CONN_ESTABLISHED]
    return {one.laddr.port for one in found if one.raddr.port == receiver.port}


@BOTH
def test_after_a_jump_everything_is_exported_at_once_over_new_connections(protocol: Protocol) -> None:
    with OtlpReceiver(protocol) as receiver, sending(settings(receiver)) as rig:
        rig.kill("before")
        receiver.exports(2)
        receiver.wait(lambda: receiver.delivered)
        before = ways_to(receiver)
        rig.health.clock_jumped(30.0)
        rig.spool.wake()
        receiver.exports(3)
        rig.kill("after")
        receiver.wait(lambda: len(receiver.delivered) == 2)
        assert before
        assert eventually(lambda: not ways_to(receiver) & before)


def test_a_jump_ends_the_wait_for_a_collector_that_was_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """The collector is on another machine: the next attempt would come seconds later, and a probe after one."""
    monkeypatch.setattr("otel_oom.otlp.sender.random", SimpleNamespace(uniform=lambda _, high: high))
    with OtlpReceiver("http/protobuf", address="127.0.0.2") as receiver, sending(settings(receiver)) as rig:
        receiver.exports(1)
        receiver.script.otherwise = Answer(503)
        rig.kill("kept")
        assert eventually(lambda: rig.health.exports["logs", "retry"] == 3)
        receiver.script.otherwise = Answer()
        rig.health.clock_jumped(-3600.0)
        rig.spool.wake()
        receiver.wait(lambda: receiver.delivered, within_s=0.5)


@pytest.mark.parametrize("ahead_s", [-7200.0, 0.0, 45.0])
def test_the_date_of_an_answer_shows_the_collectors_clock(ahead_s: float, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    with OtlpReceiver("http/protobuf") as receiver:
        receiver.script.otherwise = Answer(ahead_s=ahead_s)
        with sending(settings(receiver)) as rig:
            assert OFFSET not in {
                metric.name
                for resource in receiver.exports(1)[0].message.resource_metrics
                for scope in resource.scope_metrics
                for metric in scope.metrics
            }, "no answer, no clock"
            rig.kill("one", "two")
            offset_s = receiver.exports(2)[1].points(OFFSET)[""].value
            assert abs(offset_s + ahead_s) < 0.7
            for number in range(3):
                rig.kill(f"{number}")
                receiver.exports(3 + number)
            warnings = [line for line in caplog.messages if "off the collector's" in line]
            assert len(warnings) == (abs(ahead_s) > 2)
            receiver.script.otherwise = Answer()
            rig.kill("last")
            assert eventually(lambda: abs(rig.health.clock_offset_s or 99.0) < 0.7)
            assert eventually(lambda: any("agrees" in line for line in caplog.messages) == bool(warnings))


def test_over_grpc_no_clock_is_shown() -> None:
    with OtlpReceiver("grpc") as receiver, sending(settings(receiver)) as rig:
        rig.kill("one")
        assert not receiver.exports(2)[1].points(OFFSET)
        assert rig.health.clock_offset_s is None


def test_a_slow_answer_shows_no_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("otel_oom.otlp.http_exporter._EXACT_S", 0.2)
    with OtlpReceiver("http/protobuf") as receiver:
        receiver.script.otherwise = Answer(ahead_s=-3600.0, delay_s=0.3)
        with sending(settings(receiver) | {"OTEL_EXPORTER_OTLP_TIMEOUT": "5000"}) as rig:
            receiver.exports(1)
            assert eventually(lambda: rig.health.exports["metrics", "ok"] == 1)
            assert rig.health.clock_offset_s is None


@pytest.mark.parametrize("step_s", [-3600, 3600])
def test_an_answer_shows_no_clock_if_the_clock_was_set_during_the_request(
    step_s: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    walls_ns = [time.time_ns(), time.time_ns() + step_s * 10**9]
    clock = SimpleNamespace(monotonic=time.monotonic, time_ns=lambda: walls_ns.pop(0) if walls_ns else time.time_ns())
    monkeypatch.setattr("otel_oom.otlp.http_exporter.time", clock)
    with OtlpReceiver("http/protobuf") as receiver, sending(settings(receiver)) as rig:
        assert eventually(lambda: rig.health.exports["metrics", "ok"] == 1)
        assert rig.health.clock_offset_s is None
        assert not walls_ns
        rig.kill("first")
        assert eventually(lambda: abs(rig.health.clock_offset_s or 99.0) < 0.7), "seen at the next request"


def test_after_a_jump_the_offset_is_unknown_until_it_is_seen_again() -> None:
    health = Health()
    health.clock_compared(0.1)
    health.clock_jumped(-3600.0)
    assert health.clock_offset_s is None


@BOTH
def test_after_a_sleep_acknowledged_totals_are_exported_again_before_new_ones(protocol: Protocol) -> None:
    """A store's last sample is as old as the sleep was long. Without a newer one it sees no increase."""
    with OtlpReceiver(protocol) as receiver, sending(settings(receiver)) as rig:
        rig.kill("before")
        receiver.exports(2)
        assert eventually(lambda: rig.sender._schedule.is_done)
        slept = len(receiver.accepted("metrics"))
        rig.health.clock_jumped(86_400.0)
        rig.kill("right after it")
        values = [one.values(schema.KILLS.name)["cgroup"] for one in receiver.exports(slept + 2)[slept:]]
        assert values == [1, 2]


@BOTH
def test_after_a_sleep_no_total_goes_back_where_an_answer_was_lost(protocol: Protocol) -> None:
    """The collector may have accepted it: a machine can be put to sleep between a request and its answer."""
    lost = Answer(503 if "http" in protocol else CODE.UNAVAILABLE, stores=True)
    with OtlpReceiver(protocol) as receiver, sending(settings(receiver)) as rig:
        rig.kill("before")
        receiver.exports(2)
        assert eventually(lambda: rig.sender._schedule.is_done)
        receiver.script.metrics.extend([lost] * 2)
        rig.kill("stored without an answer")
        receiver.wait(lambda: receiver.accepted("metrics")[-1].values(schema.KILLS.name)["cgroup"] == 2)
        rig.health.clock_jumped(86_400.0)
        rig.kill("right after it")
        assert eventually(lambda: rig.sender._schedule.is_done)
        values = [one.values(schema.KILLS.name)["cgroup"] for one in receiver.accepted("metrics")]
        assert values == sorted(values)
        assert values[-1] == 3
