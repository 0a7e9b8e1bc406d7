"""What the agent takes while nothing happens, beside a process that does no more than hold the SDK and its exporter.

All of them run side by side, so the machine's mood strikes all alike, and deliver to receivers in this process. What is
measured is the kernel's own account of each process: /proc/PID/status and, of every thread, its context switches (a
voluntary one is a wake-up) and its time on a CPU.

The agents read this machine's log, so it should be quiet: each record that comes is a wake-up. The first minute also
has readings of the machine's identity, so wake-ups of every later minute need `--settle 70 --idle 120`.

    python benchmarks/footprint.py [--settle SECONDS] [--idle SECONDS]
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc

from otel_oom.demo.otlp_receiver import Receiver

_SETTLE_S = 5.0  # imports, the first exports, the first look at the kernel's counter


@dataclass(frozen=True)
class ProcessUsage:
    """What the kernel says of a process and all of its threads.

    at_s: when, monotonic; rss, peak: KiB; wake_ups: voluntary context switches; cpu_ns: time on a CPU
    """

    at_s: float
    rss: int
    peak: int
    threads: int
    wake_ups: int
    cpu_ns: int


def usage_of(pid: int) -> ProcessUsage:
    """Now. Raises: OSError when it is gone."""
    process = _status(Path(f"/proc/{pid}/status"))
    tasks = list(Path(f"/proc/{pid}/task").iterdir())
    return ProcessUsage(
        at_s=time.monotonic(),
        rss=process["VmRSS"],
        peak=process["VmHWM"],
        threads=process["Threads"],
        wake_ups=sum(_status(task / "status")["voluntary_ctxt_switches"] for task in tasks),
        cpu_ns=sum(int((task / "schedstat").read_text().split()[0]) for task in tasks),
    )


def _status(path: Path) -> dict[str, int]:
    pairs = (line.split(":") for line in path.read_text().splitlines())
    return {name: int(value.split()[0]) for name, value in pairs if value.split()[:1] and value.split()[0].isdigit()}


@contextmanager
def grpc_receiver() -> Iterator[str]:
    """Accepts every call; yields its endpoint."""
    services = {"logs": "LogsService", "metrics": "MetricsService"}
    accept = grpc.unary_unary_rpc_method_handler(lambda _request, _context: b"")
    server = grpc.server(ThreadPoolExecutor(4))
    for kind, service in services.items():
        name = f"opentelemetry.proto.collector.{kind}.v1.{service}"
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(name, {"Export": accept}),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.stop(0).wait()


@contextmanager
def process(arguments: list[str], settings: dict[str, str]) -> Iterator[int]:
    """One of the processes that are compared; yields its pid."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    command = [sys.executable, *arguments]
    with subprocess.Popen(command, env={**clean, **settings}) as child:  # noqa: S603 its own words
        try:
            yield child.pid
        finally:
            child.kill()


def main(idle_s: float, settle_s: float = _SETTLE_S) -> None:
    """Measure and print."""
    agent, sdk = ["-m", "otel_oom", "run"], str(Path(__file__).with_name("bare_sdk.py"))
    with ExitStack() as stack:
        http = stack.enter_context(Receiver()).endpoint
        grpc_at = stack.enter_context(grpc_receiver())
        spools = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        ways = {
            "otel-oom, HTTP, spool": (agent, "http/protobuf", http, str(spools / "http")),
            "otel-oom, HTTP, no spool": (agent, "http/protobuf", http, "none"),
            "SDK alone, HTTP": ([sdk, "http"], "http/protobuf", http, ""),
            "otel-oom, gRPC, spool": (agent, "grpc", grpc_at, str(spools / "grpc")),
            "SDK alone, gRPC": ([sdk, "grpc"], "grpc", grpc_at, ""),
        }
        pids = {}
        for way, (arguments, protocol, endpoint, spool) in ways.items():
            settings = {"OTEL_EXPORTER_OTLP_PROTOCOL": protocol, "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint}
            pids[way] = stack.enter_context(process(arguments, {**settings, "OTEL_OOM_SPOOL": spool}))
        time.sleep(settle_s)
        try:
            before = {way: usage_of(pid) for way, pid in pids.items()}
            time.sleep(idle_s)
            after = {way: usage_of(pid) for way, pid in pids.items()}
        except (OSError, KeyError):
            sys.exit("a process has ended: can /dev/kmsg be read here?")
    print(f"idle for {idle_s:.0f} s, side by side\n")
    print(f"{'':<26}{'RSS MiB':>9}{'peak MiB':>10}{'threads':>9}{'wake-ups/min':>14}{'% of a core':>13}")
    for way, end in after.items():
        begin = before[way]
        took_s = end.at_s - begin.at_s
        wake_ups = (end.wake_ups - begin.wake_ups) * 60 / took_s
        cpu = (end.cpu_ns - begin.cpu_ns) / 1e9 / took_s * 100
        print(f"{way:<26}{end.rss / 1024:>9.1f}{end.peak / 1024:>10.1f}{end.threads:>9}{wake_ups:>14.1f}{cpu:>13.4f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--idle", type=float, default=30.0, metavar="SECONDS", help="how long to look (30)")
    parser.add_argument("--settle", type=float, default=_SETTLE_S, metavar="SECONDS", help="wait before it (5)")
    options = parser.parse_args()
    main(options.idle, options.settle)
