"""What this machine says about itself and about a victim: /proc, /etc and psutil. Reads, and raises nothing.

Rules:
- Absent is None: a kernel without a counter, a process that is gone.
- A pid is a number that is used again: what /proc says is taken only if the name still fits the kill line.
"""

from __future__ import annotations

import os
import socket
import threading
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Final

import psutil

from otel_oom import schema
from otel_oom.checkpoint import Origin
from otel_oom.kmsg import escape, printable
from otel_oom.oom import OomKill
from otel_oom.uid import uuid5

_INITIAL_PID_NAMESPACE: Final = 0xEFFFFFFC  # PROC_PID_INIT_INO, include/linux/proc_ns.h
_INSTANCE_NAMESPACE: Final = uuid.UUID("1c9bfad8-2c8c-5b55-a353-52ba67b6afd8")
_MARK_BYTES: Final = 4096
_GLANCE_S: Final = 0.05
_COMMAND_LINE_BYTES: Final = 4096  # as much as `ps` shows of it; a process may have megabytes


@dataclass(frozen=True, slots=True)
class Identity:
    """Who this machine is. boot_id, machine_id: empty where the system has none.

    mark: what the identity file says, empty without one
    """

    boot_id: str
    machine_id: str
    host_name: str
    kernel_release: str
    page_size: int
    mark: str = ""

    @property
    def instance_id(self) -> str:
        """Stable id of the agent on this machine: UUIDv5 over machine id, host name and mark, joined by NUL."""
        parts = (self.machine_id, self.host_name, *([self.mark] if self.mark else []))
        return uuid5(_INSTANCE_NAMESPACE, "\0".join(parts))

    def origin(self, *, of_its_own: str = "") -> Origin:
        """As whom the agent sends. of_its_own: a part that no other run or fork of this machine has."""
        return Origin("-".join(filter(None, (self.instance_id, of_its_own))), self.host_name, self.machine_id)


def identity(identity_file: Path | None = None) -> Identity:
    """Read it from the running system, and from a file that tells copies of it apart."""
    return Identity(
        boot_id=_first_line("/proc/sys/kernel/random/boot_id"),
        machine_id=_first_line("/etc/machine-id") or _first_line("/var/lib/dbus/machine-id"),
        host_name=socket.gethostname(),
        kernel_release=os.uname().release,
        page_size=os.sysconf("SC_PAGE_SIZE"),
        mark=_mark(identity_file) if identity_file else "",
    )


class Glance:
    """Looks at what may lie on a disk that hangs, and does not wait for it."""

    def __init__(self, look: Callable[[], Identity | None]) -> None:
        self._look = look
        self._found: list[Identity | None] = []
        self._thread: threading.Thread | None = None

    def __call__(self) -> Identity | None:
        """What was seen; None where there was nothing to see, or no time."""
        if self._thread is None:
            self._thread = threading.Thread(target=lambda: self._found.append(self._look()), daemon=True)
            self._thread.start()
        self._thread.join(_GLANCE_S)
        if self._thread.is_alive():
            return None  # the next one finds it
        self._thread = None
        return self._found.pop() if self._found else None


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


def _mark(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return _text(file.read(_MARK_BYTES).strip())
    except OSError:
        return ""


def _first_line(path: str) -> str:
    try:
        return Path(path).read_text("ascii").strip()
    except (OSError, ValueError):
        return ""
