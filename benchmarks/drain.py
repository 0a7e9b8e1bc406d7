"""How fast the kernel log is read, beside loops of read(2) in C and in Python, and the Go parser.

The ring of this machine's kernel is read as a whole: once filled with records of user space, once with OOM reports of
real kills. The ways take turns, so the load of the machine is the same for all. A ratio is made within one turn.
Times are processor time, which others on the machine do not lengthen.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeAlias

from support.kernel_log import last_sequence, write_line

from benchmarks.measured import Measure, program, progress
from benchmarks.peers.building import Peers
from otel_oom.agent.read_batch import More
from otel_oom.agent.reader import Reader
from otel_oom.demo.kill_sandbox import Sandbox
from otel_oom.health import Health
from otel_oom.kernel.device import Device
from otel_oom.machine.identity import read_machine_identity

_FOREIGN: Final = "<14>systemd[1]: Started session 4711 of user example, a usual line of user space."
_REPORTS: Final = 10  # the kernel prints ten reports in 5 s
_PAUSE_S: Final = 5.5
_RECORD_BYTES: Final = 8192
_ROUNDS: Final = 9
_C: Final = "read(2) in C"

Way: TypeAlias = Callable[[], float]
"""Reads the whole ring; returns µs for each record."""


def by_program(*command: str | Path) -> float:
    """A program that prints the number of records and nanoseconds."""
    records, took_ns = map(int, subprocess.check_output(command).split())  # noqa: S603 our own program
    return took_ns / records / 1000


def in_python() -> float:
    """A loop of os.read()."""
    log = os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK)
    os.lseek(log, 0, os.SEEK_SET)
    records = 0
    began = time.thread_time()
    try:
        while True:
            os.read(log, _RECORD_BYTES)
            records += 1
    except BlockingIOError:
        return (time.thread_time() - began) / records * 1e6
    finally:
        os.close(log)


def by_the_agent() -> float:
    """The agent's reader, up to findings."""
    device, health = Device(from_ring=True), Health()
    reader = Reader(device, health, read_machine_identity())
    device.open()
    began = time.thread_time()
    while isinstance(reader.burst(), More):
        pass
    took_s = time.thread_time() - began
    device.close()
    return took_s / health.records["read"] * 1e6


def fill_with_foreign_records() -> None:
    """More than the ring of 128 KiB holds. The kernel limits the rate of each open file: so each line has its own."""
    for _ in range(3_000):
        write_line(_FOREIGN)


def fill_with_reports(times: int) -> None:
    """Real kills with a report, ten at a time. Six times fill the ring."""
    for _ in range(times):
        time.sleep(_PAUSE_S)
        with Sandbox(f"otel-oom-drain-{os.getpid()}", 20) as sandbox:
            for _ in range(_REPORTS):
                sandbox.kill_one()


def run(measure: Measure) -> None:
    """Measure."""
    go = Peers.built().directory / "kmsgparser"
    contents: dict[str, Callable[[], None]] = {
        "records of other programs": fill_with_foreign_records,
        "records of OOM reports": lambda: fill_with_reports(1 if measure.is_short else 6),
    }
    with tempfile.TemporaryDirectory() as directory:
        loop = Path(directory) / "drain"
        subprocess.run(["cc", "-O2", "-o", loop, Path(__file__).with_suffix(".c")], check=True)  # noqa: S603, S607 ours
        ways: dict[str, Way] = {
            _C: lambda: by_program(loop),
            "read(2) in Python": in_python,
            "go-kmsg-parser": lambda: by_program(go, str(last_sequence())),
            "otel-oom": by_the_agent,
        }
        for content, fill in contents.items():
            fill()
            turns = [{name: way() for name, way in ways.items()} for _ in range(2 if measure.is_short else _ROUNDS)]
            for name in ways:
                took_us = [turn[name] for turn in turns]
                measure.add(content, name, "processor time of a record", "us", took_us)
                measure.add(content, name, "ratio to C", "x", [turn[name] / turn[_C] for turn in turns])
            found = [one for one in measure.figures if one.scenario == content and one.unit == "x"]
            progress(f"{content}: " + ", ".join(f"{one.subject} {one.median:.2f} x" for one in found))


if __name__ == "__main__":
    program("drain", run)
