"""A storm of kills in a log that user space floods: whatever is lost is counted, record by record and kill by kill.

The kernel's own counter, and the sequence numbers of the log, are the judges: a reader in a process of its own says
what there was to see, and from which record to which.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from crash import ledger
from crash.judge import uid_of
from disk import lines
from disk.scene import HEARTBEAT_MS, STORM
from support import kernel
from support.agents import AgentProcess
from support.kernel import RawRecord, eventually
from support.otlp_receiver import OtlpReceiver

from otel_oom import schema
from otel_oom.demo.kill_sandbox import Sandbox

LINES_PER_S = 20_000
FLOOD_S = 2.0 + STORM / 100
PAUSE_S = 0.5
TWO_LOOKS_S = 11.0
ONE_MORE_S = 5.5
QUIET_S = 5 * HEARTBEAT_MS / 1000

PROGRAM = [sys.executable, "-I", lines.__file__]


@dataclass(frozen=True)
class Seen:
    """What the independent reader saw, and by how much the kernel's counter moved meanwhile."""

    written: int
    seconds: float
    read: int
    last: int
    overruns: int
    kills: list[RawRecord]
    counted: int


def record(raw: str) -> RawRecord:
    head, _, text = raw.partition(";")
    priority, sequence, timestamp_us = head.split(",")[:3]
    return RawRecord(int(priority), int(sequence), int(timestamp_us), text)


@contextmanager
def watching() -> Iterator[list[dict[str, Any]]]:
    """Fills the list when the context ends."""
    said: list[dict[str, Any]] = []
    with subprocess.Popen([*PROGRAM, "watch"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "watching\n"
            yield said
            text, _ = process.communicate()
            said.append(json.loads(text))
        finally:
            process.kill()


def storm_in_a_flood(made: Sandbox, agent: AgentProcess, pauses: int) -> Seen:
    """Kills in the middle of a flood. pauses: how often the agent is stopped for a moment, so that it loses some."""
    counted = kernel.oom_kill()
    with watching() as said:
        with lines.without_limit():
            began_s = time.monotonic()
            command = [*PROGRAM, "flood", str(LINES_PER_S), str(FLOOD_S)]
            with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as flood:
                time.sleep(0.3)
                kills = STORM // (pauses + 1)
                kernel.kill(made, STORM - pauses * kills, parallel=2)
                for _ in range(pauses):
                    agent.process.send_signal(signal.SIGSTOP)
                    kernel.kill(made, kills, parallel=2)
                    time.sleep(PAUSE_S)
                    agent.process.send_signal(signal.SIGCONT)
                text, _ = flood.communicate()
                seconds = time.monotonic() - began_s
        time.sleep(0.2)
    (seen,) = said
    return Seen(
        written=int(text),
        seconds=seconds,
        read=seen["read"],
        last=seen["last"],
        overruns=seen["overruns"],
        kills=[record(raw) for raw in seen["kills"]],
        counted=kernel.oom_kill() - counted,
    )


def last_sequence() -> int:
    """Of the newest record of the log."""
    fd = os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK)
    sequence = -1
    try:
        while True:
            sequence = int(os.read(fd, 8192).split(b",")[1])
    except BlockingIOError:
        return sequence
    finally:
        os.close(fd)


def test_a_storm_in_a_flood(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    variables = {"OTEL_METRIC_EXPORT_INTERVAL": str(HEARTBEAT_MS)}
    with kernel.sandbox() as made, OtlpReceiver("http/protobuf") as receiver:
        variables["OTEL_EXPORTER_OTLP_ENDPOINT"] = receiver.endpoint
        with AgentProcess(tmp_path, variables) as agent:
            receiver.exports(1)

            def outcome(name: schema.RecordOutcome) -> int:
                return ledger.last(receiver, schema.RECORDS, name) or 0

            def passed() -> int:
                return outcome("read") + outcome("lost")

            def quiet() -> tuple[int, int] | None:
                """Last sequence of the log, and the records that the agent has passed by then."""
                before = last_sequence()
                time.sleep(QUIET_S)
                return (before, passed()) if last_sequence() == before else None

            begin = eventually(quiet, within_s=30)
            assert begin
            begin_sequence, begin_passed = begin
            counted = kernel.oom_kill()
            storms = [storm_in_a_flood(made, agent, pauses=0)]
            time.sleep(QUIET_S)
            lost_at_first = outcome("lost")
            storms.append(storm_in_a_flood(made, agent, pauses=2))
            total = kernel.oom_kill() - counted
            assert total == 2 * STORM == sum(one.counted for one in storms)

            # Every record up to the last one was read or counted as lost.
            eventually(lambda: passed() - begin_passed == last_sequence() - begin_sequence, within_s=20)
            assert passed() - begin_passed == last_sequence() - begin_sequence
            assert last_sequence() >= storms[-1].last
            lost = outcome("lost")
            assert lost > 0, "an agent that was stopped in a flood loses some"
            assert ledger.total(receiver, schema.RECORDS_LOST) == lost

            eventually(lambda: told(receiver) == total, within_s=2 * TWO_LOOKS_S)
            time.sleep(ONE_MORE_S)  # nothing may follow at the next look
            unaccounted = ledger.last(receiver, schema.UNACCOUNTED_KILLS) or 0
            received = ledger.uids(receiver)
            with capsys.disabled():
                for one in storms:
                    print(  # noqa: T201
                        f"\n| {one.written / one.seconds:.0f} lines/s for {one.seconds:.1f} s | vmstat +{one.counted} "
                        f"| the judge read {one.read} records, {len(one.kills)} kills, {one.overruns} overruns |"
                    )
                losses = f"| lost {lost_at_first} without a pause, {lost} in all "
                print(f"{losses}| received {len(received)} | unaccounted {unaccounted} | vmstat +{total} |")  # noqa: T201
            assert len(received) + unaccounted == total
            assert ledger.last(receiver, schema.KILLS, "cgroup") == len(received)
            assert ledger.total(receiver, schema.UNACCOUNTED) == unaccounted
            assert agent.terminate() == 0

        if not any(one.overruns for one in storms):
            there = {uid_of(line) for one in storms for line in one.kills}
            assert len(there) == total
            assert received <= there


def told(receiver: OtlpReceiver) -> int:
    return len(ledger.uids(receiver)) + (ledger.last(receiver, schema.UNACCOUNTED_KILLS) or 0)
