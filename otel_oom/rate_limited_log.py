"""Log lines, at most one a minute for each kind of failure.

Rules:
- The first line of a kind is logged at once. Later ones are counted, and the next logged line gives their number.
- Each log line is one printable line, whatever a collector or a process put into it.
"""

from __future__ import annotations

import logging
import time
from typing import Final

from otel_oom.printable_text import printable_line

log = logging.getLogger("otel_oom")

REPEAT_AFTER_S: Final = 60.0
_MAX_CHARACTERS: Final = 600  # a server may answer with a page of HTML


class RateLimitedLog:
    """Logs under the name `otel_oom`. One thread logs each kind: with two threads, a line too many may be logged."""

    def __init__(self) -> None:
        self._logged: dict[str, tuple[float, int]] = {}
        """By kind: monotonic time of the last logged line in seconds, and the number of lines left out since."""

    def log(self, kind: str, level: int, message: str, *arguments: object) -> bool:
        """Log a line, unless a line of this kind was logged in the last minute. Returns whether it was logged."""
        now_s = time.monotonic()
        last_s, left_out = self._logged.get(kind, (float("-inf"), 0))
        if now_s - last_s < REPEAT_AFTER_S:
            self._logged[kind] = (last_s, left_out + 1)
            return False
        self._logged[kind] = (now_s, 0)
        line = printable_line(message % arguments)[:_MAX_CHARACTERS]
        log.log(level, "%s%s", line, f" ({left_out} more like it before)" if left_out else "")
        return True
