"""Kill lines as the kernel's trace records them. No I/O.

The kernel traces each text that it puts into its log (`printk:console`, include/trace/events/printk.h; Linux 3.3+). A
filter keeps the kill lines (`FILTER`), so a flood of other lines does not fill the ring. As `trace_pipe` prints it:

    console: Memory cgroup out of memory: Killed process 2110 (java) total-vm:67880kB, anon-rss:20480kB, …, UID:0 …

Rules:
- The text is the whole line, also where the console prints nothing (`dmesg -n 1`). It has no number of a record.
- The event comes between the time of the log's record and the moment when the record can be read.
- Any program that writes to /dev/kmsg makes such an event. So a traced line is a kill only beside the kernel's mark.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from otel_oom.kernel.kill_line import KillLine, parse_kill_line, parse_unknown_cause
from otel_oom.kernel.kmsg_record import Record
from otel_oom.kernel.text_escapes import escape
from otel_oom.victim_trace.trace_event_format import EventFormat, event_id_of
from otel_oom.victim_trace.trace_ring_page import Entry

FILTER: Final = 'msg ~ "*Killed process*"'

_PRIORITY: Final = 3  # the kernel prints kill lines with pr_err; the event has no priority


@dataclass(frozen=True, slots=True)
class TracedLine:
    """A line of the kernel log. time_ns: by the clock of that log; text: escaped as in the log."""

    time_ns: int
    text: str

    def parsed(self) -> KillLine | None:
        """The kill line. None: it is another line."""
        return parse_kill_line(self.text) or parse_unknown_cause(self.text)


@dataclass(frozen=True, slots=True, kw_only=True)
class TracedRecord(Record):
    """A record that the kernel log lost, made from its traced line.

    sequence: -1, because the event does not have it
    is_backlog: it is older than this agent
    """

    is_backlog: bool

    @property
    def has_sequence(self) -> bool:
        """Whether the kernel's number of the record is known."""
        return False

    @property
    def original(self) -> str:
        """The line alone: its header is lost."""
        return self.text


def lines_of(entries: Iterable[Entry], formats: Iterable[EventFormat]) -> list[TracedLine]:
    """The traced lines among the events."""
    by_id = {one.id: one for one in formats if "msg" in one.fields}
    lines = []
    for entry in entries:
        event_format = by_id.get(event_id_of(entry.payload) or -1)
        text = None if event_format is None else event_format.text(entry.payload, "msg")
        if text is not None:
            lines.append(TracedLine(entry.time_ns, escape(text)))
    return lines


def traced_record(line: TracedLine, *, is_backlog: bool) -> TracedRecord:
    """The record of a line that the log lost."""
    return TracedRecord(_PRIORITY, -1, line.time_ns // 1_000, "-", line.text, is_backlog=is_backlog)
