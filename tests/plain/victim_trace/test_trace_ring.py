"""Reading the rings of several processors. Pipes stand for the kernel's files: both are read without waiting."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.trace_pages import (
    CONSOLE,
    MARK_VICTIM,
    PAGE_BYTES,
    VICTIM_CGROUP,
    console,
    mark_victim,
    page,
    victim_cgroup,
)

from otel_oom.victim_trace.trace_event_format import parse_format
from otel_oom.victim_trace.trace_ring import TraceRing
from otel_oom.victim_trace.traced_line import TracedLine
from otel_oom.victim_trace.traced_victim import TracedVictim

FORMATS = tuple(one for one in map(parse_format, (MARK_VICTIM, VICTIM_CGROUP, CONSOLE)) if one)


class Rings:
    """The files of two processors."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._writers: list[int] = []
        for number in range(2):
            place = directory / "per_cpu" / f"cpu{number}"
            place.mkdir(parents=True)
            os.mkfifo(place / "trace_pipe_raw")
            (place / "stats").write_text(f"entries: 5\noverrun: {number + 3}\ncommit overrun: 100\ndropped events: 7\n")
        (directory / "per_cpu" / "cpu2").mkdir()
        self.ring = TraceRing(directory, FORMATS, PAGE_BYTES)
        for number in range(2):
            self._writers.append(os.open(directory / f"per_cpu/cpu{number}/trace_pipe_raw", os.O_WRONLY))

    def put(self, processor: int, *events: tuple[int, bytes], missed: int | None = None) -> None:
        os.write(self._writers[processor], page(events, missed=missed))

    def close(self) -> None:
        self.ring.close()
        for writer in self._writers:
            os.close(writer)


@pytest.fixture
def rings(tmp_path: Path) -> Iterator[Rings]:
    made = Rings(tmp_path)
    yield made
    made.close()


def pids(rings: Rings, until_ns: int) -> list[int]:
    return [one.pid for one in rings.ring.read_until(until_ns) if isinstance(one, TracedVictim)]


def test_a_line_is_read_among_the_victims(rings: Rings) -> None:
    rings.put(0, (10, mark_victim(1)), (12, console(b"x: Killed process 1 (a\nb)")), (13, mark_victim(2)))
    events = rings.ring.read_until(100)
    assert [one.pid for one in events if isinstance(one, TracedVictim)] == [1, 2]
    assert [one for one in events if isinstance(one, TracedLine)] == [TracedLine(12, r"x: Killed process 1 (a\x0ab)")]


@pytest.mark.parametrize("missed", [-1, 3])
def test_a_read_shows_whether_events_were_overwritten_before_it(rings: Rings, missed: int) -> None:
    found = []
    for processor, before in ((0, None), (0, missed), (1, None)):
        rings.put(processor, (10, mark_victim(1)), missed=before)
        rings.ring.read_until(100)
        found.append(rings.ring.has_missed)
    assert found == [False, True, False]


def test_an_empty_ring_gives_nothing_at_once(rings: Rings) -> None:
    assert pids(rings, 100) == []


def test_all_processors_are_read_and_each_event_once(rings: Rings) -> None:
    rings.put(0, (10, mark_victim(1)), (10, victim_cgroup(1, (b"a",))))
    rings.put(1, (20, mark_victim(2)))
    assert pids(rings, 100) == [1, 1, 2]
    assert pids(rings, 100) == []


def test_pages_after_the_time_asked_for_stay_in_the_kernel(rings: Rings) -> None:
    for number in range(1, 5):
        rings.put(0, (number * 10, mark_victim(number)))
    rings.put(1, (35, mark_victim(9)))
    assert pids(rings, 15) == [1, 2, 9]
    assert pids(rings, 16) == []
    assert pids(rings, 100) == [3, 4]


def test_a_page_without_victims_is_passed_over(rings: Rings) -> None:
    rings.put(0)
    rings.put(0, (10, b"\x05\0\0\0" * 4))
    rings.put(0, (20, mark_victim(2)))
    assert pids(rings, 100) == [2]


def test_the_kernel_counts_what_was_overwritten(rings: Rings) -> None:
    assert rings.ring.overwritten() == 3 + 4


def test_a_file_that_cannot_be_opened_or_read_gives_nothing(tmp_path: Path) -> None:
    (tmp_path / "per_cpu" / "cpu0" / "trace_pipe_raw").mkdir(parents=True)
    rings = Rings(tmp_path / "b")
    rings.put(1, (10, mark_victim(1)))
    for processor in rings.ring._processors.values():
        processor.close()
    rings.close()
    (tmp_path / "empty").mkdir()
    empty = TraceRing(tmp_path / "empty", FORMATS, PAGE_BYTES)
    assert empty.read_until(100) == []
    empty.close()


def test_a_ring_has_one_reader(rings: Rings) -> None:
    with pytest.raises(BlockingIOError):
        TraceRing(rings.directory, FORMATS, PAGE_BYTES)
    rings.ring.close()
    rings.ring = TraceRing(rings.directory, FORMATS, PAGE_BYTES)
