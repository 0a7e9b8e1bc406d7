"""THE table of faults of a spool's file: what is wrong with it, and what the next agent does. The documents show it.

tests/plain/spool/test_spool_faults.py makes each of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class SpoolFault:
    """A row. fault: what is wrong; expected: of the next agent."""

    name: str
    fault: str
    expected: str


SPOOL_FAULTS: Final = (
    SpoolFault(
        "bad page",
        "a page with events is overwritten",
        "The events of all other pages are delivered, the rest counted.",
    ),
    SpoolFault(
        "bad root",
        "the page that leads to all pages with events is overwritten",
        "Each page is read by itself: all events are delivered.",
    ),
    SpoolFault("bad bit", "a bit of an event is flipped", "Its checksum is wrong: it is lost and counted."),
    SpoolFault("no event", "an event has the right checksum and no uid", "It is lost and counted."),
    SpoolFault("missing row", "an event is not in its table any more", "It is counted."),
    SpoolFault(
        "bad checkpoint",
        "the newest checkpoint is no UTF-8",
        "The one before it is used. The kernel log is read again from there: equal uids, each kill counted once.",
    ),
    SpoolFault(
        "no checkpoint",
        "both checkpoints are overwritten",
        "Totals begin again at 0. Reading goes on after the newest kill that is stored: none is counted twice.",
    ),
    SpoolFault("no table", "the table of events is missing", "All its events are counted; totals go on."),
    SpoolFault(
        "trigger",
        "somebody added a trigger, a view, an index or a table to it",
        "None of them is run or read: all events are delivered, and totals go on.",
    ),
    SpoolFault("cut off", "its last pages are missing", "The events of the other pages are delivered."),
    SpoolFault("no database", "all of it is overwritten", "A first start, and a line that says so."),
    SpoolFault(
        "bad frame",
        "a bit in the middle of its write-ahead log is flipped",
        "SQLite accepts no commit from there on. A repaired copy has them all.",
    ),
    SpoolFault(
        "cut log",
        "its write-ahead log is cut off, after the agent was killed",
        "The kernel log is read again from the last commit that is left: equal uids, each kill counted once.",
    ),
)


def table() -> str:
    """The table in Markdown."""
    rows = [f"| {row.name} | {row.fault} | {row.expected} |" for row in SPOOL_FAULTS]
    return "\n".join(["| case | fault | expected |", "| --- | --- | --- |", *rows])
