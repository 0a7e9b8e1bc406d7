"""What this machine says about itself and about a victim: /proc, /etc and psutil. Reads, and raises nothing.

Rules:
- Absent is None: a kernel without a counter, a process that is gone.
- A pid is a number that is used again: what /proc says is taken only if the name still fits the kill line.
"""

from __future__ import annotations

import os
import socket
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Final

import psutil

from otel_oom import schema
from otel_oom.kmsg import escape, printable
from otel_oom.oom import OomKill
from otel_oom.uid import uuid5

_INITIAL_PID_NAMESPACE: Final = 0xEFFFFFFC  # PROC_PID_INIT_INO, include/linux/proc_ns.h
_INSTANCE_NAMESPACE: Final = uuid.UUID("1c9bfad8-2c8c-5b55-a353-52ba67b6afd8")
_COMMAND_LINE_BYTES: Final = 4096  # as much as `ps` shows of it; a process may have megabytes


@dataclass(frozen=True, slots=True)
class Identity:
    """Who this machine is. boot_id, machine_id: empty where the system has none."""

    boot_id: str
    machine_id: str
    host_name: str
    kernel_release: str
    page_size: int

    @property
    def instance_id(self) -> str:
        """Stable id of the agent on this machine: UUIDv5 over machine id and host name."""
        return uuid5(_INSTANCE_NAMESPACE, f"{self.machine_id}\0{self.host_name}")


def identity() -> Identity:
    """Read it from the running system."""
    return Identity(
        boot_id=_first_line("/proc/sys/kernel/random/boot_id"),
        machine_id=_first_line("/etc/machine-id") or _first_line("/var/lib/dbus/machine-id"),
        host_name=socket.gethostname(),
        kernel_release=os.uname().release,
        page_size=os.sysconf("SC_PAGE_SIZE"),
    )


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


def look_at_victim(kill: OomKill, *, with_command_line: bool) -> Mapping[str, str | int]:
    """What /proc still knows of a victim, by attribute name. Mostly that is for some milliseconds."""
    found: dict[schema.Attribute, str | int] = {}
    try:
        process = psutil.Process(kill.pid)
        with process.oneshot():
            # Not process.name(): for a long name it reads the command line, and waits for the dying memory's lock.
            if _text(Path(f"/proc/{kill.pid}/comm").read_bytes().removesuffix(b"\n")) != kill.comm:
                return {}
            found[schema.PARENT_PID] = process.ppid()
            found[schema.CREATION_TIME] = datetime.fromtimestamp(process.create_time(), timezone.utc).isoformat()
            if path := process.exe():
                found[schema.EXECUTABLE_PATH] = _text(os.fsencode(path))
                found[schema.EXECUTABLE_NAME] = _text(os.fsencode(os.path.basename(path)))  # noqa: PTH119 a name, no file
            if with_command_line and (words := process.cmdline()):
                found[schema.COMMAND_LINE] = _text(os.fsencode(" ".join(words))[:_COMMAND_LINE_BYTES])
    except (psutil.Error, OSError, ValueError):
        pass  # it is gone, or half gone: what was read stays
    return {attribute.name: value for attribute, value in found.items()}


def _text(name: bytes) -> str:
    return printable(escape(name))


def _first_line(path: str) -> str:
    try:
        return Path(path).read_text("ascii").strip()
    except (OSError, ValueError):
        return ""
