"""From a real kill to an OTLP receiver: otel-oom beside the SDK's own processors behind a plain reader of the log.

The time begins with the kernel's own time of the kill line and ends when the receiver, in this process, has read the
request. A line that is written just before each kill ties the kernel's clock to ours, to within some 10 us.

Each way runs alone, in a memory cgroup of 96 MiB: all of them read every kill, and would wait for each other. In each
round a way is started, warmed up by one kill, and measured under three conditions: idle; a flood of 2,000 lines a
second in the kernel log; memory pressure, where a process in the same cgroup reads a file of 256 MiB again and again.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from support import real_kills
from support.agents import environment
from support.kernel_log import KernelLog
from support.otlp_receiver import OtlpReceiver, Protocol, Request
from support.waiting import eventually

from benchmarks.measured import Measure, program, progress
from otel_oom.demo.kill_sandbox import Sandbox

_ROOT: Final = Path(__file__).resolve().parents[1]
_AGENT: Final = ("-m", "otel_oom", "run")
_STOCK: Final = ("-m", "benchmarks.stock_pipeline")
_LIMIT_MIB: Final = 96
_FILE_MIB: Final = 256
_LINES_PER_S: Final = 2_000
_KILLS: Final = 4
QUANTITY: Final = "kill line to receiver"
_PAUSE_S: Final = 0.2
_READER: Final = """
import sys
while True:
    with open(sys.argv[1], "rb", buffering=0) as file:
        while file.read(1 << 20):
            pass
"""


@dataclass(frozen=True, slots=True)
class Way:
    """What is measured. arguments: of Python."""

    name: str
    protocol: Protocol
    arguments: tuple[str, ...]
    has_spool: bool = False


WAYS: Final = (
    Way("otel-oom, HTTP, spool", "http/protobuf", _AGENT, has_spool=True),
    Way("otel-oom, HTTP, no spool", "http/protobuf", _AGENT),
    Way("SDK Simple, HTTP", "http/protobuf", (*_STOCK, "simple", "http")),
    Way("SDK Batch, HTTP", "http/protobuf", (*_STOCK, "batch", "http")),
    Way("otel-oom, gRPC, spool", "grpc", _AGENT, has_spool=True),
    Way("otel-oom, gRPC, no spool", "grpc", _AGENT),
    Way("SDK Simple, gRPC", "grpc", (*_STOCK, "simple", "grpc")),
)


@contextmanager
def ended(command: list[str], **settings: str) -> Iterator[None]:
    """A process that is killed when the context ends."""
    with subprocess.Popen(  # noqa: S603 ours
        command, cwd=_ROOT, env=os.environ | settings, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            yield
        finally:
            process.kill()


def inside(cgroup: Sandbox, *command: str) -> list[str]:
    """The command of a process that joins the cgroup before it starts: pages count where they were first touched."""
    return ["sh", "-c", 'echo 0 >"$0" && exec "$@"', str(cgroup.processes), *command]


@contextmanager
def running(way: Way, cgroup: Sandbox, receiver: OtlpReceiver, directory: Path) -> Iterator[int]:
    """The way, once it watches the log; yields its pid. Raises: RuntimeError with its output."""
    settings = environment(**receiver.settings, OTEL_EXPORTER_OTLP_INSECURE="true")
    if way.has_spool:
        settings["OTEL_OOM_SPOOL"] = str(directory / "spool")
    output = directory / "output"
    with output.open("wb") as file:
        command = inside(cgroup, sys.executable, *way.arguments)
        process = subprocess.Popen(command, cwd=_ROOT, env=settings, stdout=file, stderr=file)  # noqa: S603 ours
    try:
        eventually(lambda: "watching" in output.read_text() or process.poll() is not None, within_s=60.0)
        if "watching" not in output.read_text():
            raise RuntimeError(f"{way.name} does not watch: {output.read_text()[-500:]}")
        yield process.pid
    finally:
        process.kill()
        process.wait()


def one_kill(victims: Sandbox, receiver: OtlpReceiver, number: int) -> float:
    """Milliseconds from the kill line of a new kill to its record at the receiver. Raises: TimeoutError."""
    comm = f"l{os.getpid() % 100_000:05}-{number}"

    def has_it(request: Request) -> bool:
        return any(f"{comm}" in str(record.body) for record in request.log_records)

    def arrived_s() -> float | None:
        return next((one.arrived_s for one in receiver.of("logs") if has_it(one)), None)

    with KernelLog() as log:
        mark = f"otel-oom benchmark: {comm}"
        written_s = write(mark)
        real_kills.kill(victims, mib=32, comm=comm.encode())
        ended_s = receiver.wait(arrived_s, within_s=30.0)
        records = log.read()
    assert ended_s
    marked_us = next(one.timestamp_us for one in records if one.text == mark)
    killed_us = next(one.timestamp_us for one in records if one.is_kill and f"({comm})" in one.text)
    receiver.requests.clear()
    return (ended_s - written_s) * 1e3 - (killed_us - marked_us) / 1e3


def write(line: str) -> float:
    """Write a line into the kernel log as user space; returns the monotonic second."""
    log = os.open("/dev/kmsg", os.O_WRONLY)
    try:
        before_s = time.monotonic()
        os.write(log, f"<14>{line}\n".encode())
        return (before_s + time.monotonic()) / 2
    finally:
        os.close(log)


def conditions(cgroup: Sandbox, file: Path) -> dict[str, Callable[[], AbstractContextManager[None]]]:
    """What else the machine does, by name."""
    flood = [sys.executable, "tests/disk/log_flood.py", "flood", str(_LINES_PER_S), "600"]
    reader = inside(cgroup, sys.executable, "-c", _READER, str(file))
    return {
        "idle": nullcontext,
        "flood of the kernel log": lambda: ended(flood),
        "memory pressure": lambda: ended(reader),
    }


def run(measure: Measure) -> None:
    """Measure."""
    took_ms: dict[tuple[str, str], list[float]] = defaultdict(list)
    number = 0
    with ExitStack() as stack:
        top = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        file = top / "file"
        file.write_bytes(bytes(_FILE_MIB << 20))
        victims = stack.enter_context(Sandbox(f"otel-oom-bench-{os.getpid()}", 8))
        for turn in range(measure.repeats):
            for way in WAYS[:3] if measure.is_short else WAYS:
                with (
                    tempfile.TemporaryDirectory(dir=top) as directory,
                    OtlpReceiver(way.protocol) as receiver,
                    Sandbox(f"otel-oom-bench-{os.getpid()}-way", _LIMIT_MIB) as cgroup,
                    running(way, cgroup, receiver, Path(directory)),
                ):
                    one_kill(victims, receiver, number := number + 1)
                    for name, condition in conditions(cgroup, file).items():
                        with condition():
                            time.sleep(_PAUSE_S)
                            for _ in range(1 if measure.is_short else _KILLS):
                                time.sleep(_PAUSE_S)
                                took_ms[name, way.name].append(one_kill(victims, receiver, number := number + 1))
            progress(f"round {turn + 1} of {measure.repeats}")
    for (name, way_name), values in took_ms.items():
        measure.add(name, way_name, QUANTITY, "ms", values)
    measure.notes.append("SDK Simple and Batch: a plain reader of /dev/kmsg, and the SDK's processor and exporter.")


if __name__ == "__main__":
    program("latency", run)
