"""Kinds of kills that need a machine for the test alone. Its kernel is the judge."""

from __future__ import annotations

from pathlib import Path
from statistics import median

import pytest
from vm.scene import KERNELS, Received, scene

from otel_oom import schema

pytestmark = pytest.mark.parametrize("name", KERNELS)


def test_a_group_of_cgroup_v2_is_three_records_of_one_id(tmp_path: Path, name: str) -> None:
    """The kernel prints the first victim twice, and counts it twice."""
    group = "/sys/fs/cgroup/group"
    with scene(name, tmp_path) as stage:
        stage.start()
        stage.guest.shell(
            f"""mkdir {group}; echo 16M > {group}/memory.max; echo 1 > {group}/memory.oom.group
            for _ in 1 2; do sh -c 'echo $$ > {group}/cgroup.procs; exec sleep 1000' > /dev/null 2>&1 & done
            until [ $(wc -l < {group}/cgroup.procs) = 2 ]; do sleep 0.05; done
            oomer {group}/cgroup.procs 1 1 64 > /dev/null"""
        )
        kills = stage.await_received(3)
        stage.await_total(3)
        assert (len(kills), stage.counted) == (3, 4)
        assert len({kill[schema.PID] for kill in kills}) == 3
        assert {kill[schema.GROUP_ID] for kill in kills} == {kills[0].uid}
        assert {kill[schema.MEMCG_PATH] for kill in kills} == {"/group"}
        printed = stage.uids()
        assert len(printed) == 4
        assert [kill.uid for kill in kills] == [uid for uid in printed if uid in {kill.uid for kill in kills}]


def test_a_kill_by_sysrq(tmp_path: Path, name: str) -> None:
    with scene(name, tmp_path) as stage:
        stage.start()
        stage.guest.shell("setsid sleep 1000 > /dev/null 2>&1 < /dev/null & echo 1000 > /proc/$!/oom_score_adj")
        stage.guest.shell("echo f > /proc/sysrq-trigger")
        (kill,) = stage.await_received(1)
        stage.await_total(1, "system")
        assert (kill[schema.COMM], kill[schema.TRIGGER_ORDER], kill[schema.SCOPE]) == ("sleep", -1, "system")
        assert (stage.uids(), stage.counted) == ([kill.uid], 1)


LATE_S = 5.0
"""The limit on an emulated machine without memory. The measured time is printed.

On a quiet host it is some 60 ms with locked memory, and 600 ms without: pages of programs are read again and again.
"""


@pytest.mark.parametrize("locks", [True, False], ids=["locked", "not locked"])
def test_the_agent_survives_and_delivers_when_the_machine_is_out_of_memory(
    tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str], *, locks: bool
) -> None:
    """A process takes more memory than there is, again and again. Before each kill, pages of programs are dropped."""
    with scene(name, tmp_path, memory_mib=256) as stage:
        stage.start(locks=locks)
        stage.kill()
        (quiet,) = stage.await_received(1)
        stage.guest.shell("echo 1 > /proc/sys/vm/overcommit_memory")
        for number in range(2, 7):
            stage.guest.shell("oomer /sys/fs/cgroup/cgroup.procs 1 1 1024 > /dev/null")
            stage.await_received(number)
        stage.await_total(5, "system")
        kills = stage.received()
        assert [kill[schema.SCOPE] for kill in kills] == ["cgroup", *["system"] * 5]
        assert {kill[schema.COMM] for kill in kills} == {"oomer"}
        assert [kill.uid for kill in kills] == stage.uids()
        assert stage.counted == 6
        assert all(kill[schema.MEMORY_TOTAL] > 200 << 20 for kill in kills[1:])
        stage.guest.shell(f"kill -0 {stage.pid}")
        assert ("memory is not locked" in stage.said()) == (not locks)
    # The delay compared with a kill on a quiet machine: that needs no common clock.
    late_s = [late(kill) - late(quiet) for kill in kills[1:]]
    with capsys.disabled():
        how = "locked" if locks else "not locked"
        print(f"\n| {name}, {how} | later by {median(late_s) * 1000:.0f} ms, at most {max(late_s) * 1000:.0f} |")  # noqa: T201
    assert max(late_s) < LATE_S


def late(kill: Received) -> float:
    """From the kernel's own time to the receipt, seconds, plus an offset that is equal for all kills of a machine."""
    return kill.arrived_s - float(kill[schema.KMSG_TIMESTAMP])
