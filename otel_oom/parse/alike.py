"""A report whose lines begin alike to the assembler: what is the same of them all is looked at once.

Rules:
- What needs care (a name that may go on in the next line, an escape) goes the feeder's way, with all beside it.
"""

from __future__ import annotations

from typing import Final

from otel_oom.kmsg import Record
from otel_oom.oom import Assembler, Finding
from otel_oom.parse import entries, table
from otel_oom.parse.feeding import Feeder
from otel_oom.parse.record import NO_FIELDS
from otel_oom.parse.report_lines import Hit
from otel_oom.parse.table import Row
from otel_oom.parse.window import Window

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
        largest, last = table.top(rows), rows[-1]
        text = b"\n".join([row[0] for row in largest])
        times = [self._us(row.start() - _TEXT, row.end() + 1) for row in largest]
        last_us = self._us(last.start() - _TEXT, last.end() + 1)
        if last_us is None or None in times or not entries.is_plain(text):
            self._feeder.table(rows)
            return
        self._assembler.feed_rows(largest, last_us)
        self._feeder.fed(last.end() + 1, last_us)

    def _records(self, hits: list[Hit]) -> list[Record] | None:
        base, records = self._window.base, []
        for hit in hits:
            text, us = hit["whole"], self._us(hit.start(), hit.end())
            if text is None or us is None or entries.is_escaped(text):
                return None
            records.append(Record(6, base + hit.start(), us, "-", text.decode(), None, NO_FIELDS))
        return records

    def _us(self, clock: int, end: int) -> int | None:
        """Time of a line whose clock ends here; None if it does not begin as all do, or may go on in the next line."""
        data, head = self._window.data, self._feeder.head
        start = clock - len(head) - _FRACTION
        fraction = data[clock - _FRACTION : clock]
        # After each line feed stands the head; in the same microsecond a line may be more of the one before it.
        if data[start - 1] != _LINE_FEED or not fraction.isdigit() or data.startswith(data[start : clock + _TEXT], end):
            return None
        return self._feeder.second_us + int(fraction)
