"""Storms of kills in a guest, in cgroups that are named like containers of a pod.

The victims of container 3 are named `c3`: so each kill line says which container is right. It is the judge of every
test of the victim's cgroup.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from vm.machine import Guest
from vm.scene import Received

from otel_oom import schema

POD_UID: Final = "8f3c2a1e-77aa-4b3c-9d2e-0123456789ab"
CONTAINERS: Final = 20
_POD: Final = (
    f"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{POD_UID.replace('-', '_')}.slice"  # as systemd
)
_STORM_S: Final = 400.0
LONG_LOG: Final = "log_buf_len=4M"


#: The memory controller can be mounted as v1 once no cgroup v2 has it.
_MOUNT_V1: Final = """echo -memory > cgroup.subtree_control; cd /; umount /sys/fs/cgroup
            mount -t cgroup -o memory memory /sys/fs/cgroup; cd /sys/fs/cgroup"""
_ENABLE: Final = f"""for place in . kubepods.slice kubepods.slice/kubepods-burstable.slice .{_POD}; do
                echo +memory > $place/cgroup.subtree_control
            done"""


@dataclass(frozen=True)
class Containers:
    """The containers of one pod. limit_mib: of each one; a victim wants twice as much; is_v1: in a cgroup v1."""

    guest: Guest
    limit_mib: int
    is_v1: bool = False

    @staticmethod
    def id_of(number: int) -> str:
        """The id of a container."""
        return f"{number:064x}"

    def path(self, number: int) -> str:
        """The path of a container's cgroup."""
        return f"{_POD}/cri-containerd-{self.id_of(number)}.scope"

    def make(self) -> None:
        """Make the cgroups."""
        limit_file = "memory.limit_in_bytes" if self.is_v1 else "memory.max"
        self.guest.shell(
            f"""set -e; cd /sys/fs/cgroup
            {_MOUNT_V1 if self.is_v1 else ""}
            mkdir -p .{_POD}
            {"" if self.is_v1 else _ENABLE}
            for number in $(seq 0 {CONTAINERS - 1}); do
                place=.{_POD}/cri-containerd-$(printf %064x $number).scope
                mkdir $place; echo {self.limit_mib}M > $place/{limit_file}
            done"""
        )

    def remove(self) -> None:
        """Remove the cgroups of the containers and of the pod, as the kubelet does."""
        self.guest.shell(f"cd /sys/fs/cgroup{_POD}; rmdir *.scope; cd ..; rmdir /sys/fs/cgroup{_POD}")

    def storm(self, kills: int, *, parallel: int = 1) -> int:
        """Make kills in all containers in turn, some at the same time. Returns how many.

        The console prints no kill line: that takes the time of an emulated processor. Start the guest with
        `LONG_LOG`: the victims leave so little of it to the agent that the usual log overruns.
        """
        each = kills // parallel
        turns = [
            f"""( n=0; while [ $n -lt {each} ]; do
                k=$(( ({worker} + n * {parallel}) % {CONTAINERS} )); n=$((n + 1))
                place=/sys/fs/cgroup{_POD}/cri-containerd-$(printf %064x $k).scope
                oomer $place/cgroup.procs 1 1 {2 * self.limit_mib} c$k
            done ) &"""
            for worker in range(parallel)
        ]
        said = self.guest.shell("\n".join(["dmesg -n 1", *turns, "wait"]), within_s=_STORM_S)
        assert said.count("KILLED 1 SURVIVED 0") == each * parallel, said[-2000:]
        return each * parallel

    def wrong(self, kills: Iterable[Received]) -> list[Received]:
        """The records with another owner than their victim's. One without an owner is not among them."""
        return [kill for kill in kills if not self._is_right(kill)]

    def _is_right(self, kill: Received) -> bool:
        number = container_of(kill[schema.COMM])
        expected = {
            schema.VICTIM_CGROUP: self.path(number),
            schema.CONTAINER_ID: self.id_of(number),
            schema.POD_UID: POD_UID,
            schema.CONTAINER_RUNTIME: "containerd",
        }
        return all(kill[attribute] == value for attribute, value in expected.items() if attribute in kill)


def sources(kills: Iterable[Received]) -> Counter[str]:
    """How many kills have a cgroup, by its source. `none`: they have none."""
    return Counter(kill.record.attributes.get(schema.VICTIM_CGROUP_SOURCE.name, "none") for kill in kills)


def container_of(comm: str) -> int:
    """The number of the container in which a victim of this name was."""
    return int(comm.removeprefix("c"))
