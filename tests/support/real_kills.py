"""Real OOM kills in memory cgroups of the tests, and the kernel's own count of kills."""

from __future__ import annotations

import atexit
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from uuid import uuid4

from support.kernel_log import KernelLog, require_device
from support.levels import missing

from otel_oom.demo.kill_sandbox import NoSandboxError, Sandbox

OOMER_SOURCE = Path(__file__).resolve().parent / "oomer.c"

_REPORTS_S = 5.5  # DEFAULT_RATELIMIT_INTERVAL of the reports is 5 s


def oom_kill_count() -> int:
    """`oom_kill` of /proc/vmstat: all kills since boot."""
    counters = dict(line.split() for line in Path("/proc/vmstat").read_text().splitlines())
    if "oom_kill" not in counters:
        missing("kernel", "this kernel has no oom_kill in /proc/vmstat")
    return int(counters["oom_kill"])


@contextmanager
def sandbox(limit_mib: int = 20) -> Iterator[Sandbox]:
    """A memory cgroup for kills, removed when the context ends."""
    require_device()
    try:
        with Sandbox(f"otel-oom-test-{uuid4().hex[:8]}", limit_mib) as made:
            yield made
    except NoSandboxError as error:
        missing("kernel", str(error))


def printed_path(made: Sandbox) -> str:
    """The cgroup's path as the kernel prints it."""
    return f"/{made.processes.parent.name}"


@cache
def oomer() -> Path:
    """The compiled program that is killed (oomer.c)."""
    directory = mkdtemp(prefix="otel-oom-")
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    program = Path(directory) / "oomer"
    try:
        subprocess.run(["cc", "-O1", "-o", program, OOMER_SOURCE], check=True)
    except FileNotFoundError:
        missing("kernel", "no C compiler (cc)")
    return program


def kill(made: Sandbox, kills: int = 1, *, parallel: int = 1, mib: int = 64, comm: bytes | None = None) -> None:
    """Make real kills, and return when the kernel has made all of them."""
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
    """Wait until the kernel prints a report around the next kill. It prints ten reports in 5 s."""
    with KernelLog(from_ring=True) as log:
        newest_s = max((line.timestamp_us / 1e6 for line in log.kill_lines()), default=0.0)
    time.sleep(max(0.0, newest_s + _REPORTS_S - time.monotonic()))
