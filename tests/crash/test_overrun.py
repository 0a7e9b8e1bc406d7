"""The ring is overrun while the agent cannot read: the loss is exact and reported, and no kill is counted twice.

`increase()` is computed as Prometheus does it, over all accepted points of a series. Of `oom.kills` it must be the
number of kills that were received. Of `oom.unaccounted_kills` it must be the number of kills whose lines were
overwritten. The sum must be the increase of the kernel's own counter.
"""

from __future__ import annotations

import signal
import time
from pathlib import Path

from crash import load
from support import real_kills, received_telemetry
from support.agents import RECONCILED_S, AgentProcess
from support.kernel_judge import Judge, judging, kill_uid
from support.kernel_log import first_sequence, write_line
from support.levels import missing
from support.otlp_receiver import OtlpReceiver
from support.waiting import eventually

from otel_oom import schema
from otel_oom.demo.kill_sandbox import Sandbox

FIRST, STORM, AFTER, LATER = 5, 40, 10, 3
LOST_AT_LEAST = 1_900  # as much as a ring of 128 KiB holds
LINES_AT_MOST = 100_000
HEARTBEAT_MS = 200  # each heartbeat stores the cursor


def test_an_agent_that_was_killed_resets_its_totals_after_the_gap(tmp_path: Path) -> None:
    with real_kills.sandbox() as made, OtlpReceiver("http/protobuf") as receiver, judging() as judge:
        variables = load.settings(receiver, tmp_path, HEARTBEAT_MS)
        with AgentProcess(tmp_path, variables):  # leaving the context is a SIGKILL
            read_up_to = watch(receiver, judge, made)
        overrun(judge, made, read_up_to)
        with AgentProcess(tmp_path, variables):
            assert_all_is_accounted_for(receiver, judge, made, read_up_to)
    totals = received_telemetry.points(receiver, schema.KILLS, "cgroup")
    starts_ns = [point.start_time_unix_nano for point in totals]
    assert starts_ns == sorted(starts_ns)
    assert len(set(starts_ns)) == 2, "one reset"
    second = [point.value for point in totals if point.start_time_unix_nano == starts_ns[-1]]
    assert (second[0], second[-1]) == (0, AFTER + LATER)


def test_an_agent_that_was_stopped_keeps_its_totals_after_the_gap(tmp_path: Path) -> None:
    with (
        real_kills.sandbox() as made,
        OtlpReceiver("grpc") as receiver,
        judging() as judge,
        AgentProcess(tmp_path, load.settings(receiver, tmp_path, HEARTBEAT_MS)) as agent,
    ):
        read_up_to = watch(receiver, judge, made)
        agent.process.send_signal(signal.SIGSTOP)
        overrun(judge, made, read_up_to)
        agent.process.send_signal(signal.SIGCONT)
        assert_all_is_accounted_for(receiver, judge, made, read_up_to)
    totals = received_telemetry.points(receiver, schema.KILLS, "cgroup")
    assert len({point.start_time_unix_nano for point in totals}) == 1, "no reset: it is the same process"
    assert totals[-1].value == FIRST + AFTER + LATER


def watch(receiver: OtlpReceiver, judge: Judge, made: Sandbox) -> int:
    """Deliver the first kills; returns the sequence number up to which the agent has read and stored its cursor."""
    receiver.exports(1)
    real_kills.kill(made, FIRST)
    assert eventually(lambda: received_telemetry.newest_value(receiver, schema.KILLS, "cgroup") == FIRST)

    def end_of_quiet() -> int:
        before = judge.last_sequence
        time.sleep(10 * HEARTBEAT_MS / 1000)
        return before if before == judge.last_sequence else 0

    read_up_to = eventually(end_of_quiet, within_s=30)
    assert read_up_to, "the kernel log is never quiet"
    return read_up_to


def overrun(judge: Judge, made: Sandbox, read_up_to: int) -> None:
    """A storm of kills, all overwritten by lines of user space, and later kills that the ring keeps."""
    real_kills.kill(made, STORM, parallel=2)
    to_overwrite = max(judge.last_sequence, read_up_to + LOST_AT_LEAST)
    for number in range(LINES_AT_MOST):
        write_line(f"otel-oom test: filling the ring, line {number}")
        if number % 100 == 0:
            judge.drain()
            if first_sequence() > to_overwrite:
                real_kills.kill(made, AFTER)
                judge.drain()
                return
    missing("kernel", f"the ring holds more than {LINES_AT_MOST} lines (log_buf_len)")


def assert_all_is_accounted_for(receiver: OtlpReceiver, judge: Judge, made: Sandbox, read_up_to: int) -> None:
    """The agent can read again, or starts: it reports what it could not read, and delivers the rest."""
    first = first_sequence()
    readable = {kill_uid(line) for line in judge.kills if line.sequence <= read_up_to or line.sequence >= first}
    assert len(readable) == FIRST + AFTER

    assert eventually(lambda: received_telemetry.records(receiver, schema.RECORDS_LOST))
    assert eventually(lambda: received_telemetry.uids(receiver) >= readable)
    # Equal, except for records that the kernel itself printed in this second.
    assert first <= read_up_to + 1 + received_telemetry.sum_of_counts(receiver, schema.RECORDS_LOST) <= first_sequence()

    real_kills.kill(made, LATER)
    eventually(lambda: received_telemetry.newest_value(receiver, schema.UNACCOUNTED_KILLS) == STORM, within_s=20)
    time.sleep(RECONCILED_S)  # no further one may be published
    kills = received_telemetry.increase(received_telemetry.points(receiver, schema.KILLS, "cgroup"))
    unaccounted = received_telemetry.increase(received_telemetry.points(receiver, schema.UNACCOUNTED_KILLS))
    received = received_telemetry.uids(receiver)
    assert received == readable | {kill_uid(line) for line in judge.kills[-LATER:]}
    assert kills == len(received) == FIRST + AFTER + LATER
    assert unaccounted == STORM == received_telemetry.sum_of_counts(receiver, schema.UNACCOUNTED)
    assert judge.counted == len(judge.kills) == kills + unaccounted
    assert len(received_telemetry.records(receiver, schema.RECORDS_LOST)) == 1
