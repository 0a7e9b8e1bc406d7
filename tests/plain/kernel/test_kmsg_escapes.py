"""Text of the kernel log: its escapes, the way back, and what people are shown."""

import pytest

from otel_oom.kernel import text_escapes


def test_every_byte_goes_there_and_back() -> None:
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
        (r"\xC3", rb"\xC3"),  # the kernel's digits are small: this is no escape of its
        (r"\x4", rb"\x4"),
        (r"a\x0ab", b"a\nb"),
        ("", b""),
    ],
)
def test_unescape(text: str, expected: bytes) -> None:
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
def test_what_is_not_printable_stays_escaped(raw: bytes) -> None:
    assert text_escapes.escape(raw) == text_escapes.printable(text_escapes.escape(raw))
    assert f"A{text_escapes.escape(raw)}é" == text_escapes.printable(text_escapes.escape(b"A" + raw + "é".encode()))


def test_an_escape_that_a_name_spells_is_not_taken_for_one() -> None:
    expected = r"\x5cxc3\x5cxa9"
    assert expected == text_escapes.printable(text_escapes.escape(rb"\xc3\xa9"))
