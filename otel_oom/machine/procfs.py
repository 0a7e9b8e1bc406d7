"""The kernel's OOM kill counter, and whether pids here are the kernel log's. Reads /proc; raises nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Final

_INITIAL_PID_NAMESPACE: Final = 0xEFFFFFFC  # PROC_PID_INIT_INO, include/linux/proc_ns.h


def oom_kills(path: str = "/proc/vmstat") -> int | None:
    """The kernel's own count of OOM kills since boot; None before 4.13 or without /proc."""
    try:
        for line in Path(path).read_bytes().splitlines():
            if line.startswith(b"oom_kill "):
                return int(line.split()[1])
    except (OSError, ValueError):
        return None
    return None


def sees_host_pids() -> bool:
    """Whether pids of the kernel log mean the same process here: this is the first pid namespace."""
    try:
        return Path("/proc/self/ns/pid").stat().st_ino == _INITIAL_PID_NAMESPACE
    except OSError:
        return False
