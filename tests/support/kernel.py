"""The kernel as a judge, independent of the package: its log, its counter, and real kills in cgroups of the tests."""

from __future__ import annotations

import atexit
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import TypeVar
from uuid import uuid4

from support.levels import missing

from otel_oom.demo.kill_sandbox import NoSandboxError, Sandbox

OOMER_SOURCE = Path(__file__).resolve().parents[1] / "kernel" / "oomer.c"

_REPORTS_S = 5.5  # DEFAULT_RATELIMIT_INTERVAL of the reports is 5 s

T = TypeVar("T")


def oom_kill() -> int:
    """The kernel's own count of kills."""
    counters = dict(line.split() for line in Path("/proc/vmstat").read_text().splitlines())
    if "oom_kill" not in counters:
        missing("kernel", "this kernel has no oom_kill in /proc/vmstat")
    return int(counters["oom_kill"])


def require_device() -> None:
    if not os.access("/dev/kmsg", os.R_OK | os.W_OK):
        missing("kernel", "/dev/kmsg may not be read and written (run as root)")


@contextmanager
def sandbox(limit_mib: int = 20) -> Iterator[Sandbox]:
    """A memory cgroup of the test's own."""
    require_device()
    try:
        with Sandbox(f"otel-oom-test-{uuid4().hex[:8]}", limit_mib) as made:
            yield made
    except NoSandboxError as error:
        missing("kernel", str(error))


@cache
def oomer() -> Path:
    """The compiled kill maker."""
    directory = mkdtemp(prefix="otel-oom-")
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    program = Path(directory) / "oomer"
    try:
        subprocess.run(["cc", "-O1", "-o", program, OOMER_SOURCE], check=True)
    except FileNotFoundError:
        missing("kernel", "no C compiler (cc)")
    return program


def kill(made: Sandbox, kills: int = 1, *, parallel: int = 1, mib: int = 64, comm: bytes | None = None) -> None:
    """Make real kills, and return when the kernel has made them all."""
    arguments: tuple[str | bytes | Path, ...] = (
        oomer(),
        made.processes,
        str(kills),
        str(parallel),
        str(mib),
        *([comm] if comm else []),
    )
    command = [os.fsencode(argument) for argument in arguments]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def await_reports() -> None:
    """Return when the kernel will print a report around the next kill: of all kills in 5 s it does so for ten."""
    with KernelLog(from_ring=True) as log:
        newest_s = max((line.timestamp_us / 1e6 for line in log.kill_lines()), default=0.0)
    time.sleep(max(0.0, newest_s + _REPORTS_S - time.monotonic()))


@dataclass(frozen=True)
class RawRecord:
    """One record as the kernel gave it."""

    priority: int
    sequence: int
    timestamp_us: int
    text: str


class KernelLog:
    """A reader of its own: what the kernel really printed while the context lasted (from_ring: or before)."""

    def __init__(self, *, from_ring: bool = False) -> None:
        self._begin = os.SEEK_SET if from_ring else os.SEEK_END

    def __enter__(self) -> KernelLog:
        require_device()
        self._fd = os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK)
        os.lseek(self._fd, 0, self._begin)
        self.records: list[RawRecord] = []
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._fd)

    def read(self) -> list[RawRecord]:
        """All records up to now."""
        while True:
            try:
                raw = os.read(self._fd, 8192).decode("ascii")
            except BlockingIOError:
                return self.records
            head, _, body = raw.partition(";")
            priority, sequence, timestamp_us = head.split(",")[:3]
            self.records.append(RawRecord(int(priority), int(sequence), int(timestamp_us), body.partition("\n")[0]))

    def kill_lines(self) -> list[RawRecord]:
        """The kernel's own kill lines up to now."""
        return [one for one in self.read() if one.priority >> 3 == 0 and "Killed process " in one.text]


def eventually(look: Callable[[], T], *, within_s: float = 10.0) -> T:
    """The first true value of `look`, or its last value when the time is over."""
    deadline = time.monotonic() + within_s
    while not (value := look()) and time.monotonic() < deadline:
        time.sleep(0.005)
    return value
