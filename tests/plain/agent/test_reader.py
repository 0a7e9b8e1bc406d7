"""The reader alone: where it stops, and what it counts."""

from __future__ import annotations

import pytest
from support.agent_rig import IDENTITY, kill, line
from support.sources import Script

from otel_oom.agent.reader import Drained, More, Reader
from otel_oom.health import Health
from otel_oom.kernel import oom_lines
from otel_oom.kernel.device import Closed, Lost, Reading


def reader(*readings: Reading | bytes, first_uncounted: int = 0, until: float = float("inf")) -> Reader:
    source = Script()
    source.put(*readings)
    return Reader(source, Health(), IDENTITY, first_uncounted=first_uncounted, until=until)


def sequences(one: Reader) -> list[int]:
    return [finding.record.sequence for finding in one.batch.findings]


def test_a_burst_says_what_ended_it() -> None:
    flood = [line("usb 1-1: new device", number) for number in range(1, 1_500)]
    one = reader(*flood, Closed("gone"))
    assert (one.burst(), one.burst(), one.burst()) == (More(), Closed("gone"), Drained())


def test_it_stops_before_the_first_record_of_another_reader() -> None:
    one = reader(kill(78), kill(79), kill(80), kill(81), until=80)
    assert one.burst() == Drained()
    assert (sequences(one), one.kill_lines) == ([78, 79], 2)


@pytest.mark.parametrize(
    ("lost", "expected"),
    [
        pytest.param(Lost(5, 9, 74), 4, id="the first of them was counted"),
        pytest.param(Lost(3, 9, 78), 2, id="the last of them is another reader's"),
        pytest.param(Lost(20, 9, 70), 5, id="both"),
        pytest.param(Lost(5, 9, 80), 0, id="all of them are another reader's"),
    ],
)
def test_a_loss_is_what_this_reader_would_have_read(lost: Lost, expected: int) -> None:
    one = reader(lost, first_uncounted=75, until=80)
    one.burst()
    assert one.batch.lost == expected


def test_a_batch_stays_until_it_is_cleared() -> None:
    one = reader(kill(1), Lost(2, 9, 2), kill(4))
    one.burst()
    first = one.batch
    assert (one.batch, first.lost, sequences(one)) == (first, 2, [1, 4])
    one.clear_batch()
    assert (one.batch.findings, one.batch.lost, one.kill_lines) == ((), 0, 2)


def test_nothing_is_read_behind_a_fork_before_the_batch_is_cleared() -> None:
    one = reader(kill(1), line(oom_lines.FORKED, 2, 5), kill(3))
    assert (one.burst(), one.burst(), sequences(one), one.batch.is_forked) == (More(), More(), [1], True)
    one.clear_batch()
    assert (one.burst(), sequences(one), one.batch.is_forked) == (Drained(), [3], False)


@pytest.mark.timeout(20)
def test_reading_everything_does_not_stop_at_a_fork() -> None:
    one = reader(kill(1), line(oom_lines.FORKED, 2, 5), kill(3))
    batch = one.read_all()
    assert ([finding.record.sequence for finding in batch.findings], batch.is_forked) == ([1, 3], False)
