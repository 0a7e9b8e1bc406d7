"""Which checkpoint is the newest, which totals a collector may see, and which it was told. No I/O, no clock, no lock.

Rules:
- With a writer, exported totals are committed ones: a crash must not take back what a collector has seen. A disk that
  fails holds them up not at all, and one that hangs for a second.
- Totals go out as those of whom this machine was when they were counted, never as another's.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Final

from otel_oom.spool.checkpoint import Checkpoint
from otel_oom.totals import ResourceIdentity, RetiredSeries, Series

_PATIENCE_S: Final = 1.0


class ExportableTotals:
    """checkpoint: where the agent begins; has_writer: a writer will follow. Times are monotonic seconds."""

    def __init__(self, checkpoint: Checkpoint, *, has_writer: bool) -> None:
        self.checkpoint = checkpoint
        self.number = 0
        """Of the newest state; the cursor alone makes none."""
        self._has_writer = has_writer
        self._exportable = (0, checkpoint.series)
        self._behind_s = math.inf
        self._is_failing = False
        self._acknowledged = checkpoint.acknowledged
        self._acknowledged_ns = checkpoint.exported_ns
        self._retired = checkpoint.retired

    @property
    def exportable(self) -> Series:
        """The totals that a collector may see."""
        if self._is_failing:
            self._exportable = (self.number, self.checkpoint.series)
        return self._exportable[1]

    @property
    def held_until_s(self) -> float:
        """When totals that wait for the disk may be exported without it; inf: none wait."""
        return math.inf if self._is_failing else self._behind_s + _PATIENCE_S

    def gives_up(self, now_s: float) -> bool:
        """Whether the disk has hung for too long just now; it is not waited for from then on."""
        is_hanging = not self._is_failing and now_s >= self.held_until_s
        self._is_failing = self._is_failing or is_hanging
        return is_hanging

    @property
    def retired(self) -> RetiredSeries | None:
        """What is to be told next of what this machine was before, if there is anything."""
        return self._retired[0] if self._retired else None

    def begin(self, checkpoint: Checkpoint) -> None:
        """Before the first export: where this agent really stands, whatever the disk knows of it."""
        self.checkpoint = checkpoint
        self._exportable = (self.number, checkpoint.series)

    def change_identity(self, identity: ResourceIdentity, start_ns: int) -> None:
        """This machine is another one now. Its totals of 0 need no disk."""
        before = replace(
            self.checkpoint, acknowledged=self._acknowledged, retired=self._retired, exported_ns=self._acknowledged_ns
        )
        self.checkpoint = before.under_new_identity(identity, start_ns)
        self._acknowledged, self._retired = None, self.checkpoint.retired
        self.number += 1
        self._exportable = (self.number, self.checkpoint.series)

    def move(self, checkpoint: Checkpoint, now_s: float) -> None:
        """A newer state."""
        self.checkpoint = checkpoint
        self.number += 1
        if self._has_writer:
            self._behind_s = min(self._behind_s, now_s)
        else:
            self._exportable = (self.number, checkpoint.series)

    def acknowledge(self, series: Series, newest_ns: int) -> None:
        """A collector has taken these totals, or never will; newest_ns: the latest time that any point carried."""
        if series.key == self.checkpoint.series.key:
            self._acknowledged, self._acknowledged_ns = series.totals, newest_ns
        else:  # of what this machine was before: a request may have been on its way when it became another
            acknowledged = (one.after(series) for one in self._retired)
            self._retired = tuple(one for one in acknowledged if one.acknowledged != one.series.totals)

    def add_retired(self, retired: tuple[RetiredSeries, ...]) -> None:
        """What an earlier agent had still to tell, found late."""
        self._retired = (*retired, *self._retired)

    def to_be_saved(self, now_s: float) -> Checkpoint:
        """The newest checkpoint, with what a collector was told."""
        self._behind_s = min(self._behind_s, now_s)
        return replace(
            self.checkpoint, exported_ns=self._acknowledged_ns, acknowledged=self._acknowledged, retired=self._retired
        )

    def saved(self, number: int, checkpoint: Checkpoint, now_s: float) -> None:
        """A state is durable, and its totals may be exported."""
        self._is_failing = False
        self._behind_s = math.inf if number == self.number else now_s
        if number > self._exportable[0]:  # else the newer ones went out already, while the disk hung
            self._exportable = (number, checkpoint.series)

    def not_saved(self) -> None:
        """Nothing can be written: totals wait for the disk no more until it can."""
        self._is_failing = True
