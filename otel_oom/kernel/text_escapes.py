r"""The kernel log's escapes: `\xNN` in text to bytes, to printable names, and back. No I/O.

The kernel writes bytes below 32 and above 126, and the backslash, as `\xNN`
(Documentation/ABI/testing/dev-kmsg). So no name in a record can forge a second line.
"""

from __future__ import annotations

import re
from typing import Final

_ESCAPED_RUN: Final = re.compile(r"(?:\\x[0-9a-f]{2})+")

_UTF8_WIDTHS: Final = (1,) * 12 + (2, 2, 3, 4)
"""Bytes of a UTF-8 character, by the upper four bits of its first byte."""


def escape(raw: bytes) -> str:
    r"""Return bytes as the kernel writes them into /dev/kmsg."""
    return "".join(chr(byte) if 32 <= byte < 127 and byte != 0x5C else f"\\x{byte:02x}" for byte in raw)


def unescape(text: str) -> bytes:
    r"""Return the bytes of a kernel text: every `\xNN` becomes its byte."""
    return _ESCAPED_RUN.sub(lambda run: _bytes_of(run[0]).decode("latin-1"), text).encode("latin-1")


def printable(text: str) -> str:
    r"""Return a kernel text for people and queries: printable UTF-8 is decoded, every other byte stays `\xNN`.

    A backslash stays `\x5c`, so the original bytes can be restored. The result holds no control character, no
    invisible format character and no lone surrogate.
    """
    if "\\" not in text:
        return text
    return _ESCAPED_RUN.sub(lambda run: _decode_printable(_bytes_of(run[0])), text)


def _bytes_of(run: str) -> bytes:
    return bytes.fromhex(run.replace("\\x", ""))


def _decode_printable(run: bytes) -> str:
    decoded = []
    at = 0
    while at < len(run):
        width = _UTF8_WIDTHS[run[at] >> 4]
        try:
            character = run[at : at + width].decode("utf-8")
        except UnicodeDecodeError:
            character = "\\"
        if character.isprintable() and character != "\\":
            decoded.append(character)
            at += width
        else:
            decoded.append(f"\\x{run[at]:02x}")
            at += 1
    return "".join(decoded)
