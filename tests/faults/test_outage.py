"""A collector that is away for long: what was queued arrives in its order, soon and fast, and nobody is stormed.

OTEL_OOM_OUTAGE_S: how long it is away, seconds (10; the long form has 600).
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
from support.agents import environment
from support.kernel import eventually
from support.otlp_receiver import OtlpReceiver, Protocol

from otel_oom import schema

OUTAGE_S = float(os.environ.get("OTEL_OOM_OUTAGE_S", "10"))
EVENTS = 10_000
FIRST_S = 1.5
EVENTS_PER_S = 2_000
ATTEMPTS_PER_S = 6.0
"""Two signals, each with pauses of half a second in the mean."""
QUEUE_MIB = 24.0
"""What a queue of 8 MiB, as the wire has it, may take as objects (14 MiB), and what goes on beside it."""


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
    """How many log records were accepted."""
    return sum(
        len(scope.log_records)
        for request in receiver.accepted("logs")
        for resource in request.message.resource_logs
        for scope in resource.scope_logs
    )


@contextmanager
def backlog(receiver: OtlpReceiver, directory: Path) -> Iterator[subprocess.Popen[str]]:
    variables = {
        "OTEL_EXPORTER_OTLP_PROTOCOL": receiver.protocol,
        "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.endpoint,
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
    """Resident memory."""
    lines = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return int(lines["VmRSS"].split()[0]) / 1024


def failed_attempts(pid: int) -> int:
    """Connections that were tried in vain in a process's network namespace, by the kernel's own count."""
    names, values = [
        line.split() for line in Path(f"/proc/{pid}/net/snmp").read_text().splitlines() if line.startswith("Tcp:")
    ]
    return int(values[names.index("AttemptFails")])
