"""Bytes of /dev/kmsg to records: the header, the text, the dictionary, and malformed bytes."""

import pytest

from otel_oom.kernel import kmsg_record
from otel_oom.kernel.kmsg_record import Malformed, Record

WHOLE = b"6,339,5140900,-,caller=T123;text with \\x0a escapes\n SUBSYSTEM=acpi\n DEVICE=+acpi:PNP0A03:00\n"


def parsed(raw: bytes) -> Record:
    record = kmsg_record.parse(raw)
    assert isinstance(record, Record), record
    return record


def test_a_whole_record() -> None:
    expected = Record(
        priority=6,
        sequence=339,
        monotonic_us=5140900,
        flags="-",
        text=r"text with \x0a escapes",
        caller="T123",
    )
    assert expected == parsed(WHOLE)


@pytest.mark.parametrize("raw", [WHOLE, b"3,9,8,c;a;b, c\n", b"131,7,0,;", b"6,1,2,-;(a\\x0ab)\n"])
def test_the_original_is_the_record_without_its_dictionary(raw: bytes) -> None:
    assert parsed(raw).original.encode() == raw.partition(b"\n")[0]


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (b"6,1,2,-", Record(6, 1, 2, "-", "x")),
        (b"6,1,2,c", Record(6, 1, 2, "c", "x")),
        (b"6,1,2,+", Record(6, 1, 2, "+", "x")),
        (b"6,1,2,", Record(6, 1, 2, "", "x")),
        (b"6,1,2,-,caller=C7", Record(6, 1, 2, "-", "x", "C7")),
        (b"6,1,2,-,future,caller=T9,more=1,", Record(6, 1, 2, "-", "x", "T9")),
        (b"6,1,2,-,notcaller=T9", Record(6, 1, 2, "-", "x")),
        (b"131,007,0,-", Record(131, 7, 0, "-", "x")),
        (b"6,1," + b"9" * 18 + b",-", Record(6, 1, 10**18 - 1, "-", "x")),
    ],
)
def test_every_form_of_a_header_is_read(header: bytes, expected: Record) -> None:
    assert expected == parsed(header + b";x\n")


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"6",
        b"6,1,2",
        b",1,2,-",
        b"6,,2,-",
        b"6,1,,-",
        b"-6,1,2,-",
        b"+6,1,2,-",
        b" 6,1,2,-",
        b"6,1_0,2,-",
        b"6,1,2.5,-",
        b"6,0x1,2,-",
        b"\xb2,1,2,-",
        b"6,\xd9\xa1,2,-",
        b"6,1," + b"9" * 19 + b",-",
        b"6," + b"9" * 5000 + b",2,-",
    ],
)
def test_what_is_no_header(header: bytes) -> None:
    malformed = kmsg_record.parse(header + b";x\n")
    assert isinstance(malformed, Malformed)
    assert (header + b";x\n")[:80] == malformed.raw


def test_bytes_without_a_semicolon_are_malformed() -> None:
    assert Malformed("no ';' after the header", b"6,1,2,-") == kmsg_record.parse(b"6,1,2,-")


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"", ""),
        (b"\n", ""),
        (b"x", "x"),
        (b"a;b,c\n", "a;b,c"),
        (b"x\n A=1\n B=2=3\n C=\n", "x"),
        (b"x\nA=1\n B\n\n C=3", "x"),
        (b"x\n A=\xc3\xa9\n", "x"),
        (b" leading and trailing \n", " leading and trailing "),
        (b"caf\xc3\xa9 \\x0a\x1b\x00\x7f\t\n", r"caf\xc3\xa9 \x0a\x1b\x00\x7f\x09"),
    ],
)
def test_the_text_ends_before_the_dictionary(body: bytes, text: str) -> None:
    assert text == parsed(b"6,1,2,-;" + body).text


@pytest.mark.parametrize(("priority", "facility"), [(0, 0), (3, 0), (7, 0), (8, 1), (11, 1), (131, 16)])
def test_the_facility_is_read(priority: int, facility: int) -> None:
    assert facility == parsed(b"%d,1,2,-;x" % priority).facility


@pytest.mark.parametrize(("flags", "expected"), [("-", False), ("", False), ("c", True), ("+", True), ("cc", False)])
def test_flags_mark_a_fragment(flags: str, *, expected: bool) -> None:
    assert expected == Record(6, 1, 2, flags, "x").is_fragment


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (WHOLE, 339),
        (b"6,1,2,-;x", 1),
        (b"6,18446744073709551615,2,-;x", None),
        (b"6,,2,-;x", None),
        (b"6,-1,2,-;x", None),
        (b"6,1", None),
        (b"", None),
    ],
)
def test_the_sequence_is_read_without_the_rest(raw: bytes, expected: int | None) -> None:
    assert expected == kmsg_record.sequence_of(raw)


def test_a_record_cut_anywhere_is_a_record_or_malformed() -> None:
    header = WHOLE.index(b";")
    for end in range(len(WHOLE)):
        record = kmsg_record.parse(WHOLE[:end])
        assert (end > header) == isinstance(record, Record)
        if isinstance(record, Record):
            assert parsed(WHOLE).text.startswith(record.text)
