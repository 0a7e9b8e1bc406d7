r"""The one rule for text that a terminal or a log line shows: printable characters, and escapes of all others. No I/O.

    ESC ] 5 2 ; c ; …   -> \x1b]52;c;…              raw, it would write to the clipboard (OSC 52)
    a U+202E cod.exe    -> a\xe2\x80\xaecod.exe     raw, it would be shown as aexe.doc

Rules:
- Printable is what `str.isprintable` says: no control (Cc), format (Cf: bidirectional, of no width), surrogate (Cs),
  private (Co) or unassigned (Cn) character, no separator but the space (Zl, Zp, Zs).
- An escaped text is printable, so a text that passes twice is escaped once.
- Each module that writes foreign text to stdout or stderr calls one of them, or the module that makes its lines does
  (`tests/plain/test_structure.py`).
- Printable as well: marks that combine with the letter before them (Mn), and letters without a shape (U+3164).
"""

from __future__ import annotations


def printable_text(text: str) -> str:
    r"""Return the text with each byte of a character that is not printable as `\xNN`.

    The bytes are those of UTF-8. Of a byte that Python could not decode (PEP 383) it is this byte.
    """
    return text if text.isprintable() else "".join(map(_escaped, text))


def printable_line(text: str) -> str:
    """Return the text in one line: each run of white space, also of line breaks, is one space."""
    return printable_text(" ".join(text.split()))


def printable_json(text: str) -> str:
    r"""Return a JSON text of the same value, in which each character that is not printable is `\uNNNN`.

    Line breaks between values stay.
    """
    return "\n".join(line if line.isprintable() else "".join(map(_escaped_in_json, line)) for line in text.split("\n"))


def _escaped(character: str) -> str:
    if character.isprintable():
        return character
    try:
        raw = character.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # half of a character out of JSON
        raw = character.encode("utf-8", "surrogatepass")
    return "".join(f"\\x{byte:02x}" for byte in raw)


def _escaped_in_json(character: str) -> str:
    if character.isprintable():
        return character
    units = character.encode("utf-16-be", "surrogatepass").hex()  # two units for a character above U+FFFF
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))
