r"""One /dev/kmsg record: bytes to `Record`. No I/O.

The format is Documentation/ABI/testing/dev-kmsg:

    6,339,5140900,-,caller=T123;text with \x0a escapes
     SUBSYSTEM=acpi
     DEVICE=+acpi:PNP0A03:00

Rules:
- Any bytes give a `Record` or a `Malformed`, never an exception.
- Header fields after the fourth are ignored, except `caller=`. The ABI allows new ones.
- The dictionary lines after the text (SUBSYSTEM, DEVICE) are ignored.
- `Record.text` keeps the kernel's escapes (see `text_escapes`): it is always printable ASCII.
- Only facility 0 is the kernel. User space can write every other facility, but not that one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

FACILITY_KERNEL: Final = 0

_UNESCAPED: Final = re.compile(r"[^ -~]")
_NUMBER_DIGITS: Final = 18  # fits OTLP's int64; as µs it is 30,000 years
# ASCII digits only: int() never sees a sign, a blank or an underscore.
_NUMBER: Final = b"([0-9]{1,%d})," % _NUMBER_DIGITS
_RECORD: Final = re.compile(_NUMBER * 3 + rb"([^,;]*)((?:,[^;]*)?);([^\n]*)")
"""Three numbers, the flags, other fields, and the text."""


@dataclass(frozen=True, slots=True)
class Record:
    r"""One record of the kernel log, as the kernel formatted it.

    priority: syslog priority, facility * 8 + level
    sequence: number of the record since boot, without gaps
    monotonic_us: the log's own clock, µs since boot. It stands still while a VM is suspended.
    flags: `-`, or `c` (older kernels also `+`) for a fragment that continues the previous line
    caller: `T<tid>` or `C<cpu>` where the kernel prints it (CONFIG_PRINTK_CALLER), else None
    text: the message in ASCII, other bytes as `\xNN`
    """

    priority: int
    sequence: int
    monotonic_us: int
    flags: str
    text: str
    caller: str | None = None

    @property
    def has_sequence(self) -> bool:
        """Whether `sequence` is the kernel's number."""
        return True

    @property
    def original(self) -> str:
        """The whole record as /dev/kmsg prints it, without dictionary lines and unknown header fields."""
        caller = "" if self.caller is None else f",caller={self.caller}"
        return f"{self.priority},{self.sequence},{self.monotonic_us},{self.flags}{caller};{self.text}"

    @property
    def facility(self) -> int:
        """Syslog facility, 0 for the kernel itself."""
        return self.priority >> 3

    @property
    def is_fragment(self) -> bool:
        """Whether this record continues an earlier line (pr_cont text that the kernel could not join)."""
        return self.flags in {"c", "+"}


@dataclass(frozen=True, slots=True)
class Malformed:
    """Bytes that are not a record. raw: their first 80 bytes, as evidence."""

    reason: str
    raw: bytes


def parse(raw: bytes) -> Record | Malformed:
    """Parse the bytes of one read(2) of /dev/kmsg. Raises nothing."""
    found = _RECORD.match(raw)
    if found is None:
        return Malformed(_fault(raw), raw[:80])
    priority, sequence, monotonic_us, flags, fields, text = found.groups()
    caller = _caller(fields) if fields else None
    return Record(int(priority), int(sequence), int(monotonic_us), _ascii(flags), _ascii(text), caller)


def _fault(raw: bytes) -> str:
    """Why a record could not be parsed: for a log line."""
    head, semicolon, _ = raw.partition(b";")
    if not semicolon:
        return "no ';' after the header"
    if head.count(b",") < 3:
        return "fewer than four header fields"
    return "priority, sequence and timestamp must be numbers"


def _caller(fields: bytes) -> str | None:
    caller = None
    for field in fields.split(b","):
        if field.startswith(b"caller="):
            caller = _ascii(field[len(b"caller=") :])
    return caller


def sequence_of(raw: bytes) -> int | None:
    """Return the sequence number of a raw record without parsing the rest. None if there is none."""
    columns = raw[:64].split(b",", 2)
    if len(columns) == 3 and columns[1].isdigit() and len(columns[1]) <= _NUMBER_DIGITS:
        return int(columns[1])
    return None


def _ascii(raw: bytes) -> str:
    # The kernel sends printable ASCII only. Other bytes would be a bug of it: they are escaped by the same rule.
    text = raw.decode("latin-1")
    if text.isascii() and text.isprintable():
        return text
    return _UNESCAPED.sub(lambda byte: f"\\x{ord(byte[0]):02x}", text)
