"""Ends of the agent and of its machine: what was seen is delivered once, with the boot that it belongs to."""

from __future__ import annotations

from pathlib import Path

import pytest
from vm.image import filesystem
from vm.machine import GuestError
from vm.scene import KERNELS, scene

from otel_oom import schema

pytestmark = pytest.mark.parametrize("name", KERNELS)
DISK_BYTES = 32 << 20


def test_a_kill_before_a_panic_is_delivered_after_the_reboot(tmp_path: Path, name: str) -> None:
    """The collector is away, the machine dies a second after the kill, and its disk is all that is left."""
    spool = tmp_path / "spool"
    filesystem(spool, size_bytes=DISK_BYTES)
    with scene(name, tmp_path / "before", spool=spool) as stage:
        stage.start()
        stage.kill()
        stage.await_total(1)
        stage.receiver.stop()
        stage.kill()
        printed, before = stage.uids(), stage.boot_id
        stage.guest.shell("sleep 1")
        with pytest.raises(GuestError):
            stage.guest.shell("echo c > /proc/sysrq-trigger", within_s=5.0)
        assert "Kernel panic - not syncing" in stage.guest.console()
        told, instance = stage.received(), stage.received()[0].instance
        assert [kill.uid for kill in told] == printed[:1]
    with scene(name, tmp_path / "after", spool=spool) as stage:
        stage.start()
        (kill,) = stage.await_received(1)
        assert (kill.uid, kill[schema.BOOT_ID], kill.instance) == (printed[1], before, instance)
        assert stage.boot_id != before
        stage.await_total(1)
        totals = stage.totals(instance)
        assert (totals[0], totals[-1]) == (0, 1), "of the two only the last was not told yet"
        stage.kill()
        stage.await_total(2)
        assert [one[schema.BOOT_ID] for one in stage.await_received(2)] == [before, stage.boot_id]


def test_an_agent_that_is_the_victim_itself(tmp_path: Path, name: str) -> None:
    """Its own cgroup is too small for it: the next one says so, and nothing is lost or counted twice."""
    with scene(name, tmp_path, "--oom-score-adj", "0") as stage:
        own = "/sys/fs/cgroup/agent"
        stage.guest.shell(f"mkdir {own}")
        stage.start(cgroup=own)
        stage.kill()
        stage.await_total(1)
        victim = stage.pid
        stage.signal("STOP")
        stage.kill(2)
        stage.guest.shell(f"echo 4M > {own}/memory.max")
        stage.await_end()
        assert stage.counted == 4
        stage.start()
        kills = stage.await_received(4)
        assert [kill.uid for kill in kills] == stage.uids()
        (died,) = stage.await_received(1, schema.AGENT_KILLED)
        assert died[schema.PID] == kills[-1][schema.PID] == victim
        assert [kill.attributes.get(schema.BACKLOG.name) for kill in kills] == [None, True, True, True]
        stage.await_total(4)
        totals = stage.totals(kills[0].instance)
        assert (totals[0], totals) == (0, sorted(totals))


def test_an_agent_that_is_killed_goes_on_where_it_was(tmp_path: Path, name: str) -> None:
    with scene(name, tmp_path) as stage:
        for number in range(1, 5):
            stage.start()
            stage.kill(2)
            stage.await_received(3 * number - 1)
            stage.signal("KILL")
            stage.await_end()
            stage.kill()
        stage.start()
        kills = stage.await_received(12)
        assert list(dict.fromkeys(kill.uid for kill in kills)) == stage.uids()
        assert stage.counted == 12
        stage.await_total(12)
        assert len({kill.instance for kill in kills}) == 1
        totals = stage.totals(kills[0].instance)
        assert (totals[0], totals) == (0, sorted(totals))
