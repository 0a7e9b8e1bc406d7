"""Memory cgroups that are named like containers, and storms of real kills in them.

The victims in container 3 are named `c3`: so each kill line says which container is right.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from support.kernel_log import require_device
from support.levels import missing
from support.real_kills import oomer

from otel_oom.cgroupfs.cgroup_mounts import mounts_of_this_process

_MIB = 1 << 20
_REMOVE_S = 2.0


@dataclass(frozen=True)
class ContainerCgroups:
    """The directory in which the cgroups of the containers are, and how many these are."""

    top: Path
    count: int
    limit_mib: int = 8

    @staticmethod
    def id_of(number: int) -> str:
        """The id of a container."""
        return f"{number:064x}"

    def path(self, number: int) -> Path:
        """The directory of a container's cgroup."""
        return self.top / f"docker-{self.id_of(number)}.scope"

    def storm(self, kills: int, *, parallel: int = 1) -> int:
        """Make kills in all containers in turn, some at the same time. Returns how many."""
        each = kills // parallel
        turns = [
            f"""( n=0; while [ $n -lt {each} ]; do
                k=$(( ({worker} + n * {parallel}) % {self.count} )); n=$((n + 1))
                {oomer()} {self.top}/docker-$(printf %064x $k).scope/cgroup.procs 1 1 {4 * self.limit_mib} c$k
            done ) &"""
            for worker in range(parallel)
        ]
        ended = subprocess.run(
            ["bash", "-c", "\n".join([*turns, "wait"])], check=True, capture_output=True, text=True, timeout=300
        )
        assert ended.stdout.count("KILLED 1 SURVIVED 0") == each * parallel, ended.stderr[-2000:]
        return each * parallel


def container_of(comm: str) -> int:
    """The number of the container in which a victim of this name was."""
    return int(comm.removeprefix("c"))


@contextmanager
def containers(count: int) -> Iterator[ContainerCgroups]:
    """Cgroups for kills, removed when the context ends."""
    require_device()
    memory = mounts_of_this_process().memory
    if memory is None:
        missing("kernel", "no mount shows the whole hierarchy of the memory cgroups")
    made = ContainerCgroups(Path(memory.mount) / f"otel-oom-test-{uuid4().hex[:8]}", count)
    limits = ("memory.limit_in_bytes", "memory.memsw.limit_in_bytes") if memory.version == 1 else ("memory.max",)
    try:
        made.top.mkdir()
        if memory.version == 2:
            (made.top / "cgroup.subtree_control").write_text("+memory")
        for number in range(count):
            made.path(number).mkdir()
            for limit in limits:
                with suppress(FileNotFoundError):  # a kernel without swap accounting
                    (made.path(number) / limit).write_text(str(made.limit_mib * _MIB))
            if memory.version == 2:
                with suppress(FileNotFoundError):
                    (made.path(number) / "memory.swap.max").write_text("0")
        yield made
    except PermissionError as error:
        missing("kernel", str(error))
    finally:
        for number in range(count):
            _remove(made.path(number))
        _remove(made.top)


def _remove(cgroup: Path) -> None:
    deadline_s = time.monotonic() + _REMOVE_S
    while cgroup.exists():
        try:
            cgroup.rmdir()
        except OSError:  # noqa: PERF203 the kernel still removes its dead processes
            if time.monotonic() > deadline_s:
                return
            time.sleep(0.01)
