"""Kill lines out of the trace, and the record that is made of one."""

from __future__ import annotations

import pytest
from support import klog
from support.trace_pages import CONSOLE, MARK_VICTIM, console, mark_victim

from otel_oom.victim_trace.trace_event_format import parse_format
from otel_oom.victim_trace.trace_ring_page import Entry
from otel_oom.victim_trace.traced_line import TracedLine, lines_of, traced_record

FORMATS = [one for one in map(parse_format, (MARK_VICTIM, CONSOLE)) if one]
TEXT = klog.killed(7, "java")


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        pytest.param(console(b"a line"), [TracedLine(5, "a line")], id="a line"),
        pytest.param(console(b"a\n\\\xff"), [TracedLine(5, r"a\x0a\x5c\xff")], id="escaped as the log does"),
        pytest.param(mark_victim(7), [], id="another event"),
        pytest.param(console(b"a line")[:10], [], id="cut"),
        pytest.param(b"", [], id="empty"),
    ],
)
def test_a_line_has_the_text_that_the_log_has(payload: bytes, expected: list[TracedLine]) -> None:
    assert lines_of([Entry(5, payload)], FORMATS) == expected


@pytest.mark.parametrize(
    ("text", "pid"),
    [
        (TEXT, 7),
        (TEXT.replace("Memory cgroup out of memory", "bpf oom test"), 7),
        ("a program: Killed process", None),
    ],
)
def test_a_line_is_parsed_as_one_of_the_log(text: str, pid: int | None) -> None:
    kill = TracedLine(5, text).parsed()
    assert (None if kill is None else kill.pid) == pid


@pytest.mark.parametrize("is_backlog", [True, False])
def test_a_record_of_it_has_no_number(*, is_backlog: bool) -> None:
    record = traced_record(TracedLine(1_234_567, "a line"), is_backlog=is_backlog)
    assert (record.has_sequence, record.original, record.monotonic_us) == (False, "a line", 1_234)
    assert (record.is_backlog, record.facility) == (is_backlog, 0)
