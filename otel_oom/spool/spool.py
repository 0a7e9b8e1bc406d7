"""Undelivered events and the checkpoint that goes with them: one lock over `EventQueue` and `ExportableTotals`.

Rules:
- Events and checkpoint change in one step: an export contains both or neither, and so does a commit.
- An event keeps the resource identity that was current at `put`.
- No thread waits for another one: the reader puts and goes on. The sender takes copies and removes them later.
  The writer takes what is not on disk yet and reports each commit. Only in `wait_taken` does it wait for the reader.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from otel_oom.health import Health
from otel_oom.spool.checkpoint import Checkpoint
from otel_oom.spool.event_queue import EventQueue, QueueChanges
from otel_oom.spool.exportable_totals import ExportableTotals
from otel_oom.telemetry.event import Event
from otel_oom.totals import ResourceIdentity, RetiredSeries, Series, Totals

_MAX_UNSAVED_RECORDS: Final = 500  # a quarter of the smallest ring: overwritten records after the cursor look lost


@dataclass(frozen=True, slots=True)
class Commit(QueueChanges):
    """What one commit makes durable.

    checkpoint: the newest; number: of its totals
    replaces_all: `added` is all that is undelivered: first delete what is stored
    """

    checkpoint: Checkpoint
    replaces_all: bool
    number: int


class Spool:
    """Between the reader (`put`), the sender (`peek`, `remove_first`, `wait`) and the writer (`take_unsaved`, `saved`).

    checkpoint: where the agent begins; stored: events that an earlier agent left on disk, by number
    has_writer: a writer will follow; wake_reader: ends the reader's wait for the kernel log
    """

    def __init__(
        self,
        health: Health,
        checkpoint: Checkpoint,
        *,
        stored: Iterable[tuple[int, Event]] = (),
        has_writer: bool = False,
        wake_reader: Callable[[], None] = lambda: None,
    ) -> None:
        self._health = health
        self._queue = EventQueue(stored, has_writer=has_writer)
        self._totals = ExportableTotals(checkpoint, has_writer=has_writer)
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._version = 0
        self._due = threading.Condition(self._lock)
        self._is_due = True
        self._saved_to = checkpoint.first_uncounted
        self._wake_reader = wake_reader
        self.earlier_checkpoint: Checkpoint | None = None
        """The checkpoint that the writer hands over to the reader. The writer waits for `earlier_taken`."""

    def __len__(self) -> int:
        return len(self._queue)

    @property
    def checkpoint(self) -> Checkpoint:
        """As of the last `put`."""
        return self._totals.checkpoint

    @property
    def totals(self) -> Totals:
        """As of the last `put`."""
        return self._totals.checkpoint.totals

    @property
    def exportable(self) -> Series:
        """The totals that may be exported, and their identity."""
        return self._totals.exportable

    @property
    def held_until_s(self) -> float:
        """When `check_disk` lets totals go that wait for the disk, monotonic seconds; inf: none wait."""
        return self._totals.held_until_s

    @property
    def retired(self) -> RetiredSeries | None:
        """The oldest retired series, None if all are acknowledged."""
        return self._totals.retired

    @property
    def newest_number(self) -> int:
        """Number of the newest event so far, delivered or not."""
        return self._queue.newest_number

    def wait(self, seen: int, timeout_s: float | None) -> int:
        """Sleep until something changed since version `seen`, at most timeout_s; returns the version now."""
        with self._lock:
            self._changed.wait_for(lambda: self._version != seen, timeout_s)
            return self._version

    def wake(self) -> None:
        """End every wait."""
        with self._lock:
            self._wake()
            self._write_soon()

    # For the reader.

    def begin(self, checkpoint: Checkpoint) -> None:
        """Before the first export: begin here, and export these totals whether they are on disk or not."""
        with self._lock:
            self._totals.begin(checkpoint)

    def put(self, events: Sequence[Event], checkpoint: Checkpoint | None = None) -> None:
        """Queue events for delivery, with the checkpoint that they lead to (None: the checkpoint stays)."""
        with self._lock:
            before = self._totals.checkpoint
            after = checkpoint or before
            if not events and after.totals is before.totals:  # only the cursor moved
                self._totals.move_cursor(after)
                if after.first_uncounted - self._saved_to >= _MAX_UNSAVED_RECORDS:
                    self._write_soon()
                return
            # The totals last: if memory runs out in the queue, the caller puts the same again and it counts once.
            dropped = self._queue.put(events, after.identity)
            self._totals.move(after, time.monotonic())
            self._wake()
            self._write_soon()
        if dropped:
            self._health.event_dropped("overflow", dropped, f"the queue holds {self._queue.limits}")

    def change_identity(self, identity: ResourceIdentity, start_ns: int) -> Checkpoint:
        """Count from 0 under a new identity; returns the checkpoint at which that begins."""
        with self._lock:
            self._totals.change_identity(identity, start_ns)
            self._wake()
            self._write_soon()
            return self._totals.checkpoint

    def add_retired(self, retired: tuple[RetiredSeries, ...]) -> None:
        """Retired series of an earlier agent, from a spool that was found late."""
        with self._lock:
            self._totals.add_retired(retired)

    def earlier_taken(self) -> None:
        """What was handed over is in the spool now, and may be overwritten on disk."""
        with self._lock:
            self.earlier_checkpoint = None
            self._due.notify_all()

    # For the sender.

    def check_disk(self, now_s: float) -> None:
        """Let totals go that have waited for the disk for too long: the disk hangs. now_s: monotonic seconds."""
        with self._lock:
            is_hanging = self._totals.check_disk(now_s)
            if is_hanging:
                self._wake()
        if is_hanging:
            self._health.spool_down("the disk does not answer")

    def peek(self, max_events: int, max_bytes: int) -> tuple[Event, ...]:
        """See `EventQueue`."""
        with self._lock:
            return self._queue.peek(max_events, max_bytes)

    def remove_first(self, count: int, refused: Sequence[tuple[Event, str]] = ()) -> None:
        """See `EventQueue`. A collector accepted or rejected these events."""
        with self._lock:
            if self._queue.remove_first(count, refused):
                self._write_soon()

    def acknowledge(self, series: Series, newest_ns: int) -> None:
        """See `ExportableTotals`."""
        with self._lock:
            self._totals.acknowledge(series, newest_ns)
            self._write_soon()

    # For the writer.

    def hand_over(self, earlier: Checkpoint) -> None:
        """Give the reader an earlier agent's checkpoint, once."""
        with self._lock:
            self.earlier_checkpoint = earlier
        self._wake_reader()

    def wait_taken(self, timeout_s: float, is_stopping: Callable[[], bool]) -> bool:
        """Sleep until the reader has taken what was handed over; returns whether it has.

        False: timeout_s is over, or is_stopping returned true after a `wake`.
        """
        with self._lock:
            self._due.wait_for(lambda: self.earlier_checkpoint is None or is_stopping(), timeout_s)
            return self.earlier_checkpoint is None

    def wait_unsaved(self, timeout_s: float, is_stopping: Callable[[], bool]) -> bool:
        """Sleep until something is to be written, at most timeout_s; returns whether there is.

        It also ends when is_stopping returned true after a `wake`, which `take_unsaved` may have answered already.
        """
        with self._lock:
            return self._due.wait_for(lambda: self._is_due or is_stopping(), timeout_s)

    def take_unsaved(self, *, replaces_all: bool) -> Commit:
        """Return what is to be written. It counts as stored from now on: after a failure, call with `replaces_all`."""
        with self._lock:
            self._is_due = False
            changes = self._queue.take_changes(replaces_all=replaces_all)
            checkpoint = self._totals.to_commit(time.monotonic())
            self._saved_to = checkpoint.first_uncounted
            number = self._totals.number
            return Commit(changes.added, changes.removed, changes.refused, checkpoint, replaces_all, number)

    def saved(self, commit: Commit) -> None:
        """A commit is durable, and its totals may be exported. The sender is woken only if that is news for it."""
        was_durable = self._health.is_durable
        self._health.spool_up()
        with self._lock:
            if self._totals.committed(commit.number, commit.checkpoint, time.monotonic()) or not was_durable:
                self._wake()

    def store_damaged(self, damage: str, lost: int) -> None:
        """The store that opened late was damaged. See `Stored`."""
        self._health.spool_damaged(damage, lost)

    def not_saved(self, why: str, commit: Commit | None = None) -> None:
        """The disk fails: totals do not wait for it until a commit succeeds. commit: the one that failed, if any."""
        with self._lock:
            self._totals.commit_failed()
            if commit is not None:
                self._queue.put_back_refused(commit.refused)
            self._wake()
        self._health.spool_down(why)

    def _wake(self) -> None:
        self._version += 1
        self._changed.notify_all()

    def _write_soon(self) -> None:
        self._is_due = True
        self._due.notify_all()
