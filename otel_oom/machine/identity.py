"""The machine identity: boot id, machine id, host name and the identity file. Reads files, raises nothing.

A file that is absent or cannot be read gives an empty value.
"""

from __future__ import annotations

import os
import socket
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from otel_oom.machine.victim_process import safe_text
from otel_oom.totals import SERVICE_INSTANCE_NAMESPACE, ResourceIdentity
from otel_oom.uuid5 import uuid5

_FORMER_NAMESPACE: Final = uuid.UUID("1c9bfad8-2c8c-5b55-a353-52ba67b6afd8")
_MARK_BYTES: Final = 4096
_WAIT_S: Final = 0.05


@dataclass(frozen=True, slots=True)
class MachineIdentity:
    """The facts that tell this machine from others. boot_id, machine_id: empty if the system has none.

    page_size: bytes; mark: the first 4 KiB of the identity file, printable, empty without one
    """

    boot_id: str
    machine_id: str
    host_name: str
    page_size: int
    mark: str = ""

    @property
    def instance_id(self) -> str:
        """The agent's stable id on this machine: UUIDv5 over machine id, host name and mark, joined by NUL."""
        return uuid5(SERVICE_INSTANCE_NAMESPACE, self._instance_name)

    @property
    def instance_ids(self) -> tuple[str, str]:
        """The ids that a spool may hold for this machine: `instance_id`, and the one that earlier versions made.

        A stored identity is kept until the next boot, so that its totals continue in one series.
        """
        return self.instance_id, uuid5(_FORMER_NAMESPACE, self._instance_name)

    @property
    def _instance_name(self) -> str:
        return "\0".join((self.machine_id, self.host_name, *([self.mark] if self.mark else [])))

    def resource_identity(self, *, random_part: str = "") -> ResourceIdentity:
        """Return the identity for exports. random_part: one that no other run or fork of this machine has."""
        return ResourceIdentity(self.instance_id, self.host_name, self.machine_id).with_random_part(random_part)


def read_machine_identity(identity_file: Path | None = None) -> MachineIdentity:
    """Read the identity of the running system. identity_file: differs between copies of one machine."""
    return MachineIdentity(
        boot_id=_first_line("/proc/sys/kernel/random/boot_id"),
        machine_id=_first_line("/etc/machine-id") or _first_line("/var/lib/dbus/machine-id"),
        host_name=safe_text(os.fsencode(socket.gethostname())),  # any 64 bytes: sethostname(2)
        page_size=os.sysconf("SC_PAGE_SIZE"),
        mark=_mark(identity_file) if identity_file else "",
    )


class BackgroundRead:
    """Reads the machine's identity in a thread, at most one at a time.

    Reason: the identity file may be on a disk that hangs. The loop of the kernel log waits for it at most 50 ms.
    """

    def __init__(self, read: Callable[[], MachineIdentity | None]) -> None:
        self._read = read
        self._results: list[MachineIdentity | None] = []
        self._thread: threading.Thread | None = None

    def __call__(self) -> MachineIdentity | None:
        """What was read; None if there is nothing to read, or if it takes longer than `_WAIT_S`."""
        if self._thread is None:
            thread = threading.Thread(target=lambda: self._results.append(self._read()), daemon=True)
            try:
                thread.start()
            except RuntimeError:  # no thread can be started now; the next call tries again
                return None
            self._thread = thread
        self._thread.join(_WAIT_S)
        if self._thread.is_alive():
            return None  # a later call returns it
        self._thread = None
        return self._results.pop() if self._results else None


def _mark(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return safe_text(file.read(_MARK_BYTES).strip())
    except OSError:
        return ""


def _first_line(path: str) -> str:
    try:
        return Path(path).read_text("ascii").strip()
    except (OSError, ValueError):
        return ""
