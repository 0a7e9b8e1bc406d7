r"""One /dev/kmsg record: bytes to `Record`. No I/O.

The format is Documentation/ABI/testing/dev-kmsg:

    6,339,5140900,-,caller=T123;text with \x0a escapes
     SUBSYSTEM=acpi
     DEVICE=+acpi:PNP0A03:00

Rules:
- Total: any bytes give a `Record` or a `Malformed`, never an exception.
- Header fields after the fourth are unknown or `caller=`; unknown ones are ignored, as the ABI demands.
- `Record.text` stays as the kernel escaped it (bytes below 32, above 126 and the backslash are `\xNN`). It is
  printable ASCII whatever the bytes were, so no name inside it can forge a second line; `printable` decodes a name
  taken out of it.
- Only facility 0 is the kernel: user space can write any other, and cannot write that one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

FACILITY_KERNEL: Final = 0

_ESCAPED_RUN: Final = re.compile(r"(?:\\x[0-9a-f]{2})+")
_UNESCAPED: Final = re.compile(r"[^ -~]")
_NUMBER_WIDTH: Final = 18  # more digits may not fit OTLP's int64; as µs these are 30,000 years


@dataclass(frozen=True, slots=True)
class Record:
    r"""One record of the kernel log, as the kernel formatted it.

    priority: syslog priority, facility * 8 + level
    sequence: number of the record since boot, without gaps
    monotonic_us: the log's own clock in µs since boot; it stands still while a VM is suspended
    flags: `-`, or `c` (older kernels also `+`) for a fragment that continues the line before it
    caller: `T<tid>` or `C<cpu>` where the kernel says it (CONFIG_PRINTK_CALLER), else None
    text: the message in ASCII, other bytes as `\xNN`
    fields: the dictionary lines, such as SUBSYSTEM and DEVICE
    """

    priority: int
    sequence: int
    monotonic_us: int
    flags: str
    text: str
    caller: str | None = None
    fields: dict[str, str] = field(default_factory=dict)

    @property
    def facility(self) -> int:
        """Syslog facility; 0 is the kernel itself."""
        return self.priority >> 3

    @property
    def level(self) -> int:
        """Syslog level, 0 (emergency) to 7 (debug)."""
        return self.priority & 7

    @property
    def is_fragment(self) -> bool:
        """Whether this record continues an earlier line (pr_cont that could not be joined)."""
        return self.flags in {"c", "+"}


@dataclass(frozen=True, slots=True)
class Malformed:
    """Bytes that are no record: what is wrong with them, and the start of them as evidence."""

    reason: str
    raw: bytes


def parse(raw: bytes) -> Record | Malformed:
    """Parse the bytes of one read(2) of /dev/kmsg."""
    head, semicolon, body = raw.partition(b";")
    if not semicolon:
        return Malformed("no ';' after the header", raw[:80])
    columns = head.split(b",")
    if len(columns) < 4:
        return Malformed("fewer than four header fields", raw[:80])
    numbers = columns[:3]
    # bytes.isdigit is ASCII only: no sign, no blank, no underscore gets through to int().
    if not all(number.isdigit() and len(number) <= _NUMBER_WIDTH for number in numbers):
        return Malformed("priority, sequence and timestamp must be numbers", raw[:80])
    priority, sequence, monotonic_us = map(int, numbers)
    caller = None
    for column in columns[4:]:
        if column.startswith(b"caller="):
            caller = _ascii(column[len(b"caller=") :])
    text, _, rest = body.partition(b"\n")
    return Record(
        priority=priority,
        sequence=sequence,
        monotonic_us=monotonic_us,
        flags=_ascii(columns[3]),
        text=_ascii(text),
        caller=caller,
        fields=_dictionary(rest) if rest else {},
    )


def sequence_of(raw: bytes) -> int | None:
    """The sequence number alone, for the reader's own accounting; None where there is none."""
    columns = raw[:64].split(b",", 2)
    if len(columns) == 3 and columns[1].isdigit() and len(columns[1]) <= _NUMBER_WIDTH:
        return int(columns[1])
    return None


def unescape(text: str) -> bytes:
    r"""The bytes behind a text of the kernel log: every `\xNN` becomes the byte that it stands for."""
    return _ESCAPED_RUN.sub(lambda run: _bytes_of(run[0]).decode("latin-1"), text).encode("latin-1")


def printable(text: str) -> str:
    r"""A name for people and queries: printable UTF-8 is decoded, every other byte stays `\xNN`.

    A backslash stays `\x5c`, so the way back is always clear; the result holds no control character, no
    invisible format character and no lone surrogate.
    """
    if "\\" not in text:
        return text
    return _ESCAPED_RUN.sub(lambda run: _decode_printable(_bytes_of(run[0])), text)


def escape(raw: bytes) -> str:
    r"""Bytes as the kernel writes them into /dev/kmsg: `\xNN` for what is not printable ASCII, and for `\`."""
    return "".join(chr(byte) if 32 <= byte < 127 and byte != 0x5C else f"\\x{byte:02x}" for byte in raw)


def _ascii(raw: bytes) -> str:
    # The kernel sends printable ASCII alone. Should it ever not, its own escaping keeps the text harmless.
    text = raw.decode("latin-1")
    if text.isascii() and text.isprintable():
        return text
    return _UNESCAPED.sub(lambda byte: f"\\x{ord(byte[0]):02x}", text)


def _dictionary(rest: bytes) -> dict[str, str]:
    fields = {}
    for line in rest.split(b"\n"):
        key, equals, value = line.partition(b"=")
        if equals and key.startswith(b" "):
            fields[_ascii(key[1:])] = _ascii(value)
    return fields


def _bytes_of(run: str) -> bytes:
    return bytes.fromhex(run.replace("\\x", ""))


_WIDTHS: Final = (1,) * 12 + (2, 2, 3, 4)
"""Bytes of a character in UTF-8 by the upper half of its first one."""


def _decode_printable(run: bytes) -> str:
    decoded = []
    at = 0
    while at < len(run):
        width = _WIDTHS[run[at] >> 4]
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
