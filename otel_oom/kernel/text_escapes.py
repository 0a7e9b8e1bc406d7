r"""The kernel log's escapes: `\xNN` in text to bytes, to printable names, and back. No I/O.

The kernel writes bytes below 32 and above 126, and the backslash, as `\xNN`
(Documentation/ABI/testing/dev-kmsg). So no name in a record can forge a second line.
"""

from __future__ import annotations

import re
from typing import Final

from otel_oom.printable_text import printable_text

_ESCAPED_RUN: Final = re.compile(r"(?:\\x[0-9a-f]{2})+")
_ESCAPED_BYTES: Final = re.compile(_ESCAPED_RUN.pattern.encode("ascii"))


def escape(raw: bytes) -> str:
    r"""Return bytes as the kernel writes them into /dev/kmsg."""
    text = raw.decode("latin-1")
    if text.isascii() and text.isprintable() and "\\" not in text:  # most names: a thirtieth of the time
        return text
    return "".join(chr(byte) if 32 <= byte < 127 and byte != 0x5C else f"\\x{byte:02x}" for byte in raw)


def unescape(text: str) -> bytes:
    r"""Return the bytes of a kernel text: every `\xNN` becomes its byte."""
    return _ESCAPED_RUN.sub(lambda run: _bytes_of(run[0]).decode("latin-1"), text).encode("latin-1")


def original_bytes(text: str) -> bytes:
    r"""Return the bytes of a text from `printable`. A kernel text is accepted as well."""
    raw = text.encode("utf-8", "surrogatepass")  # raises for no text
    return _ESCAPED_BYTES.sub(lambda run: _bytes_of(run[0].decode("ascii")), raw) if "\\" in text else raw


def printable(text: str) -> str:
    r"""Return a kernel text for people and queries: printable UTF-8 is decoded, every other byte stays `\xNN`.

    A backslash stays `\x5c`, so the original bytes can be restored. `printable_text` says what is printable.
    """
    if "\\" not in text:
        return text
    return _ESCAPED_RUN.sub(lambda run: _decode_printable(_bytes_of(run[0])), text)


def _bytes_of(run: str) -> bytes:
    return bytes.fromhex(run.replace("\\x", ""))


def _decode_printable(run: bytes) -> str:
    return printable_text(run.decode("utf-8", "surrogateescape").replace("\\", r"\x5c"))
