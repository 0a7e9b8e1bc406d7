"""A machine in standby: its kernel's clock stops, and every timestamp is true nevertheless."""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from support import received_telemetry
from vm.scene import KERNELS, PATIENCE_S, Between, Received, Scene, scene

from otel_oom import schema

STANDBYS_S = (5, 30, 120, *[2] * 10)
HOUR_S = 3600
TRUE_S = 2.0
"""Tolerance of a timestamp: the guest's clock is set with a precision of a second."""


def kernel_time_ns(kill: Received, first: Received) -> int:
    """The wall clock time that a reader computes from the kernel's own time of a record. The agent does not do that."""
    return first.time_ns + int((kill[schema.KMSG_TIMESTAMP] - first[schema.KMSG_TIMESTAMP]) * 1e9)


@dataclass
class Slept:
    """The standbys of a scene so far."""

    scene: Scene
    first: Received
    seconds: float = 0.0
    standbys: int = 0


@pytest.mark.timeout(600)
def test_after_each_standby_the_timestamp_is_true_and_the_kernels_time_is_not(tmp_path: Path) -> None:
    """Both kernels are in standby at the same time."""
    with ExitStack() as stack:
        all_slept = []
        for name in KERNELS:
            stage = stack.enter_context(scene(name, tmp_path))
            stage.start()
            killed = stage.kill()
            (first,) = stage.await_received(1)
            assert killed.has(first.time_ns, within_s=TRUE_S)
            assert abs(first[schema.KMSG_SKEW]) < TRUE_S
            all_slept.append(Slept(stage, first))
        for seconds in STANDBYS_S:
            for slept in all_slept:
                slept.scene.guest.stop()
            began_s = time.monotonic()
            time.sleep(seconds)
            for slept in all_slept:
                slept.scene.guest.go_on()
                slept.seconds += time.monotonic() - began_s
                slept.standbys += 1
                slept.scene.set_clock()
                check(slept, slept.scene.kill())


def check(slept: Slept, killed: Between) -> None:
    stage = slept.scene
    kill = stage.await_received(slept.standbys + 1)[-1]
    assert killed.has(kill.time_ns, within_s=TRUE_S), "the timestamp is this machine's time"
    assert abs(kill[schema.KMSG_SKEW] - slept.seconds) < TRUE_S, (
        "the kernel's clock is behind by the length of the standbys"
    )
    wrong_s = (kill.time_ns - kernel_time_ns(kill, slept.first)) / 1e9
    assert abs(wrong_s - slept.seconds) < TRUE_S, "a reader that uses the kernel's clock is wrong by that"
    jumps = stage.await_received(slept.standbys, schema.CLOCK_JUMPED)
    assert len(jumps) == slept.standbys
    assert abs(sum(jump[schema.CLOCK_JUMP] for jump in jumps) - slept.seconds) < TRUE_S
    assert stage.uids() == [one.uid for one in stage.received()], "each once, in order"
    assert stage.counted == slept.standbys + 1
    stage.await_total(slept.standbys + 1)


@pytest.mark.parametrize("name", KERNELS)
def test_a_kill_before_a_standby_that_is_read_after_it_is_stamped_at_the_read(tmp_path: Path, name: str) -> None:
    with scene(name, tmp_path) as stage:
        stage.start()
        stage.signal("STOP")
        killed = stage.kill()
        stage.guest.sleep(8.0)
        stage.set_clock()
        before_ns = time.time_ns()
        stage.signal("CONT")
        (kill,) = stage.await_received(1)
        assert Between(before_ns, time.time_ns()).has(kill.time_ns, within_s=TRUE_S)
        assert not killed.has(kill.time_ns, within_s=TRUE_S)
        assert 8.0 - TRUE_S < kill[schema.KMSG_SKEW] < 8.0 + 3 * TRUE_S
        (jump,) = stage.await_received(1, schema.CLOCK_JUMPED)
        assert abs(jump[schema.CLOCK_JUMP] - 8.0) < TRUE_S


def connections(stage: Scene) -> set[str]:
    """Local addresses of the guest's connections to the receiver."""
    lines = [line.split() for line in stage.guest.shell("netstat -tn").splitlines()]
    far = f"10.0.2.2:{stage.receiver.port}"
    return {line[3] for line in lines if line[-2:] == [far, "ESTABLISHED"]}


def test_a_standby_without_a_kill_is_reported_at_once_over_new_connections(tmp_path: Path) -> None:
    """The old connections may be dead, and the next heartbeat is due in an hour."""
    with scene("6.12", tmp_path) as stage:
        stage.settings["OTEL_METRIC_EXPORT_INTERVAL"] = f"{HOUR_S * 1000}"
        stage.start()
        stage.kill()
        stage.await_total(1)
        before, exports = connections(stage), len(stage.receiver.accepted("metrics"))
        assert before
        stage.guest.sleep(5.0)
        stage.set_clock()
        stage.await_received(1, schema.CLOCK_JUMPED)
        stage.receiver.wait(lambda: len(stage.receiver.accepted("metrics")) > exports, PATIENCE_S)
        after = connections(stage)
        assert after
        assert not after & before


def offset_s(stage: Scene) -> float:
    """Offset of the guest's wall clock to this machine's, as the agent computed it from the receiver's answers."""
    return float(received_telemetry.newest_value(stage.receiver, schema.CLOCK_OFFSET) or 0.0)


@pytest.mark.parametrize("name", KERNELS)
def test_a_step_of_the_wall_clock_is_reported_like_a_standby(tmp_path: Path, name: str) -> None:
    """Back and forth: timestamps follow the clock, times of points never decrease, and nothing waits."""
    with scene(name, tmp_path) as stage:
        stage.start()
        stage.kill()
        stage.await_received(1)
        stage.await_total(1)
        for number, step_s in enumerate((-HOUR_S, HOUR_S), start=2):
            stage.guest.shell(f"python3 -c 'import time; time.clock_settime(0, time.time() + {step_s})'")
            killed = stage.kill()
            arrived_s = time.monotonic()
            kill = stage.await_received(number)[-1]
            stage.await_total(number)
            assert time.monotonic() - arrived_s < 5.0
            off_ns = -HOUR_S * 10**9 if number == 2 else 0
            assert killed.has(kill.time_ns - off_ns, within_s=TRUE_S)
            jump = stage.await_received(number - 1, schema.CLOCK_JUMPED)[-1]
            assert abs(jump[schema.CLOCK_JUMP] - step_s) < TRUE_S
            assert abs(kill[schema.KMSG_SKEW] - off_ns / 1e9) < TRUE_S
            stage.receiver.wait(lambda: abs(offset_s(stage) - off_ns / 1e9) < TRUE_S, PATIENCE_S)  # noqa: B023 used now
            assert stage.said().count("off the collector's") == 1, (
                "logged when the offset appears, and not when it ends"
            )
            times = [
                one.points(schema.KILLS.name)["cgroup"].time_unix_nano for one in stage.receiver.accepted("metrics")
            ]
            assert times == sorted(set(times))
