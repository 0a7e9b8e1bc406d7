"""Counters over real sockets: they open at the totals that they carried, and no kill is lost."""

from __future__ import annotations

import time
from itertools import pairwise, product

import psutil
import pytest
from support.otlp_receiver import OtlpReceiver, Protocol, Request
from support.otlp_servers import Answer
from support.pipelines import CODE, sending, settings
from support.waiting import eventually

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
        variables = settings(receiver) | {"OTEL_EXPORTER_OTLP_TIMEOUT": "150"}
        with sending(variables, early=("first",)) as rig:
            receiver.wait(lambda: receiver.of("metrics"))
            rig.kill("second")
            opening, then = receiver.exports(2)
            assert totals(opening) == {"system": 0, "cgroup": 0}
            assert totals(then) == {"system": 0, "cgroup": 2}
            opened, counted = opening.points(KILLS)["cgroup"], then.points(KILLS)["cgroup"]
            assert opened.start_time_unix_nano == counted.start_time_unix_nano < opened.time_unix_nano
            assert opened.time_unix_nano < counted.time_unix_nano
            # The opening was delivered after the kill, and a point is always later than the one before it.
            assert counted.time_unix_nano > rig.spool.totals.stamps_ns["cgroup"]


@BOTH
def test_every_series_opens(protocol: Protocol) -> None:
    with OtlpReceiver(protocol) as receiver, sending(settings(receiver)):
        opening = receiver.wait(lambda: receiver.accepted("metrics"))[0]
        counters = [metric for metric in schema.METRICS if metric.kind == "counter" and metric.attributes]
        for metric in counters:
            series = product(*(values for _, values in metric.attributes))
            assert opening.values(metric.name) == dict.fromkeys(map(" ".join, series), 0)
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
            assert sum(point.value for point in deltas) == 5
            ends = [point.time_unix_nano for point in deltas]
            assert [point.start_time_unix_nano for point in deltas[1:]] == ends[:-1], "no gap and no overlap"


@BOTH
def test_the_kernels_own_count_begins_at_the_boot(protocol: Protocol) -> None:
    with OtlpReceiver(protocol) as receiver, sending(settings(receiver)) as rig:
        point = receiver.exports(1)[0].points(schema.KERNEL_KILLS.name)[""]
        assert point.value == 7
        assert abs(point.start_time_unix_nano / 1e9 - psutil.boot_time()) < 2.0
        assert point.start_time_unix_nano < rig.spool.totals.start_ns


@BOTH
def test_the_first_delta_of_the_kernels_own_count_is_not_all_since_the_boot(protocol: Protocol) -> None:
    counted = 7
    variables = {"OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE": "delta"}
    with (
        OtlpReceiver(protocol) as receiver,
        sending(settings(receiver) | variables, kernel_kills=lambda: counted) as rig,
    ):
        receiver.exports(1)
        counted = 9
        rig.kill("first")
        first, second = (one.points(schema.KERNEL_KILLS.name)[""] for one in receiver.exports(2))
        assert (first.value, second.value) == (0, 2)
        assert rig.spool.totals.start_ns <= first.start_time_unix_nano < first.time_unix_nano
        assert second.start_time_unix_nano == first.time_unix_nano


@BOTH
def test_a_change_goes_out_at_once_and_a_heartbeat_in_its_time(protocol: Protocol) -> None:
    heartbeat_s = 0.4
    variables = {"OTEL_METRIC_EXPORT_INTERVAL": f"{heartbeat_s * 1000:.0f}"}
    with OtlpReceiver(protocol) as receiver, sending(settings(receiver) | variables) as rig:
        first, second = receiver.exports(2)
        assert second.arrived_s - first.arrived_s > heartbeat_s - 0.1, "nothing new"
        assert first.values(schema.UP.name) == second.values(schema.UP.name) == {"": 1}
        rig.health.device_down("gone")
        rig.spool.wake()
        third = receiver.exports(3)[2]
        assert third.arrived_s - second.arrived_s < heartbeat_s, "before the heartbeat"
        assert third.values(schema.UP.name) == {"": 0, "gone": 0}
        rig.health.device_up()
        rig.spool.wake()
        assert receiver.exports(4)[3].values(schema.UP.name) == {"": 1, "gone": 1}


def test_a_storm_of_logs_does_not_hold_up_the_counter() -> None:
    """Batches are slow here, and there are many: the counter goes between them."""
    uids = [f"kill {number}" for number in range(512 * 5)]
    with OtlpReceiver("http/protobuf") as receiver:
        receiver.script.logs.extend([Answer(delay_s=0.1)] * 5)
        with sending(settings(receiver)) as rig:
            receiver.exports(1)
            rig.kill(*uids)
            receiver.wait(lambda: totals(receiver.accepted("metrics")[-1])["cgroup"] == len(uids))
            assert len(receiver.delivered) < len(uids)
            assert eventually(lambda: not len(rig.spool))


@BOTH
def test_logs_that_hang_hold_up_metrics_by_one_attempt_at_most(protocol: Protocol, only_probes: float) -> None:
    timeout_s, heartbeat_s = 0.4, 0.2
    with OtlpReceiver(protocol) as hanging, OtlpReceiver(protocol) as receiver:
        hanging.script.otherwise = Answer(kind="hang")
        variables = {
            "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT": f"{hanging.endpoint}/v1/logs",
            "OTEL_METRIC_EXPORT_INTERVAL": f"{heartbeat_s * 1000:.0f}",
            "OTEL_EXPORTER_OTLP_TIMEOUT": f"{timeout_s * 1000:.0f}",
        }
        with sending(settings(receiver) | variables) as rig:
            receiver.exports(1)
            rig.kill("kill 1")
            for attempt in (1, 2, 3):
                assert eventually(lambda attempt=attempt: rig.health.exports["logs", "retry"] == attempt)  # type: ignore[misc]
                time.sleep(only_probes)  # between attempts; from now on a new event makes one at once
                receiver.exports(len(receiver.accepted("metrics")) + 1)
                time.sleep(0.1)  # the counter may follow the heartbeat at once
                rig.kill(f"kill {attempt + 1}")
            hanging.wait(lambda: len(hanging.of("logs")) == 4)
            for attempt, tried in enumerate(hanging.of("logs")[1:], 2):
                before = [one for one in receiver.accepted("metrics") if one.arrived_s < tried.arrived_s]
                assert totals(before[-1])["cgroup"] == attempt, "the counter goes before the attempt"
            arrivals_s = [one.arrived_s for one in receiver.accepted("metrics")]
            gaps_s = [after - before for before, after in pairwise(arrivals_s)]
            assert max(gaps_s) < 2 * timeout_s + heartbeat_s, "less than two attempts"
            assert sum(gap < 2 * heartbeat_s for gap in gaps_s) >= 6, "heartbeats between the attempts"
            hanging.released.set()


@pytest.mark.parametrize(
    ("protocol", "refusal"), [("http/protobuf", Answer(400)), ("grpc", Answer(CODE.INVALID_ARGUMENT))]
)
def test_an_opening_that_is_refused_is_tried_again(protocol: Protocol, refusal: Answer) -> None:
    """A total that begins at 1 is no increase to a store."""
    with OtlpReceiver(protocol) as receiver:
        receiver.script.metrics.extend([refusal, refusal])
        with sending(settings(receiver), early=("first",)):
            values = [one.values(schema.KILLS.name)["cgroup"] for one in receiver.exports(2)]
    assert values == [0, 1]
