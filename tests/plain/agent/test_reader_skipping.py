"""Records that the source skips change nothing: neither the findings, nor their number, nor the cursor."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from support.agent_rig import IDENTITY, kill, line
from support.klog import CAPTURES
from support.sources import Script

from otel_oom.agent.read_batch import Drained, More
from otel_oom.agent.reader import Reader
from otel_oom.health import Health
from otel_oom.kernel import oom_lines, vm_fork_line
from otel_oom.kernel.log_source import Item, Reading, Skipped


class Skipping(Script):
    """Skips as the device does. skipped: the records that it did not return."""

    def __init__(self) -> None:
        super().__init__()
        self.skipped: list[bytes] = []

    def read(self, words: Sequence[bytes] = ()) -> Reading:
        reading = super().read()
        if not words or not isinstance(reading, Item) or any(word in reading.raw for word in words):
            return reading
        self.skipped.append(reading.raw)
        return Skipped(1)


def read_all(source: Script, records: list[bytes], until: float = float("inf")) -> Reader:
    source.put(*records)
    one = Reader(source, Health(), IDENTITY, until=until)
    while isinstance(one.burst(), More) and not one.batch.is_forked:
        pass
    return one


def essence(findings: list[Any]) -> list[tuple[object, ...]]:
    """Findings without the time of their read."""
    return [
        (one.record, getattr(one, "context", None), getattr(one, "cgroup", None), getattr(one, "tgid", None))
        for one in findings
    ]


@pytest.mark.parametrize("capture", CAPTURES, ids=lambda capture: str(capture.stem))
def test_a_capture_gives_the_same_findings(capture: Path) -> None:
    records = capture.read_bytes().splitlines(keepends=True)
    plain, skipping = read_all(Script(), records), read_all(Skipping(), records)
    for name in ("findings", "claims"):
        assert essence(getattr(skipping.batch, name)) == essence(getattr(plain.batch, name))
    for name in ("kill_lines", "cursor", "first_uncounted", "next_sequence"):
        assert getattr(skipping, name) == getattr(plain, name)


def test_only_records_that_do_not_matter_are_skipped() -> None:
    source = Skipping()
    foreign = [line(f"usb 1-1: device {number}", number) for number in range(1, 5)]
    report = [line("java invoked oom-killer: gfp_mask=0xd0, order=0, oom_score_adj=0", 5), line("Mem-Info:", 6)]
    one = read_all(source, [*foreign, *report, kill(7), line("usb 1-1: reset", 8)])
    assert source.skipped == [*foreign, line("usb 1-1: reset", 8)]
    assert [finding.record.sequence for finding in one.batch.findings] == [7]


def test_a_fork_is_seen_among_skipped_records() -> None:
    fork = line(vm_fork_line.VM_FORK, 2, priority=5)
    one = read_all(Skipping(), [line("usb", 1), fork, line("usb", 3)])
    assert (one.batch.is_forked, one.next_sequence) == (True, 3)


def test_a_reader_with_an_end_skips_nothing() -> None:
    source = Skipping()
    one = read_all(source, [line("usb", number) for number in range(1, 9)], until=4)
    assert (source.skipped, one.burst()) == ([], Drained())


@pytest.mark.parametrize("marker", [*oom_lines.MARKERS, oom_lines.GROUP_MARKER], ids=repr)
def test_each_marker_holds_one_of_the_words(marker: bytes) -> None:
    assert any(word in marker for word in oom_lines.WORDS_OF_MARKERS)
