"""A storm of kills over many containers: whose each victim was, also where the kernel printed no report.

The judge is the name of each victim: the program that made it wrote the number of its container into it.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from vm.scene import KERNELS, Received, Scene, scene

from otel_oom import schema

CONTAINERS = 10
KILLS_EACH = 10
ENOUGH = 5
MAX_STORMS = 4
POD = "1b9d6bcd-0f6a-4c1e-9a55-7e2b6c3d8f90"
_LIMIT_MIB = 8
_SLICES = ("kubepods.slice", "kubepods-burstable.slice", f"kubepods-burstable-pod{POD.replace('-', '_')}.slice")


def container(number: int) -> str:
    """The container's id."""
    return f"{number:064x}"


def make_containers(stage: Scene) -> str:
    """Returns the path of their cgroups without the id."""
    path = "/sys/fs/cgroup"
    for part in _SLICES:
        stage.guest.shell(f"echo +memory > {path}/cgroup.subtree_control; mkdir {path}/{part}")
        path = f"{path}/{part}"
    stage.guest.shell(f"echo +memory > {path}/cgroup.subtree_control")
    beginning = f"{path}/cri-containerd-"
    for number in range(CONTAINERS):
        cgroup = f"{beginning}{container(number)}.scope"
        stage.guest.shell(f"mkdir {cgroup}; echo {_LIMIT_MIB}M > {cgroup}/memory.max")
    return beginning


@pytest.mark.parametrize("name", KERNELS)
def test_many_victims_without_a_report_have_their_container_and_none_has_another(
    tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """How many depends on the machine: an emulated one often runs the agent only after the victim is gone."""
    with scene(name, tmp_path) as stage:
        stage.start()
        beginning = make_containers(stage)
        for storms in range(1, MAX_STORMS + 1):
            for number in range(CONTAINERS):
                procs = f"{beginning}{container(number)}.scope/cgroup.procs"
                stage.guest.shell(f"oomer {procs} {KILLS_EACH} 1 {4 * _LIMIT_MIB} victim-{number} > /dev/null")
            kills = stage.await_received(storms * CONTAINERS * KILLS_EACH)
            if sources(kills)["proc"] >= ENOUGH:
                break
        assert stage.counted == len(kills)
        with capsys.disabled():
            print(f"\n| {name}, one after the other | {dict(sources(kills))} |")  # noqa: T201
        assert not wrong(kills)
        assert sources(kills)["proc"] >= ENOUGH


def sources(kills: list[Received]) -> Counter[str]:
    """How many kills have a container, by source."""
    return Counter(kill.record.attributes.get(schema.VICTIM_CGROUP_SOURCE.name, "none") for kill in kills)


def wrong(kills: list[Received]) -> list[Received]:
    """Those with another container than their own, or another pod."""
    return [
        kill
        for kill in kills
        if schema.CONTAINER_ID in kill
        and (kill[schema.CONTAINER_ID], kill[schema.POD_UID])
        != (container(int(kill[schema.COMM].removeprefix("victim-"))), POD)
    ]
