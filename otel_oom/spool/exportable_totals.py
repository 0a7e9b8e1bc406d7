"""Which totals are the newest, which may be exported, and which were acknowledged. No I/O, no clock, no lock.

Rules:
- With a writer, only committed totals are exported: a crash must not take back what a collector has seen.
- Totals do not wait for a disk that fails. They wait one second for a disk that hangs.
- Totals keep the resource identity that they were counted under.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

from otel_oom.spool.checkpoint import Checkpoint
from otel_oom.totals import ResourceIdentity, RetiredSeries, Series

_MAX_BEHIND_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class OnDisk:
    """The newest totals are on disk, or there is no spool."""


@dataclass(frozen=True, slots=True)
class WaitingForDisk:
    """Newer totals wait for their commit. since_s: monotonic seconds."""

    since_s: float


@dataclass(frozen=True, slots=True)
class DiskFailing:
    """The disk fails or hangs. Totals do not wait for it."""


DiskState: TypeAlias = OnDisk | WaitingForDisk | DiskFailing


class ExportableTotals:
    """Newest, exportable and acknowledged totals.

    checkpoint: where the agent begins; has_writer: a writer stores the checkpoints. Times are monotonic seconds.
    """

    def __init__(self, checkpoint: Checkpoint, *, has_writer: bool) -> None:
        self.checkpoint = checkpoint
        """The newest."""
        self.number = 0
        """Number of the newest totals. A checkpoint in which only the cursor moved has no new number."""
        self._has_writer = has_writer
        self._disk: DiskState = OnDisk()
        self._exportable = (0, checkpoint.series)
        self._acknowledged = checkpoint.acknowledged
        self._acknowledged_ns = checkpoint.exported_ns
        self._retired = checkpoint.retired

    @property
    def exportable(self) -> Series:
        """The totals that may be exported, and their identity."""
        return self._exportable[1]

    @property
    def held_until_s(self) -> float:
        """When `check_disk` lets totals go that wait for the disk; inf: none wait."""
        return self._disk.since_s + _MAX_BEHIND_S if isinstance(self._disk, WaitingForDisk) else math.inf

    @property
    def retired(self) -> RetiredSeries | None:
        """The oldest retired series, None if all are acknowledged."""
        return self._retired[0] if self._retired else None

    def check_disk(self, now_s: float) -> bool:
        """Do not wait any longer for a disk that hangs. Returns whether it was given up just now."""
        is_hanging = now_s >= self.held_until_s
        if is_hanging:
            self.commit_failed()
        return is_hanging

    def begin(self, checkpoint: Checkpoint) -> None:
        """Before the first export: begin here, and export these totals whether they are on disk or not."""
        self.checkpoint = checkpoint
        self._export_newest()

    def change_identity(self, identity: ResourceIdentity, start_ns: int) -> None:
        """Count from 0 under a new identity. Totals of 0 may be exported before they are on disk."""
        self.checkpoint = self._with_acknowledged().under_new_identity(identity, start_ns)
        self._acknowledged, self._retired = None, self.checkpoint.retired
        self.number += 1
        self._export_newest()

    def move(self, checkpoint: Checkpoint, now_s: float) -> None:
        """Take a checkpoint with newer totals. They are exportable after their commit, or at once without a disk."""
        self.checkpoint = checkpoint
        self.number += 1
        self._wait_for_disk(now_s)
        if not isinstance(self._disk, WaitingForDisk):
            self._export_newest()

    def move_cursor(self, checkpoint: Checkpoint) -> None:
        """Take a checkpoint with the same totals."""
        self.checkpoint = checkpoint

    def acknowledge(self, series: Series, newest_ns: int) -> None:
        """A collector accepted these totals (or rejected a retired series). newest_ns: the latest time of any point."""
        if series.key == self.checkpoint.series.key:
            self._acknowledged, self._acknowledged_ns = series.totals, newest_ns
        else:  # of a retired series: the request may have been sent before the identity changed
            after = (
                replace(retired, acknowledged=series.totals) if retired.series.key == series.key else retired
                for retired in self._retired
            )
            self._retired = tuple(retired for retired in after if retired.acknowledged != retired.series.totals)

    def add_retired(self, retired: tuple[RetiredSeries, ...]) -> None:
        """Retired series of an earlier agent, from a spool that was found late."""
        self._retired = (*retired, *self._retired)

    def to_commit(self, now_s: float) -> Checkpoint:
        """The newest checkpoint, with what was acknowledged, for a commit. From now_s on, totals wait for the disk."""
        self._wait_for_disk(now_s)
        return self._with_acknowledged()

    def committed(self, number: int, checkpoint: Checkpoint, now_s: float) -> bool:
        """Totals with this number are durable, and may be exported. Returns whether that is new."""
        self._disk = OnDisk() if number == self.number else WaitingForDisk(now_s)
        is_new = number > self._exportable[0]  # else newer ones were exported while the disk failed
        if is_new:
            self._exportable = (number, checkpoint.series)
        return is_new

    def commit_failed(self) -> None:
        """The disk fails: totals do not wait for it until a commit succeeds."""
        self._disk = DiskFailing()
        self._export_newest()

    def _wait_for_disk(self, now_s: float) -> None:
        if self._has_writer and isinstance(self._disk, OnDisk):
            self._disk = WaitingForDisk(now_s)

    def _export_newest(self) -> None:
        self._exportable = (self.number, self.checkpoint.series)

    def _with_acknowledged(self) -> Checkpoint:
        return replace(
            self.checkpoint, acknowledged=self._acknowledged, retired=self._retired, exported_ns=self._acknowledged_ns
        )
