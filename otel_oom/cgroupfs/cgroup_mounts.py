"""Finds where the cgroup filesystems are mounted, and which of them has the memory controller.

A controller is in one hierarchy only: the memory controller is in a hierarchy of cgroup v1, or in that of cgroup v2. A
hybrid machine has both filesystems: the memory controller in v1, and v2 for names alone.

Rules:
- Only a mount that shows the root of its hierarchy is used. The inode number of that root is 1 (kernfs; v1 since 3.15).
  So a container finds the host's mount, wherever it is, and never the one of its own cgroup namespace.
- A mount may be covered by a later one. So the device number of the place must be that of the mount.

Source: proc_pid_mountinfo(5), cgroups(7), fs/kernfs/dir.c (kernfs_create_root: the first inode number is 1).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

_ROOT_INODE: Final = 1
_OCTAL: Final = re.compile(r"\\([0-7]{3})")  # mountinfo writes a space as \040


@dataclass(frozen=True, slots=True)
class MemoryHierarchy:
    """The hierarchy with the memory controller. mount: where its root is mounted."""

    version: Literal[1, 2]
    mount: str


@dataclass(frozen=True, slots=True)
class CgroupMounts:
    """The mounts that show a whole hierarchy. None: there is none.

    unified: of cgroup v2, with the memory controller or without it
    memory: of the hierarchy that has the memory controller
    """

    unified: str | None = None
    memory: MemoryHierarchy | None = None


def find_cgroup_mounts(mountinfo: str, below: str = "/") -> CgroupMounts:
    """Find the mounts. Raises nothing.

    mountinfo: the text of /proc/self/mountinfo; below: only mounts at this path or below it are used
    """
    top = Path(os.path.realpath(below))
    unified = memory_v1 = None
    for mount in _cgroup_mounts(mountinfo):
        place = Path(mount.place)
        if (mount.is_v2 and unified) or (place != top and top not in place.parents) or not _is_root(mount):
            continue
        if mount.is_v2:
            unified = mount.place
        elif "memory" in mount.options:
            memory_v1 = memory_v1 or mount.place
    if memory_v1 is not None:
        return CgroupMounts(unified, MemoryHierarchy(1, memory_v1))
    has_memory = unified is not None and _has_memory_controller(Path(unified))
    return CgroupMounts(unified, MemoryHierarchy(2, unified) if unified and has_memory else None)


def mounts_of_this_process(below: str = "/") -> CgroupMounts:
    """Find the mounts that this process sees. Raises nothing."""
    try:
        mountinfo = Path("/proc/self/mountinfo").read_text("utf-8", "surrogateescape")
    except OSError:
        return CgroupMounts()
    return find_cgroup_mounts(mountinfo, below)


@dataclass(frozen=True, slots=True)
class _Mount:
    """One line. device: major and minor number; options: of the filesystem: for v1 its controllers."""

    place: str
    device: str
    is_v2: bool
    options: tuple[str, ...]


def _cgroup_mounts(mountinfo: str) -> Iterator[_Mount]:
    # 36 25 0:31 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate
    # 35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        columns, filesystem = before.split(" "), after.split(" ")
        if len(columns) > 5 and len(filesystem) > 2 and filesystem[0] in {"cgroup", "cgroup2"}:
            place = _OCTAL.sub(lambda found: chr(int(found[1], 8)), columns[4])
            yield _Mount(place, columns[2], filesystem[0] == "cgroup2", tuple(filesystem[2].split(",")))


def _is_root(mount: _Mount) -> bool:
    try:
        found = Path(mount.place).stat()
    except OSError:
        return False
    device = f"{os.major(found.st_dev)}:{os.minor(found.st_dev)}"
    return (found.st_ino, device) == (_ROOT_INODE, mount.device)


def _has_memory_controller(unified: Path) -> bool:
    try:
        return "memory" in (unified / "cgroup.controllers").read_text("ascii", "replace").split()
    except OSError:
        return False
