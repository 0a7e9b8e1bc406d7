"""The ring is overrun while the agent cannot read: what is lost is exact, is said, and no total is counted again.

What is compared: `increase()` as Prometheus computes it over all accepted points of a series, with the kills that were
received; the same of `oom.unaccounted_kills`, with the kills whose lines were overwritten; and the two together with
what the kernel's own counter moved by.
"""

from __future__ import annotations

import signal
import time
from pathlib import Path

from crash import ledger, load
from crash.judge import Judge, first_sequence, judging, uid_of, write_line
from support import kernel
from support.agents import AgentProcess
from support.kernel import eventually
from support.levels import missing
from support.otlp_receiver import OtlpReceiver

from otel_oom import schema
from otel_oom.demo.kill_sandbox import Sandbox

FIRST, STORM, AFTER, LATER = 5, 40, 10, 3
LOST_AT_LEAST = 1_900  # as much as a ring of 128 KiB holds
LINES_AT_MOST = 100_000
HEARTBEAT_MS = 200  # the cursor is committed at each
TWO_LOOKS_S = 11.0


def test_an_agent_that_was_killed_begins_anew_after_the_gap(tmp_path: Path) -> None:
    with kernel.sandbox() as made, OtlpReceiver("http/protobuf") as receiver, judging() as judge:
        variables = load.settings(receiver, tmp_path, HEARTBEAT_MS)
        with AgentProcess(tmp_path, variables):  # leaving the context is a SIGKILL
            read_up_to = watch(receiver, judge, made)
        overrun(judge, made, read_up_to)
        with AgentProcess(tmp_path, variables):
            assert_all_is_told(receiver, judge, made, read_up_to)
    totals = ledger.points(receiver, schema.KILLS, "cgroup")
    starts_ns = [point.start_ns for point in totals]
    assert starts_ns == sorted(starts_ns)
    assert len(set(starts_ns)) == 2, "one reset"
    anew = [point.value for point in totals if point.start_ns == starts_ns[-1]]
    assert (anew[0], anew[-1]) == (0, AFTER + LATER)


def test_an_agent_that_was_stopped_goes_on_after_the_gap(tmp_path: Path) -> None:
    with (
        kernel.sandbox() as made,
        OtlpReceiver("grpc") as receiver,
        judging() as judge,
        AgentProcess(tmp_path, load.settings(receiver, tmp_path, HEARTBEAT_MS)) as agent,
    ):
        read_up_to = watch(receiver, judge, made)
        agent.process.send_signal(signal.SIGSTOP)
        overrun(judge, made, read_up_to)
        agent.process.send_signal(signal.SIGCONT)
        assert_all_is_told(receiver, judge, made, read_up_to)
    totals = ledger.points(receiver, schema.KILLS, "cgroup")
    assert len({point.start_ns for point in totals}) == 1, "no reset: it was the same agent all the time"
    assert totals[-1].value == FIRST + AFTER + LATER


def watch(receiver: OtlpReceiver, judge: Judge, made: Sandbox) -> int:
    """The first kills, delivered; returns the sequence number up to which the agent has read and committed."""
    receiver.exports(1)
    kernel.kill(made, FIRST)
    assert eventually(lambda: ledger.last(receiver, schema.KILLS, "cgroup") == FIRST)

    def end_of_quiet() -> int:
        before = judge.last_sequence
        time.sleep(10 * HEARTBEAT_MS / 1000)
        return before if before == judge.last_sequence else 0

    read_up_to = eventually(end_of_quiet, within_s=30)
    assert read_up_to, "the kernel log is never quiet"
    return read_up_to


def overrun(judge: Judge, made: Sandbox, read_up_to: int) -> None:
    """A storm of kills, all of which is overwritten by lines of user space, and kills after it that stay."""
    kernel.kill(made, STORM, parallel=2)
    to_overwrite = max(judge.last_sequence, read_up_to + LOST_AT_LEAST)
    for number in range(LINES_AT_MOST):
        write_line(f"otel-oom test: filling the ring, line {number}")
        if number % 100 == 0:
            judge.drain()
            if first_sequence() > to_overwrite:
                kernel.kill(made, AFTER)
                judge.drain()
                return
    missing("kernel", f"the ring holds more than {LINES_AT_MOST} lines (log_buf_len)")


def assert_all_is_told(receiver: OtlpReceiver, judge: Judge, made: Sandbox, read_up_to: int) -> None:
    """The agent may read again, or is about to start: what it could not read is told, the rest is delivered."""
    first = first_sequence()
    readable = {uid_of(line) for line in judge.kills if line.sequence <= read_up_to or line.sequence >= first}
    assert len(readable) == FIRST + AFTER

    assert eventually(lambda: ledger.delivered(receiver, schema.RECORDS_LOST))
    assert eventually(lambda: ledger.uids(receiver) >= readable)
    # Equal, but for what the kernel itself may have had to say in this second.
    assert first <= read_up_to + 1 + ledger.total(receiver, schema.RECORDS_LOST) <= first_sequence()

    kernel.kill(made, LATER)
    eventually(lambda: ledger.last(receiver, schema.UNACCOUNTED_KILLS) == STORM, within_s=20)
    time.sleep(TWO_LOOKS_S)  # nothing may follow
    kills = ledger.increase(ledger.points(receiver, schema.KILLS, "cgroup"))
    unaccounted = ledger.increase(ledger.points(receiver, schema.UNACCOUNTED_KILLS))
    received = ledger.uids(receiver)
    assert received == readable | {uid_of(line) for line in judge.kills[-LATER:]}
    assert kills == len(received) == FIRST + AFTER + LATER
    assert unaccounted == STORM == ledger.total(receiver, schema.UNACCOUNTED)
    assert judge.counted == len(judge.kills) == kills + unaccounted
    assert len(ledger.delivered(receiver, schema.RECORDS_LOST)) == 1
