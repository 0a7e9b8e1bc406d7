"""Pages of the trace ring, whole, cut at each byte, and of any bytes."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import trace_pages
from support.trace_pages import page

from otel_oom.victim_trace.trace_ring_page import Entry, RingPage, parse_page

LITTLE = struct.pack("=H", 1)[0] == 1
HOUR_NS = 3_600 * 10**9


def head(kind: int, delta: int = 0) -> bytes:
    return struct.pack("=I", kind | delta << 5 if LITTLE else kind << 27 | delta)


def raw_page(data: bytes, *, begin_ns: int = 100) -> bytes:
    return struct.pack("@QL", begin_ns, len(data)) + data


def test_events_have_their_times() -> None:
    rows = [(1000, b"abcd"), (1000, b"efgh"), (1000 + HOUR_NS, b"x" * 112), (1001 + HOUR_NS, b"y" * 116)]
    assert parse_page(page(rows)) == RingPage([Entry(*row) for row in rows])


@pytest.mark.parametrize(("stored", "missed"), [(None, 0), (-1, -1), (0, 0), (1003, 1003)])
def test_lost_events_are_counted_where_the_kernel_does(stored: int | None, missed: int) -> None:
    found = parse_page(page([(5, b"abcd")], missed=stored))
    assert (found.entries, found.missed) == ([Entry(5, b"abcd")], missed)


@pytest.mark.parametrize(
    ("data", "entries"),
    [
        pytest.param(
            head(31, 5) + struct.pack("=I", 2) + head(1) + b"abcd", [Entry((2 << 27) + 5, b"abcd")], id="stamp"
        ),
        pytest.param(head(29) + head(1) + b"abcd", [], id="padding to the end"),
        pytest.param(
            head(29, 7) + struct.pack("=I", 8) + b"gone" + head(1, 2) + b"abcd", [Entry(109, b"abcd")], id="discarded"
        ),
        pytest.param(head(0) + struct.pack("=I", 0), [], id="a length of 0"),
        pytest.param(head(1) + b"abcd" + head(28) + b"cut", [Entry(100, b"abcd")], id="cut"),
        pytest.param(head(1) + b"abcd" + b"\x01\x00", [Entry(100, b"abcd")], id="half a head"),
        pytest.param(b"", [], id="empty"),
    ],
)
def test_special_entries(data: bytes, entries: list[Entry]) -> None:
    assert parse_page(raw_page(data)).entries == entries


def test_an_absolute_time_takes_its_upper_bits_from_the_page() -> None:
    begin_ns = 3 << 59
    data = head(31, 5) + struct.pack("=I", 2) + head(1) + b"abcd"
    assert parse_page(raw_page(data, begin_ns=begin_ns)).entries == [Entry(begin_ns + (2 << 27) + 5, b"abcd")]


def test_a_page_that_is_cut_anywhere_gives_its_first_events() -> None:
    rows = [(1000 + at * HOUR_NS, b"%04d" % at) for at in range(5)]
    whole = page(rows, missed=3)
    expected = parse_page(whole).entries
    for size in range(len(whole.rstrip(b"\0")) + 1):
        found = parse_page(whole[:size]).entries
        assert found == expected[: len(found)]


@given(st.binary(max_size=400))
def test_no_bytes_raise_or_hang(raw: bytes) -> None:
    parse_page(raw)


@given(st.binary(max_size=400), st.integers(0, 2**64 - 1))
def test_no_entries_raise_or_hang(data: bytes, begin_ns: int) -> None:
    for entry in parse_page(raw_page(data, begin_ns=begin_ns)).entries:
        assert entry.payload in data


@given(
    st.lists(
        st.tuples(st.integers(0, 10**12), st.integers(1, 60).map(lambda words: b"\xff" * (4 * words))), max_size=12
    )
)
def test_what_is_written_is_read(rows: list[tuple[int, bytes]]) -> None:
    rows.sort()
    assert parse_page(trace_pages.page(rows)).entries == [Entry(*row) for row in rows]
