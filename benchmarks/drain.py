"""How fast the kernel log is read, beside a loop in C and one in Python that do no more than read(2).

The ring of this machine's kernel is read as a whole: once filled with records of user space, once with OOM reports of
real kills. The ways take turns, so the machine's mood strikes all alike. Run it as root, on a quiet machine.

    python benchmarks/drain.py [--rounds ROUNDS]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeAlias

from otel_oom.agent.read_batch import More
from otel_oom.agent.reader import Reader
from otel_oom.demo.kill_sandbox import Sandbox
from otel_oom.health import Health
from otel_oom.kernel.device import Device
from otel_oom.machine.identity import read_machine_identity

_FOREIGN: Final = b"<14>systemd[1]: Started session 4711 of user example, a usual line of user space."
_REPORTS: Final = 10  # the kernel prints ten reports in 5 s
_PAUSE_S: Final = 5.5
_RING_BYTES: Final = 8192

Way: TypeAlias = Callable[[], float]
"""Reads the whole ring; returns µs for each record."""


def in_c(program: Path) -> float:
    """A loop of read(2) in C."""
    records, took_ns = map(int, subprocess.check_output([program]).split())  # noqa: S603 our own program
    return took_ns / records / 1000


def in_python() -> float:
    """A loop of os.read()."""
    log = os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK)
    os.lseek(log, 0, os.SEEK_SET)
    records = 0
    began = time.perf_counter()
    try:
        while True:
            os.read(log, _RING_BYTES)
            records += 1
    except BlockingIOError:
        return (time.perf_counter() - began) / records * 1e6
    finally:
        os.close(log)


def by_the_agent() -> float:
    """The agent's reader, up to findings."""
    device, health = Device(from_ring=True), Health()
    reader = Reader(device, health, read_machine_identity())
    device.open()
    began = time.perf_counter()
    while isinstance(reader.burst(), More):
        pass
    took_s = time.perf_counter() - began
    device.close()
    return took_s / health.records["read"] * 1e6


def fill_with_foreign_records() -> None:
    """More than the ring of 128 KiB holds. The kernel limits the rate of each open file: so each line has its own."""
    for _ in range(3_000):
        log = os.open("/dev/kmsg", os.O_WRONLY)
        os.write(log, _FOREIGN)
        os.close(log)


def fill_with_reports() -> None:
    """Ten real kills with a report, until the ring holds nothing else."""
    for _ in range(6):
        with Sandbox(f"otel-oom-drain-{os.getpid()}", 20) as sandbox:
            for _ in range(_REPORTS):
                sandbox.kill_one()
        time.sleep(_PAUSE_S)


def measure(ways: dict[str, Way], rounds: int) -> dict[str, list[float]]:
    """µs for each record, by way, of each round."""
    took: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            took[name].append(way())
    return took


def main() -> None:  # noqa: D103 see the module
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as directory:
        program = Path(directory) / "drain"
        subprocess.run(["cc", "-O2", "-o", program, Path(__file__).with_suffix(".c")], check=True)  # noqa: S603, S607 ours
        ways: dict[str, Way] = {"C": lambda: in_c(program), "Python": in_python, "otel-oom": by_the_agent}
        results = {}
        for content, fill in {"foreign": fill_with_foreign_records, "reports": fill_with_reports}.items():
            fill()
            results[content] = measure(ways, rounds)
    for content, took in results.items():
        base = statistics.median(took["C"])
        for name, times in took.items():
            median = statistics.median(times)
            spread = f"{min(times):.2f} to {max(times):.2f}"
            print(f"{content:8} {name:9} {median:6.2f} us ({spread}), {median / base:.2f} x C")
    json.dump(results, sys.stderr)


if __name__ == "__main__":
    main()
