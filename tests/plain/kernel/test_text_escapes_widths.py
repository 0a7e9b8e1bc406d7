"""UTF-8 characters of every width are decoded, and a cut one stays escaped byte by byte."""

import pytest

from otel_oom.kernel.text_escapes import escape, printable

#: one character for each value of the upper four bits of a first byte: 0xC to 0xF
CHARACTERS = ["é", "П", "€", "😀"]


@pytest.mark.parametrize("character", CHARACTERS)
def test_a_character_is_decoded_alone_and_between_others(character: str) -> None:
    assert printable(escape(character.encode())) == character
    assert printable(escape(f"é{character}é".encode())) == f"é{character}é"


@pytest.mark.parametrize("character", CHARACTERS)
def test_a_character_without_its_last_byte_stays_escaped(character: str) -> None:
    cut = character.encode()[:-1]
    assert printable(escape(cut)) == escape(cut)
    assert printable(escape(cut + "é".encode())) == f"{escape(cut)}é"
