"""What a collector receives when this machine becomes another one: nothing twice, nothing under a wrong name."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from support.kernel import eventually
from support.otlp_receiver import OtlpReceiver, Protocol, Request
from support.otlp_servers import Answer
from support.pipelines import CODE, Rig, sending, settings

from otel_oom import schema
from otel_oom.checkpoint import Origin

BOTH = pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
COPY = Origin("copy", "host of the copy", "id of the copy")
KILLS = schema.KILLS.name


def become(rig: Rig) -> None:
    rig.spool.become(COPY, time.time_ns())


def whose(request: Request) -> str:
    return str(request.resource["service.instance.id"])


def told(receiver: OtlpReceiver) -> Iterator[tuple[str, int]]:
    """Whose, and how many kills of cgroups, in each export; what says the same as the one before it is left out."""
    last = None
    for request in receiver.accepted("metrics"):
        now = (whose(request), request.values(KILLS)["cgroup"])
        if now != last:
            yield now
        last = now


@BOTH
def test_the_old_totals_are_told_first_and_then_the_new_series_opens(protocol: Protocol) -> None:
    with OtlpReceiver(protocol) as receiver:
        unavailable = Answer(503 if "http" in protocol else CODE.UNAVAILABLE)
        with sending(settings(receiver)) as rig:
            rig.kill("first")
            assert eventually(lambda: list(told(receiver)) == [("here", 0), ("here", 1)])
            receiver.script.otherwise = unavailable
            rig.kill("untold")
            become(rig)
            rig.kill("new one", "new two")
            receiver.script.otherwise = Answer()
            expected = [("here", 0), ("here", 1), ("here", 2), ("copy", 0), ("copy", 2)]
            assert eventually(lambda: list(told(receiver)) == expected)
            assert eventually(lambda: len(receiver.delivered) == 4)
            assert rig.spool.former is None
        by_uid = {uid: request.resource for request in receiver.accepted("logs") for uid in request.uids}
        assert by_uid["untold"]["service.instance.id"] == by_uid["first"]["service.instance.id"] == "here"
        assert {by_uid[uid]["host.id"] for uid in ("new one", "new two")} == {"id of the copy"}
        assert by_uid["new one"]["host.name"] == "host of the copy"
        assert by_uid["untold"]["host.name"] == "host"
        points = [(whose(one), one.points(KILLS)["cgroup"]) for one in receiver.accepted("metrics")]
        for name in ("here", "copy"):
            times = [point.time_unix_nano for who, point in points if who == name]
            assert times == sorted(set(times)), "never back"
            assert len({point.start_time_unix_nano for who, point in points if who == name}) == 1


@BOTH
def test_a_series_that_nobody_knows_yet_opens_at_0_before_its_last_total(protocol: Protocol) -> None:
    with OtlpReceiver(protocol) as receiver, sending(settings(receiver), is_started=False) as rig:
        rig.kill("untold")
        become(rig)
        time.sleep(0.05)
        rig.sender.start()
        assert eventually(lambda: list(told(receiver)) == [("here", 0), ("here", 1), ("copy", 0)])
        opened, last = (one.points(KILLS)["cgroup"] for one in receiver.exports(2))
        assert opened.start_time_unix_nano == last.start_time_unix_nano < opened.time_unix_nano
        assert opened.time_unix_nano // 10**6 < last.time_unix_nano // 10**6, "never back, in milliseconds too"


@BOTH
def test_of_what_the_machine_was_only_kills_are_told(protocol: Protocol) -> None:
    """A heartbeat of a machine that is not there would be missed."""
    with OtlpReceiver(protocol) as receiver:
        with sending(settings(receiver), is_started=False) as rig:
            rig.kill("untold")
            become(rig)
            rig.sender.start()
            assert eventually(lambda: ("copy", 0) in told(receiver))
        for request in receiver.accepted("metrics"):
            assert bool(request.points(schema.UP.name)) == (whose(request) == "copy")
            assert bool(request.points(schema.RECORDS.name)) == (whose(request) == "copy")


@BOTH
def test_where_all_was_told_nothing_is_told_again(protocol: Protocol) -> None:
    with OtlpReceiver(protocol) as receiver, sending(settings(receiver)) as rig:
        rig.kill("first")
        assert eventually(lambda: list(told(receiver)) == [("here", 0), ("here", 1)])
        assert eventually(lambda: rig.sender._telling.is_done)
        become(rig)
        assert eventually(lambda: list(told(receiver))[-1] == ("copy", 0))
        assert [whose(one) for one in receiver.accepted("metrics")].count("here") == 2


@BOTH
def test_with_delta_temporality_every_kill_is_told_once(protocol: Protocol) -> None:
    delta = {"OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE": "delta"}
    failure = Answer(503 if "http" in protocol else CODE.UNAVAILABLE)
    with OtlpReceiver(protocol) as receiver, sending(settings(receiver) | delta) as rig:
        rig.kill("first")
        receiver.wait(lambda: sum(one.values(KILLS)["cgroup"] for one in receiver.accepted("metrics")) == 1)
        assert eventually(lambda: rig.sender._telling.is_done)
        receiver.script.metrics.extend([failure] * 3)
        rig.kill("untold")
        receiver.wait(lambda: receiver.of("metrics")[-1] not in receiver.accepted("metrics"))
        become(rig)
        rig.kill("new")
        assert eventually(lambda: len(receiver.delivered) == 3)
        assert eventually(lambda: rig.sender._telling.is_done)
        sums: dict[str, int] = {}
        for one in receiver.accepted("metrics"):
            sums[whose(one)] = sums.get(whose(one), 0) + one.values(KILLS)["cgroup"]
        assert sums == {"here": 2, "copy": 1}


def test_what_the_user_calls_this_machine_stays() -> None:
    mine = {"OTEL_RESOURCE_ATTRIBUTES": "service.instance.id=mine,host.name=my host"}
    with OtlpReceiver("http/protobuf") as receiver, sending(settings(receiver) | mine) as rig:
        rig.kill("first")
        receiver.wait(lambda: receiver.delivered)
        become(rig)
        rig.kill("second")
        receiver.wait(lambda: len(receiver.delivered) == 2)
        assert {(whose(one), one.resource["host.name"]) for one in receiver.requests} == {("mine", "my host")}
        assert receiver.accepted("logs")[-1].resource["host.id"] == "id of the copy"
