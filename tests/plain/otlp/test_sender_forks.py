"""What a collector receives around an identity change: nothing twice, and nothing under a wrong identity."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace

import pytest
from support.otlp_receiver import OtlpReceiver, Protocol, Request
from support.otlp_servers import Answer
from support.pipelines import CODE, Rig, sending, settings
from support.waiting import eventually

from otel_oom import schema
from otel_oom.totals import ResourceIdentity, Series

BOTH = pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
COPY = ResourceIdentity("copy", "host of the copy", "id of the copy")
KILLS = schema.KILLS.name


def change_identity(rig: Rig) -> None:
    rig.spool.change_identity(COPY, time.time_ns())


def instance_of(request: Request) -> str:
    return str(request.resource["service.instance.id"])


def acknowledged(receiver: OtlpReceiver) -> Iterator[tuple[str, int]]:
    """Instance id and kills of cgroups in each export, without repeats of the one before it."""
    last = None
    for request in receiver.accepted("metrics"):
        now = (instance_of(request), request.values(KILLS)["cgroup"])
        if now != last:
            yield now
        last = now


def export_first(rig: Rig, receiver: OtlpReceiver) -> None:
    """One kill that the collector has acknowledged."""
    rig.kill("first")
    assert eventually(lambda: list(acknowledged(receiver)) == [("here", 0), ("here", 1)])
    assert eventually(lambda: rig.sender._schedule.is_done)


@BOTH
def test_the_retired_series_comes_first_and_then_the_new_one_opens(protocol: Protocol) -> None:
    with OtlpReceiver(protocol) as receiver:
        unavailable = Answer(503 if "http" in protocol else CODE.UNAVAILABLE)
        with sending(settings(receiver)) as rig:
            rig.kill("first")
            assert eventually(lambda: list(acknowledged(receiver)) == [("here", 0), ("here", 1)])
            receiver.script.otherwise = unavailable
            rig.kill("unacknowledged")
            change_identity(rig)
            rig.kill("new one", "new two")
            receiver.script.otherwise = Answer()
            expected = [("here", 0), ("here", 1), ("here", 2), ("copy", 0), ("copy", 2)]
            assert eventually(lambda: list(acknowledged(receiver)) == expected)
            assert eventually(lambda: len(receiver.delivered) == 4)
            assert rig.spool.retired is None
        by_uid = {uid: request.resource for request in receiver.accepted("logs") for uid in request.uids}
        assert by_uid["unacknowledged"]["service.instance.id"] == by_uid["first"]["service.instance.id"] == "here"
        assert {by_uid[uid]["host.id"] for uid in ("new one", "new two")} == {"id of the copy"}
        assert by_uid["new one"]["host.name"] == "host of the copy"
        assert by_uid["unacknowledged"]["host.name"] == "host"
        points = [(instance_of(one), one.points(KILLS)["cgroup"]) for one in receiver.accepted("metrics")]
        for name in ("here", "copy"):
            times = [point.time_unix_nano for who, point in points if who == name]
            assert times == sorted(set(times)), "never back"
            assert len({point.start_time_unix_nano for who, point in points if who == name}) == 1


@BOTH
def test_a_retired_series_that_was_never_acknowledged_opens_at_0(protocol: Protocol) -> None:
    with OtlpReceiver(protocol) as receiver, sending(settings(receiver), is_started=False) as rig:
        rig.kill("unacknowledged")
        change_identity(rig)
        time.sleep(0.05)
        rig.sender.start()
        assert eventually(lambda: list(acknowledged(receiver)) == [("here", 0), ("here", 1), ("copy", 0)])
        opened, last = (one.points(KILLS)["cgroup"] for one in receiver.exports(2))
        assert opened.start_time_unix_nano == last.start_time_unix_nano < opened.time_unix_nano
        assert opened.time_unix_nano // 10**6 < last.time_unix_nano // 10**6, "never back, in milliseconds too"


@BOTH
def test_of_a_retired_series_only_kills_are_exported(protocol: Protocol) -> None:
    """No heartbeat: its end would look like a machine that died."""
    with OtlpReceiver(protocol) as receiver:
        with sending(settings(receiver), is_started=False) as rig:
            rig.kill("unacknowledged")
            change_identity(rig)
            rig.sender.start()
            assert eventually(lambda: ("copy", 0) in acknowledged(receiver))
        for request in receiver.accepted("metrics"):
            assert bool(request.points(schema.UP.name)) == (instance_of(request) == "copy")
            assert bool(request.points(schema.RECORDS.name)) == (instance_of(request) == "copy")
            if instance_of(request) == "here":
                assert set(request.values(KILLS)) == {"cgroup"}, "and of them the unacknowledged ones"


@BOTH
def test_a_retired_series_that_was_acknowledged_is_not_exported_again(protocol: Protocol) -> None:
    with OtlpReceiver(protocol) as receiver, sending(settings(receiver)) as rig:
        export_first(rig, receiver)
        change_identity(rig)
        assert eventually(lambda: list(acknowledged(receiver))[-1] == ("copy", 0))
        assert [instance_of(one) for one in receiver.accepted("metrics")].count("here") == 2


@BOTH
def test_with_delta_temporality_every_kill_is_exported_once(protocol: Protocol) -> None:
    delta = {"OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE": "delta"}
    failure = Answer(503 if "http" in protocol else CODE.UNAVAILABLE)
    with OtlpReceiver(protocol) as receiver, sending(settings(receiver) | delta) as rig:
        rig.kill("first")
        receiver.wait(lambda: sum(one.values(KILLS)["cgroup"] for one in receiver.accepted("metrics")) == 1)
        assert eventually(lambda: rig.sender._schedule.is_done)
        receiver.script.metrics.extend([failure] * 3)
        rig.kill("unacknowledged")
        receiver.wait(lambda: receiver.of("metrics")[-1] not in receiver.accepted("metrics"))
        change_identity(rig)
        rig.kill("new")
        assert eventually(lambda: len(receiver.delivered) == 3)
        assert eventually(lambda: rig.sender._schedule.is_done)
        sums: dict[str, int] = {}
        for one in receiver.accepted("metrics"):
            sums[instance_of(one)] = sums.get(instance_of(one), 0) + one.values(KILLS)["cgroup"]
        assert sums == {"here": 2, "copy": 1}


def test_a_resource_attribute_that_the_user_set_stays() -> None:
    mine = {"OTEL_RESOURCE_ATTRIBUTES": "service.instance.id=mine,host.name=my host"}
    with OtlpReceiver("http/protobuf") as receiver, sending(settings(receiver) | mine) as rig:
        rig.kill("first")
        receiver.wait(lambda: receiver.delivered)
        change_identity(rig)
        rig.kill("second")
        receiver.wait(lambda: len(receiver.delivered) == 2)
        assert {(instance_of(one), one.resource["host.name"]) for one in receiver.requests} == {("mine", "my host")}
        assert receiver.accepted("logs")[-1].resource["host.id"] == "id of the copy"


@BOTH
def test_an_identity_that_comes_back_opens_again(protocol: Protocol) -> None:
    with OtlpReceiver(protocol) as receiver, sending(settings(receiver)) as rig:
        export_first(rig, receiver)
        change_identity(rig)
        rig.spool.change_identity(ResourceIdentity("here", "host"), time.time_ns())
        rig.kill("later")
        assert eventually(lambda: list(acknowledged(receiver))[-2:] == [("here", 0), ("here", 1)])
        assert eventually(lambda: rig.sender._schedule.is_done)
        assert len(receiver.of("metrics")) < 10, "and the exports end"
        starts = [one.points(KILLS)["cgroup"].start_time_unix_nano for one in receiver.accepted("metrics")]
        assert len(set(starts)) >= 2


@BOTH
def test_a_copy_does_not_disturb_the_series_of_a_machine_that_goes_on(protocol: Protocol) -> None:
    with (
        OtlpReceiver(protocol) as receiver,
        sending(settings(receiver)) as original,
        sending(settings(receiver), is_started=False) as copy,
    ):
        start = original.spool.totals
        counted = start.plus("system", time.time_ns())
        original.spool.put([], replace(original.spool.checkpoint, totals=counted))
        assert eventually(lambda: original.sender._schedule.is_done)
        unacknowledged = counted.plus("cgroup", time.time_ns())
        # The snapshot: one kill was acknowledged, the other was not yet.
        copy.spool.begin(replace(copy.spool.checkpoint, totals=unacknowledged))
        copy.spool.acknowledge(Series(ResourceIdentity("here", "host"), counted), receiver_time(receiver))
        later = unacknowledged.plus("system", time.time_ns()).plus("cgroup", time.time_ns())
        for totals in (unacknowledged, later):
            original.spool.put([], replace(original.spool.checkpoint, totals=totals))
        assert eventually(lambda: original.sender._schedule.is_done)
        change_identity(copy)
        copy.sender.start()
        assert eventually(lambda: ("copy", 0) in acknowledged(receiver))
    points = [
        (point.time_unix_nano, scope, point.value)
        for request in receiver.accepted("metrics")
        if instance_of(request) == "here"
        for scope, point in request.points(KILLS).items()
        if point.start_time_unix_nano == start.start_ns
    ]
    for scope in schema.SCOPES:
        values = [value for _, of, value in sorted(points) if of == scope]
        assert values == sorted(values), "in the order of their times they never go back"


def receiver_time(receiver: OtlpReceiver) -> int:
    """The latest time that a point of kills carried."""
    requests = receiver.accepted("metrics")
    return max(int(point.time_unix_nano) for request in requests for point in request.points(KILLS).values())


@BOTH
def test_with_delta_temporality_a_new_identity_excludes_what_was_counted_before(protocol: Protocol) -> None:
    delta = {"OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE": "delta"}
    with OtlpReceiver(protocol) as receiver, sending(settings(receiver) | delta) as rig:
        rig.health.records["read"] += 100
        rig.kill("first")
        assert eventually(lambda: rig.sender._schedule.is_done)
        change_identity(rig)
        assert eventually(lambda: ("copy", 0) in acknowledged(receiver))
        first = next(one for one in receiver.accepted("metrics") if instance_of(one) == "copy")
        assert first.values(schema.RECORDS.name)["read"] == 0
        assert first.values(schema.KERNEL_KILLS.name) == {"": 0}
