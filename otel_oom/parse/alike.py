"""A report whose lines begin alike to the assembler: what is the same of them all is looked at once.

Rules:
- What needs care (a name that may go on in the next line, an escape) goes the feeder's way, with all beside it.
"""

from __future__ import annotations

from typing import Final

from otel_oom.kernel.kill_assembler import Assembler
from otel_oom.kernel.kmsg_record import Record
from otel_oom.kernel.oom_kill import Finding
from otel_oom.parse import structured_lines, table
from otel_oom.parse.feeder import Feeder
from otel_oom.parse.report_lines import Hit
from otel_oom.parse.table import Row
from otel_oom.parse.text_record import NO_FIELDS
from otel_oom.parse.text_window import Window

_LINE_FEED: Final = 10
_FRACTION: Final = 6  # digits of the clock's microseconds
_TEXT: Final = 2  # behind the clock: a bracket and a blank


class Alike:
    """Feeds an assembler what `ReportLines.alike` found.

    feeder: of the same window; its `head` is how all lines begin
    """

    def __init__(self, window: Window, assembler: Assembler, feeder: Feeder) -> None:
        self._window = window
        self._assembler = assembler
        self._feeder = feeder

    def feed(self, hits: list[Hit], rows: list[Row]) -> list[Finding]:
        """Feed lines, and behind them the rows of a table."""
        found: list[Finding] = []
        records = self._records(hits)
        if records is None:
            for hit in hits:
                if hit.start() >= self._window.at and self._assembler.is_open:  # else it was part of the line before it
                    found += self._feeder.plain(self._window.start(hit.start()))
        elif records:
            self._assembler.feed_lines(records)
            self._feeder.fed(hits[-1].end(), records[-1].monotonic_us)
        if rows and self._assembler.is_open:
            self._feed_rows(rows)
        return found

    def _feed_rows(self, rows: list[Row]) -> None:
        some = table.top(rows)
        times = self._times([(row.start() - _TEXT, row.end() + 1) for row in some])
        if times is None or not structured_lines.is_plain(b"\n".join([row[0] for row in some])):
            self._feeder.table(rows)
            return
        self._assembler.feed_rows(some, times[-1])
        self._feeder.fed(rows[-1].end() + 1, times[-1])

    def _records(self, hits: list[Hit]) -> list[Record] | None:
        base, records = self._window.base, []
        times = self._times([hit.span() for hit in hits])
        if times is None:
            return None
        for hit, us in zip(hits, times, strict=True):
            text = hit["whole"]
            if text is None or structured_lines.is_escaped(text):
                return None
            records.append(Record(6, base + hit.start(), us, "-", text.decode(), None, NO_FIELDS))
        return records

    def _times(self, places: list[tuple[int, int]]) -> list[int] | None:
        """Times of lines, by where the clock of each ends, and the line.

        None if one does not begin as all do, or may go on in the next line.
        """
        data, second_us, before = self._window.data, self._feeder.second_us, len(self._feeder.head) + _FRACTION
        times = []
        for clock, end in places:
            start, fraction = clock - before, data[clock - _FRACTION : clock]
            # After each line feed stands the head; in the same microsecond a line may be more of the one before it.
            if (
                data[start - 1] != _LINE_FEED
                or not fraction.isdigit()
                or data.startswith(data[start : clock + _TEXT], end)
            ):
                return None
            times.append(second_us + int(fraction))
        return times
