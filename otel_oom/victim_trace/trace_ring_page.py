"""Parses one page of the trace ring, as `per_cpu/cpuN/trace_pipe_raw` gives it. No I/O.

A page is a header and a row of entries (events/header_page and events/header_event describe them):

    u64 timestamp | unsigned long commit | entries, `commit` bytes
    entry: 32 bits of type_len (5 bits) and time_delta (27 bits), then array[]

    type_len 1..28: the payload has type_len * 4 bytes
    type_len 0: array[0] is the length of itself and the payload, bytes
    29, padding: without a delta the page ends here, else array[0] bytes are skipped
    30, time extend: array[0] holds the upper bits of a long delta
    31, time stamp: an absolute time, of which the page's timestamp has the upper 5 bits

Rules:
- Any bytes give a page, never an exception. An entry that does not fit ends the page.
- Times are ns of the clock that `trace_clock` selects.

Source: include/linux/ring_buffer.h, kernel/trace/ring_buffer.c (rb_event_length, ring_buffer_read_page).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import Final

_HEADER: Final = struct.Struct("@QL")
_WORD: Final = struct.Struct("=I")
_IS_LITTLE_ENDIAN: Final = struct.pack("=H", 1)[0] == 1
_COMMIT_BYTES: Final = (1 << 20) - 1
_MISSED: Final = 1 << 31  # RB_MISSED_EVENTS
_MISSED_STORED: Final = 1 << 30  # RB_MISSED_STORED: their number follows the entries, if it has room there
_DELTA_BITS: Final = 27
_DELTA_MASK: Final = (1 << _DELTA_BITS) - 1
_STAMP_BITS: Final = 59
_PADDING, _TIME_EXTEND, _TIME_STAMP = 29, 30, 31


@dataclass(frozen=True, slots=True)
class Entry:
    """One event: its time, and the fields that its format describes."""

    time_ns: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class RingPage:
    """The events of one page, oldest first.

    missed: events that were overwritten before the first one; -1: some, of unknown number
    """

    entries: list[Entry] = field(default_factory=list)
    missed: int = 0


def parse_page(raw: bytes) -> RingPage:
    """Parse what one read of a whole page returned. Raises nothing."""
    if len(raw) < _HEADER.size:
        return RingPage()
    time_ns, commit = _HEADER.unpack_from(raw)
    data = raw[_HEADER.size :]
    end = min(commit & _COMMIT_BYTES, len(data))
    return RingPage(_entries(data[:end], time_ns), _missed(commit, data, end))


def _missed(commit: int, data: bytes, end: int) -> int:
    if not commit & _MISSED:
        return 0
    stored = struct.Struct("@L")
    if commit & _MISSED_STORED and end + stored.size <= len(data):
        return int(stored.unpack_from(data, end)[0])
    return -1


def _entries(data: bytes, time_ns: int) -> list[Entry]:
    entries = []
    at = 0
    while at + 4 <= len(data):
        head = _WORD.unpack_from(data, at)[0]
        kind, delta = (head & 31, head >> 5) if _IS_LITTLE_ENDIAN else (head >> _DELTA_BITS, head & _DELTA_MASK)
        first = _WORD.unpack_from(data, at + 4)[0] if at + 8 <= len(data) else 0
        if kind == _TIME_EXTEND:
            time_ns += (first << _DELTA_BITS) + delta
            at += 8
        elif kind == _TIME_STAMP:
            time_ns = (time_ns >> _STAMP_BITS << _STAMP_BITS) | (first << _DELTA_BITS) + delta
            at += 8
        elif kind == _PADDING:
            if delta == 0:
                break
            time_ns += delta
            at += 4 + first
        else:
            begin, size = (at + 4, kind * 4) if kind else (at + 8, first - 4)
            if size <= 0 or begin + size > len(data):
                break
            time_ns += delta
            entries.append(Entry(time_ns, data[begin : begin + size]))
            at = begin + size
    return entries
