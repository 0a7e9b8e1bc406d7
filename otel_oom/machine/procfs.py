"""The kernel's OOM kill counter, and the pid namespace. Reads /proc, raises nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Final

_INITIAL_PID_NAMESPACE: Final = 0xEFFFFFFC  # PROC_PID_INIT_INO, include/linux/proc_ns.h


def oom_kills(path: str = "/proc/vmstat") -> int | None:
    """Return the kernel's count of OOM kills since boot. None before Linux 4.13, or without /proc."""
    try:
        for line in Path(path).read_bytes().splitlines():
            if line.startswith(b"oom_kill "):
                return int(line.split()[1])
    except (OSError, ValueError):
        return None
    return None


def sees_host_pids() -> bool:
    """Return whether this is the initial pid namespace: only there are the pids those of the kernel log."""
    try:
        return Path("/proc/self/ns/pid").stat().st_ino == _INITIAL_PID_NAMESPACE
    except OSError:
        return False
