"""Counters through real sockets: they open at what they carried, and no kill is lost from them."""

from __future__ import annotations

import pytest
from support.kernel import eventually
from support.otlp_receiver import OtlpReceiver, Protocol, Request
from support.otlp_servers import Answer
from support.pipelines import CODE, sending, settings

from otel_oom import schema

BOTH = pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
KILLS = schema.KILLS.name


def totals(request: Request) -> dict[str, int]:
    return request.values(KILLS)


@BOTH
def test_the_first_delivered_totals_are_the_opening_ones(protocol: Protocol) -> None:
    with OtlpReceiver(protocol) as receiver:
        receiver.script.metrics.extend(
            [Answer(kind="hang")] + [Answer(503 if "http" in protocol else CODE.UNAVAILABLE)] * 2
        )
        variables = settings(receiver) | {"OTEL_EXPORTER_OTLP_TIMEOUT": "200"}
        with sending(variables, early=("first",)) as rig:
            receiver.wait(lambda: receiver.of("metrics"))
            rig.kill("second")
            opening, then = receiver.exports(2)
            assert totals(opening) == {"system": 0, "cgroup": 0}
            assert totals(then) == {"system": 0, "cgroup": 2}
            opened, counted = opening.points(KILLS)["cgroup"], then.points(KILLS)["cgroup"]
            assert opened.start_time_unix_nano == counted.start_time_unix_nano < opened.time_unix_nano
            assert opened.time_unix_nano < counted.time_unix_nano
            assert counted.time_unix_nano == rig.spool.totals.stamps_ns["cgroup"]


@BOTH
def test_every_series_opens(protocol: Protocol) -> None:
    with OtlpReceiver(protocol) as receiver, sending(settings(receiver)):
        opening = receiver.wait(lambda: receiver.accepted("metrics"))[0]
        counters = [metric for metric in schema.METRICS if metric.kind == "counter" and metric.attributes]
        for metric in counters:
            expected = 1
            for _, values in metric.attributes:
                expected *= len(values)
            assert list(opening.values(metric.name).values()) == [0] * expected, metric.name
        assert opening.values(schema.KERNEL_KILLS.name) == {"": 7}
        assert opening.values(schema.UNACCOUNTED_KILLS.name) == {"": 0}
        assert opening.values(schema.UP.name) == {"": 1}


@BOTH
def test_no_kill_is_lost_with_delta_temporality(protocol: Protocol) -> None:
    with OtlpReceiver(protocol) as receiver:
        failure = Answer(503 if "http" in protocol else CODE.UNAVAILABLE)
        receiver.script.metrics.extend([Answer(), failure, failure])
        with sending(settings(receiver) | {"OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE": "delta"}) as rig:
            receiver.wait(lambda: receiver.accepted("metrics"))
            for number in range(5):
                rig.kill(f"kill {number}")
                receiver.wait(lambda number=number: len(receiver.of("logs")) > number)  # type: ignore[misc]
            receiver.wait(lambda: sum(totals(one)["cgroup"] for one in receiver.accepted("metrics")) >= 5)
            deltas = [one.points(KILLS)["cgroup"] for one in receiver.accepted("metrics")]
            assert sum(point.as_int for point in deltas) == 5
            ends = [point.time_unix_nano for point in deltas]
            assert [point.start_time_unix_nano for point in deltas[1:]] == ends[:-1], "no gap and no overlap"


@BOTH
def test_a_change_goes_out_at_once_and_a_heartbeat_in_its_time(protocol: Protocol) -> None:
    variables = {"OTEL_METRIC_EXPORT_INTERVAL": "600"}
    with OtlpReceiver(protocol) as receiver, sending(settings(receiver) | variables) as rig:
        first, second = receiver.exports(2)
        assert 0.55 < second.arrived_s - first.arrived_s < 0.75
        rig.health.device_down("gone")
        rig.spool.wake()
        third = receiver.exports(3)[2]
        assert third.arrived_s - second.arrived_s < 0.3
        assert third.values(schema.UP.name) == {"": 0, "gone": 0}
        rig.health.device_up()
        rig.spool.wake()
        fourth = receiver.exports(4)[3]
        assert fourth.values(schema.UP.name) == {"": 1, "gone": 1}


def test_a_storm_of_logs_does_not_hold_up_the_counter() -> None:
    """Batches are slow here, and there are many: the counter goes between them."""
    uids = [f"kill {number}" for number in range(512 * 5)]
    with OtlpReceiver("http/protobuf") as receiver:
        receiver.script.logs.extend([Answer(delay_s=0.2)] * 5)
        with sending(settings(receiver)) as rig:
            receiver.exports(1)
            rig.kill(*uids)
            receiver.wait(lambda: totals(receiver.accepted("metrics")[-1])["cgroup"] == len(uids))
            assert len(receiver.delivered) < len(uids)
            assert eventually(lambda: not len(rig.spool))
