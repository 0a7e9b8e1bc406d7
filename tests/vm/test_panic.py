"""A kernel panics a second after a kill, without a collector: after the reboot, the stored kill is delivered."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from support import received_telemetry
from vm.image import filesystem
from vm.machine import BOOT_S, GuestError
from vm.scene import KERNELS, PATIENCE_S, Scene, scene

from otel_oom import schema

SPOOL_BYTES = 32 << 20


@pytest.mark.parametrize("name", KERNELS)
def test_a_kill_before_a_panic_is_delivered_after_the_reboot_once_and_of_its_boot(tmp_path: Path, name: str) -> None:
    spool = tmp_path / "spool"
    filesystem(spool, size_bytes=SPOOL_BYTES)
    with scene(name, tmp_path, spool=spool) as stage:
        stage.start()
        stage.kill()
        stage.await_received(1)
        stage.await_total(1)
        stage.receiver.stop()
        first_boot, first_uids = stage.boot_id, kill_and_panic(stage)
        assert len(first_uids) == 2
        assert stage.boot_id != first_boot
        assert stage.counted == 0, "another boot, with an empty log and a counter of 0"

        stage.receiver.start()
        stage.start()
        stage.receiver.wait(lambda: totals(stage) == [[0, 1], [0, 1]], PATIENCE_S)  # then the log was read to its end
        stage.kill()
        kills = stage.await_received(3)
        stage.await_total(2)

        assert [kill.uid for kill in kills] == [*first_uids, *stage.uids()], "each once, in order"
        assert [kill[schema.BOOT_ID] for kill in kills] == [first_boot, first_boot, stage.boot_id]
        assert not any(schema.BACKLOG in kill for kill in kills), "all were read when they happened"
        assert_carried_over(stage)


def kill_and_panic(stage: Scene) -> list[str]:
    """A kill, a panic (sysrq-c) a second later, and a reboot; returns the uids of all kills of the first boot."""
    stage.kill()
    killed_s = time.monotonic()
    uids, boot_id = stage.uids(), stage.boot_id
    time.sleep(max(0.0, 1.0 - (time.monotonic() - killed_s)))
    with pytest.raises(GuestError):
        stage.guest.shell("echo c > /proc/sysrq-trigger", within_s=1.0)
    await_reboot(stage, boot_id)
    assert "sysrq triggered crash" in stage.guest.console()
    return uids


def await_reboot(stage: Scene, boot_id: str) -> None:
    """Wait until the guest has another boot id."""
    deadline_s = time.monotonic() + BOOT_S
    while True:
        try:
            if stage.guest.shell("cat /proc/sys/kernel/random/boot_id", within_s=5.0).strip() != boot_id:
                return
        except GuestError:  # it still boots
            assert time.monotonic() < deadline_s
        time.sleep(0.2)


def totals(stage: Scene) -> list[list[int]]:
    """The first and the last total of each series, in the order of their start times."""
    points = received_telemetry.points(stage.receiver, schema.KILLS, "cgroup")
    values = [
        [point.value for point in points if point.start_time_unix_nano == start]
        for start in sorted({point.start_time_unix_nano for point in points})
    ]
    return [[series[0], series[-1]] for series in values]


def assert_carried_over(stage: Scene) -> None:
    """The counts that no collector accepted before the panic are the first increase of the totals after it."""
    assert totals(stage) == [[0, 1], [0, 2]]
    points = received_telemetry.points(stage.receiver, schema.KILLS, "cgroup")
    assert received_telemetry.increase(points) == 3
    assert len({point.instance for point in points}) == 1, "one machine"
    assert stage.received(schema.UNACCOUNTED) == []
