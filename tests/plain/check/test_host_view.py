"""The checks of what a container may hide: each with the host's view and without it."""

from __future__ import annotations

import pytest

from otel_oom.cgroupfs.cgroup_mounts import MemoryHierarchy
from otel_oom.check.finding import Finding
from otel_oom.check.host_view import (
    cgroup_paths_finding,
    cgroupfs_finding,
    check_host_view,
    counter_finding,
    pids_finding,
)


@pytest.mark.parametrize(
    ("found", "is_ok", "text"),
    [
        (counter_finding(0), True, "/proc/vmstat counts OOM kills, 0 since the boot"),
        (counter_finding(None), False, "/proc/vmstat has no oom_kill: a kill whose line is lost is not noticed"),
        (pids_finding(sees_host_pids=True), True, "the host's"),
        (pids_finding(sees_host_pids=False), False, "not the host's: events come without executable and parent"),
        (cgroup_paths_finding(sees_host_cgroups=True), True, "the host's"),
        (cgroup_paths_finding(sees_host_cgroups=False), False, "not the host's: kills without a report have no cgroup"),
        (cgroupfs_finding(MemoryHierarchy(2, "/a"), "/"), True, "cgroup v2 at /a"),
        (
            cgroupfs_finding(None, "/host"),
            False,
            "none with the memory controller and the host's root at /host or below",
        ),
    ],
)
def test_a_view(found: Finding, is_ok: bool, text: str) -> None:  # noqa: FBT001 a column of the table
    assert (found.status, bool(found.remedy)) == ("ok" if is_ok else "warning", not is_ok)
    assert found.text.startswith(text)


def test_this_machine_has_one_finding_of_each() -> None:
    names = [found.name for found in check_host_view("/")]
    assert names == ["kill counter", "pid namespace", "cgroup namespace", "cgroup filesystem"]
    assert list(check_host_view("/proc"))[3].status == "warning"
