"""A record of the kernel log as a text holds it: a `Record`, and the line where it stood. No I/O."""

from __future__ import annotations

from dataclasses import dataclass, field

from otel_oom.kernel.kmsg_record import Record
from otel_oom.kernel.oom_kill import OomKill
from otel_oom.kernel.text_escapes import escape, printable
from otel_oom.parse.line_prefix import Line


@dataclass(frozen=True, slots=True, kw_only=True)
class TextRecord(Record):
    """A record of the kernel log out of a text. Its sequence is an offset, unless the text says the kernel's.

    line: its first line; number: of that line, from 1 on, 0 if lines are not numbered
    """

    line: Line
    number: int = field(default=0, compare=False)

    @property
    def has_sequence(self) -> bool:
        """Whether the text is a capture of /dev/kmsg, which numbers its records."""
        return self.line.record is not None

    @property
    def original(self) -> str:
        """The record as /dev/kmsg printed it; of any other text the kernel's line alone, without the log's prefix."""
        return self.text if self.line.record is None else self.line.record.original

    @property
    def wall(self) -> str | None:
        """Date and time before the line, printable, as the text writes them."""
        return None if self.line.wall is None else printable(escape(self.line.wall))


def text_record(line: Line, text: bytes, offset: int, number: int, us: int) -> TextRecord:
    """The record of a line. text: the line with all that was joined to it; us: the time of the record, µs."""
    own = line.record
    if own is None:
        return TextRecord(line.priority, offset, us, "-", escape(text), line=line, number=number)
    return TextRecord(
        own.priority, own.sequence, own.monotonic_us, own.flags, own.text, own.caller, line=line, number=number
    )


def record_of(kill: OomKill) -> TextRecord:
    """The record of a kill that was found in a text. Raises AssertionError for a kill of the running system."""
    assert isinstance(kill.record, TextRecord), kill.record
    return kill.record
