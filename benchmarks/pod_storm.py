"""A storm of real kills in small memory cgroups that are named like the containers of pods.

A victim is named by a token of its storm and the number of its container: `b3f9a2-17`. So each kill line says which
container is right, and kills of others on the machine are told apart.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from uuid import UUID, uuid4

from support.real_kills import oomer

from otel_oom.cgroupfs.cgroup_mounts import mounts_of_this_process

CONTAINERS: Final = 20
_PODS: Final = 5
_LIMIT_MIB: Final = 8
_NAMESPACE: Final = UUID("6f0c1fb6-6f2b-4a5e-8f0d-3f1d7a3c5b11")
_REMOVE_S: Final = 5.0
_STORM_S: Final = 300


class NoStormError(Exception):
    """No kills can be made on this machine; the text says why."""


@dataclass(frozen=True, slots=True)
class Container:
    """One container. path: of its cgroup, as the kernel prints it."""

    id: str
    pod_uid: str
    path: str


@dataclass(frozen=True, slots=True)
class PodStorm:
    """The cgroups of the containers. mount: of the memory hierarchy; top: the cgroup that holds all of them."""

    mount: Path
    top: str
    is_v1: bool

    @property
    def token(self) -> str:
        """What the names of its victims begin with."""
        return f"b{self.top[-5:]}-"

    def container(self, number: int) -> Container:
        """A container by its number."""
        uid = str(UUID(int=_NAMESPACE.int + number % _PODS))
        place = f"kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{uid.replace('-', '_')}.slice"
        identity = f"{number:064x}"
        return Container(identity, uid, f"/{self.top}/{place}/cri-containerd-{identity}.scope")

    def container_of(self, comm: str) -> Container | None:
        """The container of a victim; None if it is no victim of this storm."""
        number = comm.removeprefix(self.token)
        return self.container(int(number)) if comm.startswith(self.token) and number.isdigit() else None

    def directory(self, number: int) -> Path:
        """The directory of a container's cgroup."""
        return self.mount / self.container(number).path[1:]

    def run(self, kills: int, parallel: int) -> float:
        """Make the kills, in all containers in turn; returns the seconds. Raises: NoStormError."""
        cases = " ".join(f'"{self.directory(number)}"' for number in range(CONTAINERS))
        workers = [
            f"""( n={worker}; while [ $n -lt {kills} ]; do
                k=$(( n % {CONTAINERS} )); n=$(( n + {parallel} ))
                {oomer()} "${{places[$k]}}/cgroup.procs" 1 1 {4 * _LIMIT_MIB} {self.token}$k
            done ) &"""
            for worker in range(parallel)
        ]
        script = "\n".join([f"places=({cases})", *workers, "wait"])
        began = time.monotonic()
        command = ["bash", "-c", script]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as process:  # noqa: S603 ours
            try:
                output, _ = process.communicate(timeout=_STORM_S)
            except BaseException:
                os.killpg(process.pid, signal.SIGKILL)  # the workers too
                raise
        took_s = time.monotonic() - began
        made = output.count("KILLED 1 SURVIVED 0")
        if made != kills:
            raise NoStormError(f"{made} of {kills} victims were killed")
        return took_s


@contextmanager
def pods() -> Iterator[PodStorm]:
    """The cgroups, removed when the context ends. Raises: NoStormError."""
    memory = mounts_of_this_process().memory
    if memory is None:
        raise NoStormError("no mount shows the whole hierarchy of the memory cgroups")
    storm = PodStorm(Path(memory.mount), f"otel-oom-bench-{uuid4().hex[:8]}", is_v1=memory.version == 1)
    try:
        try:
            for number in range(CONTAINERS):
                _make(storm, storm.directory(number))
        except OSError as error:
            raise NoStormError(f"cannot make a memory cgroup (run as root): {error}") from error
        yield storm
    finally:
        remove_tree(storm.mount / storm.top)


def _make(storm: PodStorm, directory: Path) -> None:
    directory.mkdir(parents=True)
    if not storm.is_v1:
        for parent in reversed([one for one in directory.parents if storm.mount in one.parents]):
            (parent / "cgroup.subtree_control").write_text("+memory")
    limits = ("memory.limit_in_bytes", "memory.memsw.limit_in_bytes") if storm.is_v1 else ("memory.max",)
    for limit in limits:
        with suppress(FileNotFoundError):  # a kernel without swap accounting
            (directory / limit).write_text(str(_LIMIT_MIB << 20))
    if not storm.is_v1:
        with suppress(FileNotFoundError):
            (directory / "memory.swap.max").write_text("0")


def remove_tree(top: Path, within_s: float = _REMOVE_S) -> None:
    """Remove a cgroup with all below it. The kernel needs some time for the dead processes in them."""
    deadline = time.monotonic() + within_s
    while top.exists():
        for directory in sorted((one for one in top.rglob("*") if one.is_dir()), key=lambda one: -len(one.parts)):
            with suppress(OSError):
                directory.rmdir()
        with suppress(OSError):
            top.rmdir()
        if time.monotonic() > deadline:
            return
        time.sleep(0.01)
