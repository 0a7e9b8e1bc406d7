"""A storm of kills in a log that user space floods: every lost record and every lost kill is counted.

The judges are the kernel's own counter and the sequence numbers of the log. An independent reader in another process
reports which records and kills it saw.
"""

from __future__ import annotations

import json
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
from disk import log_flood
from disk.scene import HEARTBEAT_MS, STORM
from support import real_kills, received_telemetry
from support.agents import RECONCILED_S, AgentProcess
from support.kernel_judge import kill_uid
from support.kernel_log import RawRecord, last_sequence, raw_record
from support.otlp_receiver import OtlpReceiver
from support.waiting import eventually

from otel_oom import schema
from otel_oom.demo.kill_sandbox import Sandbox

LINES_PER_S = 20_000
FLOOD_S = 2.0 + STORM / 100
PAUSE_S = 0.5
ANOTHER_COMPARISON_S = 5.5
QUIET_S = 5 * HEARTBEAT_MS / 1000

PROGRAM = [sys.executable, "-I", log_flood.__file__]


@dataclass(frozen=True)
class Seen:
    """What the independent reader saw, and the increase of the kernel's counter meanwhile."""

    written: int
    seconds: float
    read: int
    last: int
    overruns: int
    kills: list[RawRecord]
    counted: int


@contextmanager
def watching() -> Iterator[list[dict[str, Any]]]:
    """The independent reader. When the context ends, its report is appended to the list."""
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
    """Kills in the middle of a flood. pauses: how often the agent is stopped shortly, so that it loses records."""
    counted = real_kills.oom_kill_count()
    with watching() as said:
        with log_flood.without_limit():
            began_s = time.monotonic()
            command = [*PROGRAM, "flood", str(LINES_PER_S), str(FLOOD_S)]
            with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as flood:
                time.sleep(0.3)
                kills = STORM // (pauses + 1)
                real_kills.kill(made, STORM - pauses * kills, parallel=2)
                for _ in range(pauses):
                    agent.process.send_signal(signal.SIGSTOP)
                    real_kills.kill(made, kills, parallel=2)
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
        kills=[raw_record(raw) for raw in seen["kills"]],
        counted=real_kills.oom_kill_count() - counted,
    )


def test_a_storm_in_a_flood(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with real_kills.sandbox() as made, OtlpReceiver("http/protobuf") as receiver:
        variables = {**receiver.settings, "OTEL_METRIC_EXPORT_INTERVAL": str(HEARTBEAT_MS)}
        with AgentProcess(tmp_path, variables) as agent:
            receiver.exports(1)

            def outcome(name: schema.RecordOutcome) -> int:
                return int(received_telemetry.newest_value(receiver, schema.RECORDS, name) or 0)

            def passed() -> int:
                return outcome("read") + outcome("lost")

            def quiet() -> tuple[int, int] | None:
                """The last sequence of the log, and the number of records that the agent has passed by then."""
                before = last_sequence()
                time.sleep(QUIET_S)
                return (before, passed()) if last_sequence() == before else None

            begin = eventually(quiet, within_s=30)
            assert begin
            begin_sequence, begin_passed = begin
            counted = real_kills.oom_kill_count()
            storms = [storm_in_a_flood(made, agent, pauses=0)]
            time.sleep(QUIET_S)
            lost_at_first = outcome("lost")
            storms.append(storm_in_a_flood(made, agent, pauses=2))
            total = real_kills.oom_kill_count() - counted
            assert total == 2 * STORM == sum(one.counted for one in storms)

            # Every record up to the last one was read or counted as lost.
            eventually(lambda: passed() - begin_passed == last_sequence() - begin_sequence, within_s=20)
            assert passed() - begin_passed == last_sequence() - begin_sequence
            assert last_sequence() >= storms[-1].last
            lost = outcome("lost")
            assert lost > 0, "an agent that was stopped in a flood loses records"
            assert received_telemetry.sum_of_counts(receiver, schema.RECORDS_LOST) == lost

            eventually(lambda: published(receiver) == total, within_s=2 * RECONCILED_S)
            time.sleep(ANOTHER_COMPARISON_S)  # it may publish nothing more
            unaccounted = received_telemetry.newest_value(receiver, schema.UNACCOUNTED_KILLS) or 0
            received = received_telemetry.uids(receiver)
            with capsys.disabled():
                for one in storms:
                    print(  # noqa: T201
                        f"\n| {one.written / one.seconds:.0f} lines/s for {one.seconds:.1f} s | vmstat +{one.counted} "
                        f"| the judge read {one.read} records, {len(one.kills)} kills, {one.overruns} overruns |"
                    )
                losses = f"| lost {lost_at_first} without a pause, {lost} in all "
                print(f"{losses}| received {len(received)} | unaccounted {unaccounted} | vmstat +{total} |")  # noqa: T201
            assert len(received) + unaccounted == total
            assert received_telemetry.newest_value(receiver, schema.KILLS, "cgroup") == len(received)
            assert received_telemetry.sum_of_counts(receiver, schema.UNACCOUNTED) == unaccounted
            assert agent.terminate() == 0

        if not any(one.overruns for one in storms):
            there = {kill_uid(line) for one in storms for line in one.kills}
            assert len(there) == total
            assert received <= there


def published(receiver: OtlpReceiver) -> int:
    """Kills that were accepted, and kills that were published as unaccounted."""
    return len(received_telemetry.uids(receiver)) + (
        received_telemetry.newest_value(receiver, schema.UNACCOUNTED_KILLS) or 0
    )
