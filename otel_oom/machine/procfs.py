"""The kernel's OOM kill counter, and the pid namespace. Reads /proc, raises nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Final

_VMSTAT_BYTES: Final = 1 << 16  # 6.18 prints 5 KiB
_INITIAL_PID_NAMESPACE: Final = 0xEFFFFFFC  # PROC_PID_INIT_INO, include/linux/proc_ns.h


def oom_kills(path: str = "/proc/vmstat") -> int | None:
    """Return the kernel's count of OOM kills since boot. None before Linux 4.13, or without /proc."""
    try:
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123 before each export of a kill: half the time of Path
            _, name, after = (b"\n" + file.read(_VMSTAT_BYTES)).partition(b"\noom_kill ")
        return int(after.split(None, 1)[0]) if name else None
    except (OSError, ValueError, IndexError):
        return None


def sees_host_pids() -> bool:
    """Return whether this is the initial pid namespace: only there are the pids those of the kernel log."""
    try:
        return Path("/proc/self/ns/pid").stat().st_ino == _INITIAL_PID_NAMESPACE
    except OSError:
        return False
