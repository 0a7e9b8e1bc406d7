"""The rows of a task table that matter: a table is understood as a whole, not line by line. No I/O.

Rules:
- Only the five largest matter, the first of equals first; and the last row, which shows how far the report came.
- A row counts by what stands before it: rows of user space must not take the place of the kernel's.
"""

from __future__ import annotations

import functools
import re
from typing import Final, TypeAlias

from otel_oom.kernel import oom_lines

_TOP_TASKS: Final = 5
_DIGITS: Final = b"0123456789 "
_DIGITS_OF_A_SIZE: Final = 15  # in pages: more would not fit into an address space

Row: TypeAlias = re.Match[bytes]


@functools.lru_cache(maxsize=4)
def pattern(columns: bytes) -> re.Pattern[bytes] | None:
    """A row under these columns, or None where they say no size."""
    text = oom_lines.row_pattern(tuple(columns.decode().split())).pattern
    return re.compile(text.encode()) if "rss" in text else None


def start(row: Row) -> int:
    """Where the line of a row starts."""
    return row.string.rfind(b"\n", 0, row.start()) + 1


def prefix(row: Row) -> bytes:
    """What stands before a row."""
    return row.string[start(row) : row.start()]


def top(rows: list[Row]) -> list[Row]:
    """Those that matter, in order; all if the largest is no size but a counter that wrapped."""
    largest = sorted(rows, key=_rss, reverse=True)[:_TOP_TASKS]
    if len(largest[0]["rss"]) > _DIGITS_OF_A_SIZE:
        return rows
    some = sorted(largest, key=re.Match.start)
    return some if some[-1] is rows[-1] else [*some, rows[-1]]


def top_of_one_origin(rows: list[Row]) -> list[Row] | None:
    """The same; None if what stands before them differs in more than its digits."""
    some = top(rows)
    return some if len({_identity(prefix(row)) for row in some}) == 1 else None


def _rss(row: Row) -> int:
    return int(row["rss"])


def _identity(before: bytes) -> bytes:
    """Who wrote a row, as far as its prefix says it: a level is a number before the clock."""
    level = before.partition(b"[")[0] if b"<" in before else b""
    return level + before.translate(None, _DIGITS)
