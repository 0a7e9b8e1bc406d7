"""/dev/kmsg as the tests read and write it: independent of the package, so that it can judge the package."""

from __future__ import annotations

import os
from dataclasses import dataclass

from support.levels import missing

_DEVICE = "/dev/kmsg"
_READ_BYTES = 8192  # CONSOLE_EXT_LOG_MAX: no record is longer


@dataclass(frozen=True)
class RawRecord:
    """One record as the kernel printed it."""

    priority: int
    sequence: int
    timestamp_us: int
    text: str
    raw: str = ""

    @property
    def is_kill(self) -> bool:
        """Whether it is the kernel's own kill line: facility 0, and not a line of user space."""
        return self.priority >> 3 == 0 and "Killed process " in self.text


def raw_record(raw: str) -> RawRecord:
    r"""One read of the device: `6,339,5140900,-;the text\n SUBSYSTEM=acpi\n`."""
    head, _, body = raw.partition(";")
    priority, sequence, timestamp_us = head.split(",")[:3]
    return RawRecord(int(priority), int(sequence), int(timestamp_us), body.partition("\n")[0], raw.partition("\n")[0])


class KernelLog:
    """A reader of what the kernel prints while the context lasts (from_ring: and of what the ring holds before)."""

    def __init__(self, *, from_ring: bool = False) -> None:
        self._begin = os.SEEK_SET if from_ring else os.SEEK_END

    def __enter__(self) -> KernelLog:
        require_device()
        self._fd = os.open(_DEVICE, os.O_RDONLY | os.O_NONBLOCK)
        os.lseek(self._fd, 0, self._begin)
        self.records: list[RawRecord] = []
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._fd)

    def read(self) -> list[RawRecord]:
        """All records so far. Raises: BrokenPipeError if the ring overran this reader."""
        while True:
            try:
                raw = os.read(self._fd, _READ_BYTES)
            except BlockingIOError:
                return self.records
            self.records.append(raw_record(raw.decode("ascii")))

    def kill_lines(self) -> list[RawRecord]:
        """The kernel's own kill lines so far. Raises: BrokenPipeError."""
        return [record for record in self.read() if record.is_kill]


def require_device() -> None:
    """Skip the test if this process may not read and write the device."""
    if not os.access(_DEVICE, os.R_OK | os.W_OK):
        missing("kernel", f"{_DEVICE} may not be read and written (run as root)")


def first_sequence() -> int:
    """The sequence number of the oldest record in the ring, where a reader that starts now begins."""
    fd = os.open(_DEVICE, os.O_RDONLY | os.O_NONBLOCK)
    try:
        return int(os.read(fd, _READ_BYTES).split(b",")[1])
    finally:
        os.close(fd)


def last_sequence() -> int:
    """The sequence number of the newest record. Raises: BrokenPipeError if the ring overran this reader."""
    fd = os.open(_DEVICE, os.O_RDONLY | os.O_NONBLOCK)
    sequence = -1
    try:
        while True:
            sequence = int(os.read(fd, _READ_BYTES).split(b",")[1])
    except BlockingIOError:
        return sequence
    finally:
        os.close(fd)


def write_line(line: str | bytes) -> None:
    """Write one line as user space. The kernel's rate limit is per open file, so each line opens its own."""
    fd = os.open(_DEVICE, os.O_WRONLY)
    try:
        os.write(fd, (line.encode() if isinstance(line, str) else line) + b"\n")
    finally:
        os.close(fd)
