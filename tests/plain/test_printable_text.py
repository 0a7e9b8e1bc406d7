"""The rule for everything that a terminal or a log line shows, for each character of Unicode."""

from __future__ import annotations

import json
import sys
import unicodedata

import pytest
from support.hostile_text import CLASSES, HOSTILE

from otel_oom.printable_text import printable_json, printable_line, printable_text

EVERY_CHARACTER = "".join(map(chr, range(sys.maxunicode + 1)))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        ("Größe 😀 名前", "Größe 😀 名前"),
        ("two  blanks", "two  blanks"),
        ("a\x1b[31m\n\x7f", r"a\x1b[31m\x0a\x7f"),
        ("\x85", r"\xc2\x85"),
        ("a\u202ecod.exe", r"a\xe2\x80\xaecod.exe"),
        ("\xa0", r"\xc2\xa0"),
        ("\udcff", r"\xff"),
        ("\ud800", r"\xed\xa0\x80"),
        ("\U000e0041", r"\xf3\xa0\x81\x81"),
        (r"\x1b", r"\x1b"),
    ],
)
def test_a_text_is_printable(text: str, expected: str) -> None:
    assert printable_text(text) == expected
    assert printable_text(expected) == expected


@pytest.mark.parametrize("name", CLASSES)
def test_no_class_of_characters_is_left(name: str) -> None:
    for text in (printable_text(CLASSES[name]), printable_line(CLASSES[name]), printable_json(CLASSES[name])):
        assert set(CLASSES[name]) & set(text) <= {"\n"}


def test_every_character_is_shown_or_escaped() -> None:
    shown = printable_text(EVERY_CHARACTER)
    assert {unicodedata.category(character) for character in set(shown)} == {
        *("Ll", "Lm", "Lo", "Lt", "Lu", "Mc", "Me", "Mn", "Nd", "Nl", "No"),
        *("Pc", "Pd", "Pe", "Pf", "Pi", "Po", "Ps", "Sc", "Sk", "Sm", "So", "Zs"),
    }
    assert [character for character in set(shown) if character.isspace()] == [" "]


def test_a_line_has_single_spaces() -> None:
    assert printable_line(" two\r\nlines\tand\u2028 a\xa0third \x1b[0m") == r"two lines and a third \x1b[0m"


def test_json_keeps_its_value_and_its_lines() -> None:
    value = {HOSTILE: ["".join(map(chr, range(0xE0000, 0xE0100))), "Größe"]}
    text = printable_json(json.dumps(value, ensure_ascii=False, indent=1))
    assert json.loads(text) == value
    assert "Größe" in text
    assert text.replace("\n", "").isprintable()
    assert text.count("\n") == 5
