"""The cgroup of a victim, from /proc, for kills whose report the kernel did not print.

Rules:
- `glance` is called right after the kill line was read, before anything slower: the victim is reaped within some
  milliseconds. What it read is interpreted later.
- A pid is used again, and a new process may have the victim's name. So SIGKILL must be pending, or be the exit code of
  the process. /proc shows the exit code of other users' processes with CAP_SYS_PTRACE alone.
- On cgroup v1 the kernel shows `/` for a process that exits (proc_cgroup_show in kernel/cgroup/cgroup.c). That is no
  answer.
- Only paths of the initial cgroup namespace are used: in another one they are relative to its root.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from signal import SIGKILL
from typing import Final, NamedTuple, TypeAlias

from otel_oom.machine.victim_process import safe_text

_INITIAL_CGROUP_NAMESPACE: Final = 0xEFFFFFFB  # PROC_CGROUP_INIT_INO, include/linux/proc_ns.h
_CGROUP_BYTES: Final = 1 << 16  # 14 hierarchies with paths of 4 KiB
_STAT_BYTES: Final = 1 << 10
_DELETED: Final = b" (deleted)"


class Glance(NamedTuple):
    """What was read of a process: /proc/PID/cgroup, then /proc/PID/stat."""

    cgroup: bytes
    stat: bytes


Look: TypeAlias = Callable[[int], Glance | None]
"""Reads /proc of a pid. None: the process has ended, or the pid and its cgroup have another meaning here."""


def glance(pid: int) -> Glance | None:
    """Read what is needed to know the cgroup of a process. None: it has ended."""
    try:
        return Glance(_read(f"/proc/{pid}/cgroup", _CGROUP_BYTES), _read(f"/proc/{pid}/stat", _STAT_BYTES))
    except OSError:
        return None


def no_glance(_pid: int) -> None:
    """For an agent in another pid or cgroup namespace than the kernel's: there /proc shows other pids and paths."""


def sees_host_cgroups(namespace: str = "/proc/self/ns/cgroup") -> bool:
    """Return whether /proc shows cgroup paths as the kernel log does: only in the initial cgroup namespace.

    Kernels before 4.6 have no cgroup namespaces: there it is true.
    """
    try:
        return Path(namespace).stat().st_ino == _INITIAL_CGROUP_NAMESPACE
    except FileNotFoundError:
        return True
    except OSError:
        return False


def cgroup_of(found: Glance, comm: str | None) -> str | None:
    """Return the path of the victim's cgroup, printable. comm: the victim's name. None: the process is another one."""
    try:
        _, _, named = found.stat.partition(b" (")
        name, bracket, after = named.rpartition(b") ")
        fields = after.split()
        pending, exit_code = int(fields[28]), int(fields[49])
    except (IndexError, ValueError):
        return None
    is_killed = pending & 1 << (SIGKILL - 1) or exit_code == SIGKILL
    if not (bracket and is_killed and safe_text(name) == comm):
        return None
    return _memory_cgroup(found.cgroup)


def _memory_cgroup(lines: bytes) -> str | None:
    r"""The path in the hierarchy that has the memory controller, from /proc/PID/cgroup (cgroups(7)).

    Sample: b"9:memory:/a\n1:name=systemd:/a\n0::/a\n"
    """
    unified = None
    for line in lines.split(b"\n"):
        _, _, rest = line.partition(b":")
        controllers, colon, path = rest.partition(b":")
        if not colon:
            continue
        if b"memory" in controllers.split(b","):
            return None if path == b"/" else safe_text(path)
        if not controllers:
            unified = path.removesuffix(_DELETED)
    return None if unified is None else safe_text(unified)


def _read(path: str, size: int) -> bytes:
    with open(path, "rb", buffering=0) as file:  # noqa: PTH123 half the time of Path
        return file.read(size)
