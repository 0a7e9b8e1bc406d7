"""The `format` file of a trace event, and the reading of fields from payloads."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import trace_pages

from otel_oom.victim_trace.trace_event_format import EventFormat, Field, event_id_of, parse_format

SMALL = """name: small
ID: 7
format:
\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;
\tfield:char comm[16];\toffset:2;\tsize:16;\tsigned:0;
\tfield:s16 low;\toffset:18;\tsize:2;\tsigned:1;
\tfield:__data_loc char[] text;\toffset:20;\tsize:4;\tsigned:1;
\tfield:u64 old_form;\toffset:24;\tsize:8;
"""


def parsed(text: str) -> EventFormat:
    event_format = parse_format(text)
    assert event_format is not None
    return event_format


def payload(text: bytes, *, place: int = 32, comm: bytes = b"java", size: int | None = None) -> bytes:
    location = place | (len(text) if size is None else size) << 16
    return struct.pack("=H16shIQ", 7, comm, -3, location, 1 << 63) + text


def test_offsets_and_types_are_the_kernels() -> None:
    mark = parsed(trace_pages.MARK_VICTIM)
    assert mark.id == 609
    assert mark.fields["pid"] == Field(8, 4, is_signed=True, is_dynamic=False)
    assert mark.fields["comm"] == Field(12, 4, is_signed=False, is_dynamic=True)
    assert mark.fields["uid"] == Field(48, 4, is_signed=False, is_dynamic=False)
    assert parsed(trace_pages.VICTIM_CGROUP).fields["top"] == Field(44, 4, is_signed=True, is_dynamic=True)


def test_fields_are_read_from_a_payload() -> None:
    small = parsed(SMALL)
    raw = payload(b"a b\npid=5\0")
    assert event_id_of(raw) == 7
    assert small.number(raw, "low") == -3
    assert small.number(raw, "old_form") == 1 << 63
    assert small.text(raw, "comm") == b"java"
    assert small.text(raw, "text") == b"a b\npid=5"


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(payload(b"(fault)\0"), id="the probe could not read it"),
        pytest.param(payload(b""), id="no length"),
        pytest.param(payload(b"abc", place=33), id="ends after the payload"),
        pytest.param(payload(b"abc", size=0xFFFF), id="is too long"),
        pytest.param(payload(b"abc")[:22], id="the field is cut"),
        pytest.param(b"", id="no payload"),
    ],
)
def test_a_text_that_is_not_there_is_none(raw: bytes) -> None:
    assert parsed(SMALL).text(raw, "text") is None


def test_a_field_that_the_kernel_does_not_have_is_none() -> None:
    old = parsed(trace_pages.MARK_VICTIM_PID)
    raw = struct.pack("=HBBii", 500, 0, 0, 9, 2110)
    assert old.number(raw, "pid") == 2110
    assert old.number(raw, "uid") is None
    assert old.text(raw, "comm") is None
    assert parsed(SMALL).number(payload(b"abc"), "comm") is None, "a text is no number"


@pytest.mark.parametrize(
    "text", ["", "name: x\nID: 7\nformat:\n", "ID: x\n", trace_pages.MARK_VICTIM.replace("ID:", "id")]
)
def test_an_unknown_form_is_none(text: str) -> None:
    assert parse_format(text) is None


@given(st.text(max_size=300))
def test_no_text_raises(text: str) -> None:
    parse_format(text)
    parse_format(SMALL + text)


@given(st.binary(max_size=80))
def test_no_payload_raises(raw: bytes) -> None:
    event_id_of(raw)
    for event_format in map(parsed, (SMALL, trace_pages.MARK_VICTIM, trace_pages.VICTIM_CGROUP)):
        for name in event_format.fields:
            event_format.number(raw, name)
            event_format.text(raw, name)


@given(st.binary(max_size=200).filter(lambda text: b"\0" not in text and text != b"(fault)"))
def test_every_text_comes_back(text: bytes) -> None:
    assert parsed(SMALL).text(payload(text + b"\0"), "text") == text
