"""SIGKILLs at random moments, under real kills and outages of the receiver: no kill is lost or counted twice."""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import astuple, dataclass
from pathlib import Path
from random import Random

import pytest
from crash import load
from crash.random_moments import CRASHES, seed, show
from support import real_kills, received_telemetry
from support.agents import RECONCILED_S, AgentProcess
from support.kernel_judge import Judge, judging
from support.otlp_decoding import DataPoint, LogRecord
from support.otlp_receiver import OtlpReceiver, Protocol
from support.repeating_thread import repeating
from support.waiting import eventually

from otel_oom import schema


@dataclass(frozen=True)
class Row:
    """The result of a run, in the order of the columns."""

    protocol: str
    kills: int
    sigkills: int
    receiver_restarts: int
    records_received: int
    distinct_uids: int
    lost: int
    last_cumulative: int
    seconds: int
    seed: int


@pytest.mark.timeout(120 + 4 * CRASHES)
@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
def test_sigkills_lose_nothing_and_count_nothing_twice(
    protocol: Protocol, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    began_s, number = time.monotonic(), seed()
    with real_kills.sandbox() as made, OtlpReceiver(protocol) as receiver, judging() as judge:
        outages = load.Outages(receiver, Random(f"{number} outages"))
        kills = load.PacedKills(made, Random(f"{number} kills"))
        chance = Random(f"{number} crashes")
        variables = load.settings(receiver, tmp_path)
        with ExitStack() as under_load:
            with AgentProcess(tmp_path, variables):  # leaving the context is a SIGKILL
                receiver.exports(1)
                under_load.enter_context(repeating(kills.step))
                under_load.enter_context(repeating(outages.step))
                time.sleep(chance.uniform(0.0, 1.5))
            for _ in range(CRASHES - 1):
                load.crash(tmp_path, variables, chance)
        finish(receiver, judge, tmp_path, variables)
        records = received_telemetry.records(receiver)
        uids = {record.uid for record in records}
        row = Row(
            protocol=protocol,
            kills=judge.counted,
            sigkills=CRASHES,
            receiver_restarts=outages.restarts,
            records_received=len(records),
            distinct_uids=len(uids),
            lost=len(judge.uids - uids),
            last_cumulative=received_telemetry.newest_value(receiver, schema.KILLS, "cgroup") or 0,
            seconds=round(time.monotonic() - began_s),
            seed=number,
        )
        show(capsys, *astuple(row))

        assert judge.uids == uids
        assert judge.counted == len(judge.kills) == len(uids)
        assert_repeats_are_equal(records)
        assert len(records) < 2 * len(uids), "repeats are the exception"
        assert_one_series_without_a_reset(received_telemetry.points(receiver, schema.KILLS, "cgroup"), judge.counted)
        assert {point.value for point in received_telemetry.points(receiver, schema.KILLS, "system")} == {0}
        assert {point.value for point in received_telemetry.points(receiver, schema.UNACCOUNTED_KILLS)} == {0}
        assert received_telemetry.records(receiver, schema.UNACCOUNTED) == []
        assert received_telemetry.records(receiver, schema.RECORDS_LOST) == []
        # The run had what it is for: a backlog, and outages.
        assert any(schema.BACKLOG.name in record.attributes for record in records)
        assert outages.restarts > 0


def finish(receiver: OtlpReceiver, judge: Judge, directory: Path, variables: dict[str, str]) -> None:
    """The receiver stays up. A last agent delivers what is left, compares the kernel's counter twice, and stops."""

    def is_done() -> bool:
        total = received_telemetry.newest_value(receiver, schema.KILLS, "cgroup")
        queued = received_telemetry.newest_value(receiver, schema.SPOOL_SIZE)
        return (total, queued) == (judge.counted, 0)

    with AgentProcess(directory, variables) as agent:
        eventually(is_done, within_s=30)  # if it is not, the assertions on the whole run say more
        time.sleep(RECONCILED_S)
        assert agent.terminate() == 0


def assert_repeats_are_equal(records: list[LogRecord]) -> None:
    first: dict[str, LogRecord] = {}
    for record in records:
        same = first.setdefault(record.uid, record)
        assert received_telemetry.stable_content(same) == received_telemetry.stable_content(record)


def assert_one_series_without_a_reset(series: list[DataPoint], kills: int) -> None:
    """Points in the order in which they were accepted."""
    assert len({(point.instance, point.start_time_unix_nano) for point in series}) == 1
    times, values = [point.time_unix_nano for point in series], [point.value for point in series]
    assert times == sorted(set(times)), "the times strictly increase"
    assert values == sorted(values), "the values never decrease"
    assert (values[0], values[-1]) == (0, kills)
    assert received_telemetry.increase(series) == kills
