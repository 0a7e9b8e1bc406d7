"""Resident memory of Python processes that import the agent's libraries, each row with those of the rows above it.

It shows which part of the agent's memory is not its own. RSS depends on the machine's load in nothing but chance.

    python benchmarks/import_memory.py
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from statistics import median
from typing import Final

_RUNS: Final = 5

STEPS: Final = {
    "Python alone": "",
    "the standard library's modules that the agent needs": (
        "import argparse, ctypes, dataclasses, ipaddress, json, logging, pathlib, platform, queue, random, select,"
        " socket, threading, urllib.parse, uuid"
    ),
    "psutil": "import psutil",
    "SQLite": "import sqlite3; sqlite3.connect(':memory:').execute('create table a (b)')",
    "protobuf and the messages of OTLP": (
        "import opentelemetry.proto.collector.logs.v1.logs_service_pb2,"
        " opentelemetry.proto.collector.metrics.v1.metrics_service_pb2"
    ),
    "the SDK's log records, metrics and encoders": (
        "import opentelemetry.exporter.otlp.proto.common._log_encoder,"
        " opentelemetry.exporter.otlp.proto.common.metrics_encoder, opentelemetry.sdk._logs.export"
    ),
    "h11": "import h11, opentelemetry.exporter.http.transport",
    "the agent's own modules": (
        "import otel_oom.cli.main, otel_oom.agent.start, otel_oom.spool.writer, otel_oom.otlp.http_exporter"
    ),
    "not used: the SDK's HTTP exporters": "import opentelemetry.exporter.otlp.proto.http._log_exporter",
    "not used without TLS: ssl": "import ssl",
    "over gRPC: grpc": "import grpc",
}
_SHOW: Final = "print(open('/proc/self/status').read().partition('VmRSS:')[2].split()[0])"


def rss_mib(code: str) -> float:
    """Median RSS of processes that run this code."""
    command = [sys.executable, "-c", f"{code}\n{_SHOW}"]
    root = Path(__file__).parent.parent
    runs = []
    for _ in range(_RUNS):
        run = subprocess.run(command, cwd=root, capture_output=True, check=True, text=True)  # noqa: S603 its own words
        runs.append(int(run.stdout))
    return median(runs) / 1024


def main() -> None:
    """Measure and print."""
    code, before = "", 0.0
    print(f"{'':<54}{'RSS MiB':>9}{'more by':>9}")
    for name, step in STEPS.items():
        code += f"\n{step}"
        now = rss_mib(code)
        print(f"{name:<54}{now:>9.1f}{now - before:>9.1f}")
        before = now


if __name__ == "__main__":
    main()
