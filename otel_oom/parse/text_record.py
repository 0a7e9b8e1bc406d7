"""Records that come from a text: a `Record`, and where in the text it stood. No I/O."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from otel_oom.kernel.kmsg_record import Record
from otel_oom.kernel.text_escapes import escape, printable
from otel_oom.parse.line_prefix import Line

NO_FIELDS: Final[dict[str, str]] = {}
_NOWHERE: Final = Line(b"", b"")


@dataclass(frozen=True, slots=True)
class TextRecord(Record):
    """A record of the kernel log as a text holds it. Its sequence is an offset, unless the text says the kernel's.

    line: what stood there; number: of its (first) line, from 1 on, where lines are counted
    """

    line: Line = _NOWHERE
    number: int = field(default=0, compare=False)

    @property
    def has_sequence(self) -> bool:
        """Whether the text is a capture of /dev/kmsg, which numbers its records."""
        return self.line.record is not None

    @property
    def wall(self) -> str | None:
        """Date and time before the line, printable, as the text writes them."""
        return None if self.line.wall is None else printable(_escaped(self.line.wall))


_PLAIN: Final = bytes(byte for byte in range(32, 127) if byte != 0x5C)


def text_record(line: Line, text: bytes, offset: int, number: int, us: int) -> TextRecord:
    """A line of text as a record that knows its place. us: its time, or that of another line where it says none."""
    own = line.record
    if own is None:
        return TextRecord(line.priority, offset, us, "-", _escaped(text), None, NO_FIELDS, line, number)
    return TextRecord(
        own.priority, own.sequence, own.monotonic_us, own.flags, own.text, own.caller, own.fields, line, number
    )


def plain_record(line: Line, text: bytes, offset: int, us: int) -> Record:
    """A line of a report that holds no anchor: nobody asks where it stood."""
    return line.record or Record(line.priority, offset, us, "-", _escaped(text), None, NO_FIELDS)


def blank(us: int) -> Record:
    """A line that says nothing."""
    return Record(6, 0, us, "-", "", None, NO_FIELDS)


def _escaped(text: bytes) -> str:
    return escape(text) if text.translate(None, _PLAIN) else text.decode("ascii")
