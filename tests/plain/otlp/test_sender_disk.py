"""Totals that wait for a disk that hangs: held back for a second, and no longer."""

from __future__ import annotations

import time

import pytest
from support.kernel import eventually
from support.otlp_receiver import OtlpReceiver, Protocol
from support.pipelines import sending, settings

from otel_oom import schema


def exported(receiver: OtlpReceiver) -> int:
    """The newest total of kills that was accepted, -1 before the first."""
    points = [request.points(schema.KILLS.name) for request in receiver.accepted("metrics")]
    return max((int(of["cgroup"].as_int) for of in points if "cgroup" in of), default=-1)


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
def test_totals_leave_after_a_second_without_the_disk(protocol: Protocol) -> None:
    """Nobody commits here: the disk hangs from the first kill on."""
    with OtlpReceiver(protocol) as receiver, sending(settings(receiver), has_writer=True) as rig:
        assert eventually(lambda: exported(receiver) == 0)
        began_s = time.monotonic()
        rig.kill("first")
        assert eventually(lambda: len(receiver.delivered) == 1), "the event waits for nothing"
        assert time.monotonic() - began_s < 0.9
        assert exported(receiver) == 0
        assert eventually(lambda: exported(receiver) == 1, within_s=5.0)
        assert time.monotonic() - began_s >= 1.0
        assert rig.health.is_durable is False
        rig.kill("second")
        assert eventually(lambda: exported(receiver) == 2, within_s=0.9), "at once now"
