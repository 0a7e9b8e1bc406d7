"""Chooses when the log is compared with the kernel's counter. No I/O, no clock.

Rules:
- While the log moves, or a difference lasts, every 5 s: the age at which a difference is published. A comparison after
  a record comes within 5 s of the comparison before it.
- While neither happens, every `QUIET_S`. The kernel logs each kill, so there is nothing to find then. A wake-up less is
  what it saves: the comparisons are most of the agent's work while nothing happens.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

from otel_oom import schema
from otel_oom.agent.reconciliation import MIN_SURPLUS_AGE_S, Reconciliation

QUIET_S: Final = 15.0


class ComparisonTimes:
    """records: of the kernel log, how many were `read` so far; reconciliation: what was found last."""

    def __init__(self, records: Mapping[schema.RecordOutcome, int], reconciliation: Reconciliation) -> None:
        self._records = records
        self._reconciliation = reconciliation
        self._last_s = -math.inf
        self._last_read = -1
        self._was_quiet = False

    @property
    def due_s(self) -> float:
        """When the next comparison is due, monotonic seconds."""
        is_quiet = self._was_quiet and self._records["read"] == self._last_read and self._reconciliation.is_settled
        return self._last_s + (QUIET_S if is_quiet else MIN_SURPLUS_AGE_S)

    def begin(self, now_s: float) -> None:
        """A comparison is made now, after the log was read to its end. now_s: monotonic seconds."""
        self._was_quiet = self._records["read"] == self._last_read
        self._last_s, self._last_read = now_s, self._records["read"]
