"""A long outage of a collector: the queue arrives in order, soon and fast, without a storm of connection attempts.

OTEL_OOM_OUTAGE_S: length of the outage, seconds (10; the long form has 600).
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest
from faults.backlog import uid
from faults.network import Network
from support import otlp_decoding
from support.agents import environment
from support.otlp_receiver import OtlpReceiver, Protocol
from support.waiting import eventually

from otel_oom import schema

OUTAGE_S = float(os.environ.get("OTEL_OOM_OUTAGE_S", "10"))
EVENTS = 10_000
FIRST_S = 1.5
EVENTS_PER_S = 2_000
ATTEMPTS_PER_S = 6.0
"""Two signals, each with a mean pause of half a second."""
QUEUE_MIB = 24.0
"""A queue of 8 MiB in wire format takes 14 MiB as Python objects; the rest is for everything else."""


@pytest.mark.timeout(120 + 2 * OUTAGE_S)
@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
def test_ten_thousand_events_drain_after_an_outage(
    protocol: Protocol, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Network() as network, network.loopback(), OtlpReceiver(protocol) as receiver:
        with backlog(receiver, tmp_path) as program:
            receiver.exports(1)
            idle_mib = memory_mib(program.pid)
            receiver.stop()
            failed = failed_attempts(program.pid)
            say(program, str(EVENTS))
            assert hear(program) == "queued"
            time.sleep(OUTAGE_S)
            queued_mib = memory_mib(program.pid)
            attempts = failed_attempts(program.pid) - failed

            began_s = time.monotonic()
            receiver.start()
            receiver.wait(lambda: received(receiver) >= EVENTS, within_s=60.0)
            assert eventually(lambda: receiver.accepted("metrics")[-1].values(schema.KILLS.name)["cgroup"] == EVENTS)
            drained_mib = memory_mib(program.pid)
        first, *_, last = receiver.accepted("logs")
        first_s = first.arrived_s - began_s
        per_s = (EVENTS - len(first.uids)) / (last.arrived_s - first.arrived_s)
        with capsys.disabled():
            print(  # noqa: T201 the result of the long form is recorded
                f"\n| {protocol} | {OUTAGE_S:.0f} s | first after {first_s:.2f} s | {per_s:.0f} events/s | "
                f"{attempts} attempts | {idle_mib:.1f}, {queued_mib:.1f}, {drained_mib:.1f} MiB |"
            )
        assert receiver.delivered == [uid(number) for number in range(EVENTS)]
        assert first_s < FIRST_S
        assert per_s >= EVENTS_PER_S
        assert OUTAGE_S / 2 < attempts < 10 + ATTEMPTS_PER_S * OUTAGE_S
        assert queued_mib - idle_mib < QUEUE_MIB
        assert drained_mib - queued_mib < QUEUE_MIB / 4, "a request is small, whatever the queue"


def received(receiver: OtlpReceiver) -> int:
    """The number of accepted log records."""
    return sum(otlp_decoding.log_record_count(request.message) for request in receiver.accepted("logs"))


@contextmanager
def backlog(receiver: OtlpReceiver, directory: Path) -> Iterator[subprocess.Popen[str]]:
    variables = {
        **receiver.settings,
        "OTEL_METRIC_EXPORT_INTERVAL": "1000",
        "OTEL_OOM_SPOOL": str(directory / "spool"),
        "PYTHONPATH": "tests",
    }
    command = [sys.executable, "-m", "faults.backlog"]
    with subprocess.Popen(
        command, env=environment(**variables), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as program:
        try:
            assert hear(program) == "ready"
            yield program
        finally:
            _end(program.stdin).close()
            program.wait(10)


def say(program: subprocess.Popen[str], line: str) -> None:
    stdin = _end(program.stdin)
    stdin.write(f"{line}\n")
    stdin.flush()


def hear(program: subprocess.Popen[str]) -> str:
    return _end(program.stdout).readline().strip()


def _end(pipe: IO[str] | None) -> IO[str]:
    assert pipe is not None
    return pipe


def memory_mib(pid: int) -> float:
    """Resident memory of a process."""
    lines = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return int(lines["VmRSS"].split()[0]) / 1024


def failed_attempts(pid: int) -> int:
    """Failed connection attempts in a process's network namespace, by the kernel's own count."""
    names, values = [
        line.split() for line in Path(f"/proc/{pid}/net/snmp").read_text().splitlines() if line.startswith("Tcp:")
    ]
    return int(values[names.index("AttemptFails")])
