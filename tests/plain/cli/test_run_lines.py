"""The lines of `otel-oom run` about its spool and its deliveries."""

from __future__ import annotations

import re

import pytest

from otel_oom.cli.run_lines import SpoolState, StopLine, spool_line, stop_lines, version_line

EMPTY = SpoolState("/s", is_written=True, pending=0, kills=0)
HELD = SpoolState("/s", is_written=True, pending=3, kills=17)
NONE = SpoolState(None, is_written=False, pending=3, kills=3)
BROKEN = SpoolState("/s", is_written=False, pending=3, kills=3)
NOTHING = SpoolState(None, is_written=False, pending=0, kills=0)
DELIVERED = SpoolState(None, is_written=False, pending=0, kills=3)

NO_SPOOL = "no spool: undelivered events and counts end with this process"
STAY = "stay in the spool /s for the next start"
IN_MEMORY = "they were in memory only; name a directory with --spool to keep them"
NOT_WRITTEN = "the spool /s could not be written; repair its disk"


def test_the_version() -> None:
    assert re.fullmatch(r"otel-oom \d+\.\d+\S*, pid 4711, Linux \S+, Python 3\.\d+\.\d+\S*", version_line(4711))


@pytest.mark.parametrize(
    ("spool", "line"),
    [
        (EMPTY, "spool /s; 0 undelivered event(s), counting begins at 0 kills"),
        (HELD, "spool /s; 3 undelivered event(s), counting goes on from 17 kill(s)"),
        (BROKEN, "spool /s (not open yet); 3 undelivered event(s), counting goes on from 3 kill(s)"),
        (NOTHING, f"{NO_SPOOL}; 0 undelivered event(s), counting begins at 0 kills"),
    ],
)
def test_a_start_says_what_it_takes_over(spool: SpoolState, line: str) -> None:
    assert spool_line(spool) == line


@pytest.mark.parametrize(
    ("spool", "has_delivered_totals", "last"),
    [
        (EMPTY, True, None),
        (EMPTY, False, None),  # no kill was counted, so no count can be lost
        (DELIVERED, True, None),
        (HELD, True, StopLine(f"3 undelivered event(s) {STAY}")),
        (HELD, False, StopLine(f"3 undelivered event(s) and the newest counts (17 kill(s) in all) {STAY}")),
        (NONE, True, StopLine(f"gave up 3 undelivered event(s): {IN_MEMORY}", is_loss=True)),
        (DELIVERED, False, StopLine(f"gave up the newest counts (3 kill(s) in all): {IN_MEMORY}", is_loss=True)),
        (BROKEN, True, StopLine(f"gave up 3 undelivered event(s): {NOT_WRITTEN}", is_loss=True)),
    ],
)
def test_a_stop_says_what_becomes_of_the_rest(
    spool: SpoolState, last: StopLine | None, *, has_delivered_totals: bool
) -> None:
    first = "delivered 12 event(s) since the start"
    expected = [StopLine(first), last] if last else [StopLine(f"{first}; nothing is left")]
    assert stop_lines(spool, 12, has_delivered_totals=has_delivered_totals) == expected
