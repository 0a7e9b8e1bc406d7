"""Checks what of the host this process sees: pids, cgroups, the kernel's counter. A container may hide each of them."""

from __future__ import annotations

from collections.abc import Iterator

from otel_oom import surroundings
from otel_oom.cgroupfs.cgroup_mounts import MemoryHierarchy, mounts_of_this_process
from otel_oom.check.finding import Finding
from otel_oom.machine import procfs
from otel_oom.machine.victim_cgroup import sees_host_cgroups


def check_host_view(cgroupfs: str) -> Iterator[Finding]:
    """All of them. cgroupfs: where the cgroup filesystems are looked for."""
    yield counter_finding(procfs.oom_kills())
    yield pids_finding(sees_host_pids=procfs.sees_host_pids())
    yield cgroup_paths_finding(sees_host_cgroups=sees_host_cgroups())
    yield cgroupfs_finding(mounts_of_this_process(cgroupfs).memory, cgroupfs)


def counter_finding(kills: int | None) -> Finding:
    """The counter in /proc/vmstat. kills: its value, None without it."""
    if kills is not None:
        return Finding("kill counter", "ok", f"/proc/vmstat counts OOM kills, {kills} since the boot")
    return Finding(
        "kill counter",
        "warning",
        "/proc/vmstat has no oom_kill: a kill whose line is lost is not noticed",
        "use Linux 4.13 or later, and mount /proc",
    )


def pids_finding(*, sees_host_pids: bool) -> Finding:
    """The pid namespace: the kernel log has the pids of the initial one."""
    if sees_host_pids:
        return Finding("pid namespace", "ok", "the host's")
    return Finding(
        "pid namespace",
        "warning",
        "not the host's: events come without executable and parent",
        surroundings.PID_NAMESPACE.here(),
    )


def cgroup_paths_finding(*, sees_host_cgroups: bool) -> Finding:
    """The cgroup namespace: the kernel log has the paths of the initial one."""
    if sees_host_cgroups:
        return Finding("cgroup namespace", "ok", "the host's")
    return Finding(
        "cgroup namespace",
        "warning",
        "not the host's: kills without a report have no cgroup",
        surroundings.CGROUP_NAMESPACE.here(),
    )


def cgroupfs_finding(memory: MemoryHierarchy | None, below: str) -> Finding:
    """The cgroup filesystem with the memory controller. below: where it was looked for."""
    if memory is not None:
        return Finding("cgroup filesystem", "ok", f"cgroup v{memory.version} at {memory.mount}")
    return Finding(
        "cgroup filesystem",
        "warning",
        f"none with the memory controller and the host's root at {below} or below: events come without the state of "
        "their cgroup",
        "mount the host's /sys/fs/cgroup, and name the place with --cgroupfs",
    )
