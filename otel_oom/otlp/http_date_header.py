"""Clock offset from the Date header of the collector's answers. No I/O, no clock.

    Date: Tue, 24 Nov 2026 18:20:12 GMT

Source: RFC 9110, section 5.6.7 (IMF-fixdate: the only form that a server may send today) and 6.6.1.
"""

from __future__ import annotations

import re
from datetime import datetime, timezone
from typing import Final

_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_FIXDATE: Final = re.compile(
    rf"[A-Z][a-z]{{2}}, (\d{{2}}) ({'|'.join(_MONTHS)}) (\d{{4}}) (\d{{2}}):(\d{{2}}):(\d{{2}}) GMT", re.ASCII
)


def offset_s(date: str | None, asked_ns: int, answered_ns: int) -> float | None:
    """This machine's wall clock minus the collector's, in seconds; None where the header is absent or has another form.

    asked_ns, answered_ns: this wall clock before the request and after the answer. The error is at most half a second
    (the header has no fractions) plus half of the time between the two.
    """
    found = _FIXDATE.fullmatch(date or "")
    if found is None:
        return None
    day, month, year, hour, minute, second = found.groups()
    try:
        theirs = datetime(
            int(year), _MONTHS.index(month) + 1, int(day), int(hour), int(minute), int(second), tzinfo=timezone.utc
        )
    except ValueError:  # the 31st of February, or a leap second: datetime has none
        return None
    return (asked_ns + answered_ns) / 2e9 - (theirs.timestamp() + 0.5)
