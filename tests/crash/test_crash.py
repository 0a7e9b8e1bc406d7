"""SIGKILLs at random moments under real kills and a receiver that comes and goes: none lost, none counted twice."""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import astuple, dataclass
from pathlib import Path
from random import Random

import pytest
from crash import ledger, load
from crash.background import repeating
from crash.chance import CRASHES, seed, show
from crash.judge import Judge, judging
from support import kernel
from support.agents import AgentProcess
from support.kernel import eventually
from support.otlp_receiver import OtlpReceiver, Protocol

from otel_oom import schema

TWO_LOOKS_S = 11.0  # the kernel's counter is looked at every 5 s, and a surplus is published when it stands at two


@dataclass(frozen=True)
class Row:
    """What came of a run, in the order of the columns."""

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
    with kernel.sandbox() as made, OtlpReceiver(protocol) as receiver, judging() as judge:
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
        records = ledger.delivered(receiver)
        uids = {record.uid for record in records}
        row = Row(
            protocol=protocol,
            kills=judge.counted,
            sigkills=CRASHES,
            receiver_restarts=outages.restarts,
            records_received=len(records),
            distinct_uids=len(uids),
            lost=len(judge.uids - uids),
            last_cumulative=ledger.last(receiver, schema.KILLS, "cgroup") or 0,
            seconds=round(time.monotonic() - began_s),
            seed=number,
        )
        show(capsys, *astuple(row))

        assert judge.uids == uids
        assert judge.counted == len(judge.kills) == len(uids)
        assert_repeats_are_equal(records)
        assert len(records) < 2 * len(uids), "a repeat is the exception"
        assert_one_series_without_a_reset(ledger.points(receiver, schema.KILLS, "cgroup"), judge.counted)
        assert {point.value for point in ledger.points(receiver, schema.KILLS, "system")} == {0}
        assert {point.value for point in ledger.points(receiver, schema.UNACCOUNTED_KILLS)} == {0}
        assert ledger.delivered(receiver, schema.UNACCOUNTED) == []
        assert ledger.delivered(receiver, schema.RECORDS_LOST) == []
        # What the test is for did happen.
        assert any(schema.BACKLOG.name in record.attributes for record in records)
        assert outages.restarts > 0


def finish(receiver: OtlpReceiver, judge: Judge, directory: Path, variables: dict[str, str]) -> None:
    """The receiver is up for good: a last agent delivers what is left, looks twice at the counter, and stops."""

    def is_done() -> bool:
        is_told = ledger.last(receiver, schema.KILLS, "cgroup") == judge.counted
        return is_told and ledger.last(receiver, schema.SPOOL_EVENTS) == 0

    with AgentProcess(directory, variables) as agent:
        eventually(is_done, within_s=30)  # what is wrong if it is not, the assertions on the whole say better
        time.sleep(TWO_LOOKS_S)
        assert agent.terminate() == 0


def assert_repeats_are_equal(records: list[ledger.Delivered]) -> None:
    first: dict[str, ledger.Delivered] = {}
    for record in records:
        assert first.setdefault(record.uid, record).of_the_kernel == record.of_the_kernel


def assert_one_series_without_a_reset(series: list[ledger.Point], kills: int) -> None:
    """Points in the order in which they were accepted."""
    assert len({(point.instance, point.start_ns) for point in series}) == 1
    times, values = [point.time_ns for point in series], [point.value for point in series]
    assert times == sorted(set(times)), "the times strictly increase"
    assert values == sorted(values), "the values never decrease"
    assert (values[0], values[-1]) == (0, kills)
    assert ledger.increase(series) == kills
