"""The kernel log's escapes: bytes to text, back to bytes, and to printable names."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otel_oom.kernel import kmsg_record, text_escapes
from otel_oom.kernel.kmsg_record import Record

steady = settings(derandomize=True, database=None, deadline=None, max_examples=100)


def test_every_byte_is_restored() -> None:
    expected = bytes(range(256))
    assert expected == text_escapes.unescape(text_escapes.escape(expected))


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"plain ~", "plain ~"),
        (b"\n\t\x1b\x00\x7f", r"\x0a\x09\x1b\x00\x7f"),
        (b"\\", r"\x5c"),
        (b"\\x41", r"\x5cx41"),
        ("é".encode(), r"\xc3\xa9"),
    ],
)
def test_escape_is_what_the_kernel_writes(raw: bytes, expected: str) -> None:
    assert expected == text_escapes.escape(raw)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (r"\x5cx41", b"\\x41"),
        (r"\xC3", rb"\xC3"),  # the kernel writes small digits: this is no escape
        (r"\x4", rb"\x4"),
        (r"a\x0ab", b"a\nb"),
        ("", b""),
    ],
)
def test_unescape_restores_bytes(text: str, expected: bytes) -> None:
    assert expected == text_escapes.unescape(text)


@pytest.mark.parametrize("name", ["python3", "é", "日本", "🦀", "a é", "Ω1", "é" * 7])
def test_printable_characters_are_decoded(name: str) -> None:
    assert name == text_escapes.printable(text_escapes.escape(name.encode()))


@pytest.mark.parametrize(
    "raw",
    [
        b"\x00",
        b"\n",
        b"\x1b",
        b"\x7f",
        b"\\",
        b"\xff",
        b"\x80",
        b"\xc0\xaf",  # `/`, overlong
        b"\xe0\x80\xaf",
        b"\xed\xa0\x80",  # a lone surrogate
        b"\xed\xb3\xbf",
        b"\xf4\x90\x80\x80",  # above the last character
        b"\xf8\x88\x80\x80\x80",
        b"\xe6\x97",  # cut short
        "\u0085".encode(),  # next line
        "\u00a0".encode(),  # no-break space
        "\u200b".encode(),  # zero width space
        "\u202e".encode(),  # right-to-left override
        "\u2066".encode(),  # left-to-right isolate
        "\u2028".encode(),  # line separator
        "\ufeff".encode(),
        "\ue000".encode(),  # private use
        "\U000e0041".encode(),  # a tag
    ],
)
def test_other_characters_stay_escaped(raw: bytes) -> None:
    assert text_escapes.escape(raw) == text_escapes.printable(text_escapes.escape(raw))
    assert f"A{text_escapes.escape(raw)}é" == text_escapes.printable(text_escapes.escape(b"A" + raw + "é".encode()))


def test_a_name_that_spells_an_escape_is_not_decoded() -> None:
    expected = r"\x5cxc3\x5cxa9"
    assert expected == text_escapes.printable(text_escapes.escape(rb"\xc3\xa9"))


@steady
@given(st.binary(max_size=200))
def test_escape_and_unescape_are_inverse(raw: bytes) -> None:
    text = text_escapes.escape(raw)
    assert raw == text_escapes.unescape(text)
    assert text == text_escapes.escape(text_escapes.unescape(text))
    parsed = kmsg_record.parse(b"6,1,2,-;" + text.encode() + b"\n")
    assert isinstance(parsed, Record)
    assert text == parsed.text


@steady
@given(st.binary(max_size=200) | st.text(max_size=60).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_printable_text_is_printable_and_can_be_restored(raw: bytes) -> None:
    shown = text_escapes.printable(text_escapes.escape(raw))
    assert shown.isprintable()
    assert shown == shown.encode("utf-8").decode("utf-8")  # no lone surrogate
    assert shown == text_escapes.printable(shown)
    assert raw == text_escapes.original_bytes(shown)
    assert raw == text_escapes.original_bytes(text_escapes.escape(raw))
