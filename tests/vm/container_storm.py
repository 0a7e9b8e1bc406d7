"""Storms of kills in a guest, in cgroups that are named like containers of a pod.

The victims of container 3 are named `c3`: so each kill line says which container is right.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from vm.machine import Guest

POD_UID: Final = "8f3c2a1e-77aa-4b3c-9d2e-0123456789ab"
CONTAINERS: Final = 20
_POD: Final = (
    f"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{POD_UID.replace('-', '_')}.slice"  # as systemd
)
_STORM_S: Final = 400.0
LONG_LOG: Final = "log_buf_len=4M"


@dataclass(frozen=True)
class Containers:
    """The containers of one pod. limit_mib: of each one; a victim wants twice as much."""

    guest: Guest
    limit_mib: int

    @staticmethod
    def id_of(number: int) -> str:
        """The id of a container."""
        return f"{number:064x}"

    def path(self, number: int) -> str:
        """The path of a container's cgroup."""
        return f"{_POD}/cri-containerd-{self.id_of(number)}.scope"

    def make(self) -> None:
        """Make the cgroups."""
        self.guest.shell(
            f"""set -e; cd /sys/fs/cgroup; mkdir -p .{_POD}
            for place in . kubepods.slice kubepods.slice/kubepods-burstable.slice .{_POD}; do
                echo +memory > $place/cgroup.subtree_control
            done
            for number in $(seq 0 {CONTAINERS - 1}); do
                place=.{_POD}/cri-containerd-$(printf %064x $number).scope
                mkdir $place; echo {self.limit_mib}M > $place/memory.max
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


def container_of(comm: str) -> int:
    """The number of the container in which a victim of this name was."""
    return int(comm.removeprefix("c"))
