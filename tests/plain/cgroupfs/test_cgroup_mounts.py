"""Where the cgroup filesystems are mounted: only whole hierarchies, and which of them has the memory controller."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import NoReturn

import pytest

from otel_oom.cgroupfs.cgroup_mounts import (
    CgroupMounts,
    MemoryHierarchy,
    find_cgroup_mounts,
    mounts_of_this_process,
)

OPTIONS = "rw,nosuid,nodev,noexec,relatime shared:4"
V2 = f"36 25 0:31 / /sys/fs/cgroup {OPTIONS} - cgroup2 cgroup2 rw,nsdelegate\n"
HYBRID = (
    "31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755\n"
    "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct\n"
    "35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n"
    "40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,name=systemd\n"
    "41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n"
)
WHOLE_HYBRID = {
    "/sys/fs/cgroup": (1, 28),
    "/sys/fs/cgroup/cpu,cpuacct": (1, 29),
    "/sys/fs/cgroup/memory": (1, 32),
    "/sys/fs/cgroup/systemd": (1, 37),
    "/sys/fs/cgroup/unified": (1, 38),
}
IN_A_CONTAINER = (
    f"40 36 0:31 /docker/x /sys/fs/cgroup {OPTIONS} - cgroup2 cgroup rw\n"
    f"41 36 0:31 /../.. /host/c\\040g {OPTIONS} - cgroup2 cgroup rw\n"
)
V1_IN_V2 = CgroupMounts("/sys/fs/cgroup/unified", MemoryHierarchy(1, "/sys/fs/cgroup/memory"))


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> dict[str, tuple[int, int]]:
    """Inode and minor device number by place; a place that is not there may not be read."""
    places: dict[str, tuple[int, int]] = {}

    def stat(path: Path) -> SimpleNamespace:
        if str(path) not in places:
            raise PermissionError
        inode, minor = places[str(path)]
        return SimpleNamespace(st_ino=inode, st_dev=os.makedev(0, minor))

    def read_text(path: Path, *_: str) -> str:
        if path.name != "cgroup.controllers":
            raise FileNotFoundError
        return "hugetlb\n" if "unified" in str(path) else "cpuset cpu memory pids\n"

    monkeypatch.setattr(Path, "stat", stat)
    monkeypatch.setattr(Path, "read_text", read_text)
    return places


def v2(place: str) -> CgroupMounts:
    """A machine whose memory controller is in v2."""
    return CgroupMounts(place, MemoryHierarchy(2, place))


@pytest.mark.parametrize(
    ("mountinfo", "places", "expected"),
    [
        pytest.param(V2, {"/sys/fs/cgroup": (1, 31)}, v2("/sys/fs/cgroup"), id="v2"),
        pytest.param(V2, {"/sys/fs/cgroup": (4711, 31)}, CgroupMounts(), id="of a cgroup namespace"),
        pytest.param(V2, {"/sys/fs/cgroup": (1, 99)}, CgroupMounts(), id="covered by a tmpfs, whose root is 1 too"),
        pytest.param(V2, {}, CgroupMounts(), id="not readable"),
        pytest.param(HYBRID, WHOLE_HYBRID, V1_IN_V2, id="hybrid: memory in v1, v2 for names"),
        pytest.param(
            HYBRID,
            {**WHOLE_HYBRID, "/sys/fs/cgroup/memory": (77, 32)},
            CgroupMounts("/sys/fs/cgroup/unified"),
            id="hybrid, a part of v1 alone: v2 has no memory controller",
        ),
        pytest.param(
            HYBRID.replace("rw,memory", "rw,name=memory"),
            WHOLE_HYBRID,
            CgroupMounts("/sys/fs/cgroup/unified"),
            id="a hierarchy that is named memory",
        ),
        pytest.param(
            "35 31 0:32 / /cg/memory rw - cgroup cgroup rw,cpu,memory\n",
            {"/cg/memory": (1, 32)},
            CgroupMounts(None, MemoryHierarchy(1, "/cg/memory")),
            id="v1, several controllers in one hierarchy",
        ),
        pytest.param(
            IN_A_CONTAINER,
            {"/sys/fs/cgroup": (99, 31), "/host/c g": (1, 31)},
            v2("/host/c g"),
            id="a container with the host's mount",
        ),
        pytest.param("", {}, CgroupMounts(), id="empty"),
        pytest.param(
            "36 25 - -\n36 25 0:31 / /a rw - \n - cgroup2 a b\n", {"/a": (1, 31)}, CgroupMounts(), id="damaged"
        ),
    ],
)
def test_only_a_mount_with_the_root_of_the_hierarchy_is_used(
    machine: dict[str, tuple[int, int]], mountinfo: str, places: dict[str, tuple[int, int]], expected: CgroupMounts
) -> None:
    machine.update(places)
    assert find_cgroup_mounts(mountinfo) == expected


@pytest.mark.parametrize(
    ("below", "expected"),
    [
        ("/", "/sys/fs/cgroup"),
        ("/host", "/host/cgroup"),
        ("/host/cgroup", "/host/cgroup"),
        ("/host/cgroup/", "/host/cgroup"),
        ("/host/../host/cgroup", "/host/cgroup"),
        ("/host/cg", None),
        ("/host/cgroup/x", None),
    ],
)
def test_a_path_chooses_among_the_mounts(machine: dict[str, tuple[int, int]], below: str, expected: str | None) -> None:
    machine.update({"/sys/fs/cgroup": (1, 31), "/host/cgroup": (1, 31)})
    mountinfo = V2 + V2.replace("/sys/fs/cgroup", "/host/cgroup")
    assert find_cgroup_mounts(mountinfo, below) == (v2(expected) if expected else CgroupMounts())


def test_a_path_that_is_a_link_is_followed(machine: dict[str, tuple[int, int]], tmp_path: Path) -> None:
    """An administrator chose it."""
    (tmp_path / "link").symlink_to("real")
    real = str(tmp_path / "real")
    machine.update({"/sys/fs/cgroup": (1, 31), real: (1, 31)})
    mountinfo = V2 + V2.replace("/sys/fs/cgroup", real)
    assert find_cgroup_mounts(mountinfo, str(tmp_path / "link")) == v2(real)


def test_without_proc_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> NoReturn:
        raise PermissionError

    monkeypatch.setattr(Path, "read_text", refuse)
    assert mounts_of_this_process() == CgroupMounts()


def test_the_mounts_of_this_machine_hold_whole_hierarchies() -> None:
    mounts = mounts_of_this_process()
    for place in (mounts.unified, mounts.memory.mount if mounts.memory else None):
        if place is None:
            continue
        assert Path(place).stat().st_ino == 1
        assert Path(place, "cgroup.procs").is_file()
