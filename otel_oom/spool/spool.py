"""The queue of undelivered events and the checkpoint that goes with them, in memory and bounded.

Rules:
- An event leaves only when a collector accepted it, or when the queue is full: then the oldest goes, counted and said.
- An event belongs to whom this machine was when it was put here.
- Events and checkpoint change in one step, so an export shows both or neither, and so does the disk.
- Nobody waits: the reader puts and goes on, the one sender takes copies and settles them later, and the one writer
  (`writer`) takes what is not on disk yet and says when it is.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import islice, takewhile
from typing import Final

from otel_oom.health import Health
from otel_oom.spool.checkpoint import Checkpoint
from otel_oom.spool.exportable_totals import ExportableTotals
from otel_oom.telemetry.event import Event
from otel_oom.totals import ResourceIdentity, RetiredSeries, Series, Totals

MAX_EVENTS: Final = 10_000
MAX_BYTES: Final = 8 << 20
_MAX_UNSAVED_RECORDS: Final = 500  # a quarter of the smallest ring: what was read must not pass for lost after a crash
_MAX_REFUSED: Final = 100  # until the next commit; the disk has room for more


@dataclass(frozen=True, slots=True)
class Commit:
    """What a commit makes durable.

    added: undelivered events by number; removed: numbers; refused: events that a collector will never take, and why
    replaces_all: `added` is all that is undelivered, whatever is stored
    number: which state this is
    """

    added: Sequence[tuple[int, Event]]
    removed: Sequence[int]
    refused: Sequence[tuple[Event, str]]
    checkpoint: Checkpoint
    replaces_all: bool
    number: int


@dataclass(slots=True)
class _Entry:
    number: int
    event: Event
    size: int
    is_stored: bool = False


class Spool:
    """The queue between reader (`put`), sender (`peek`, `settle`, `wait`) and writer (`unsaved`, `saved`).

    stored: what an earlier agent left on disk, by number; has_writer: a writer will follow
    """

    def __init__(
        self,
        health: Health,
        checkpoint: Checkpoint,
        *,
        stored: Iterable[tuple[int, Event]] = (),
        has_writer: bool = False,
        max_events: int = MAX_EVENTS,
        max_bytes: int = MAX_BYTES,
    ) -> None:
        self._health = health
        self._max_events = max_events
        self._max_bytes = max_bytes
        self._queue = deque(_Entry(number, event, event.size_bytes, is_stored=True) for number, event in stored)
        self._bytes = sum(entry.size for entry in self._queue)
        self._last_number = self._queue[-1].number if self._queue else 0
        self._dropped = 0
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._version = 0
        # For the writer.
        self._has_writer = has_writer
        self._due = threading.Condition(self._lock)
        self._is_due = True
        self._removed: list[int] = []
        self._refused: list[tuple[Event, str]] = []
        self._exportable_totals = ExportableTotals(checkpoint, has_writer=has_writer)
        self._saved_to = checkpoint.first_uncounted
        self.earlier: Checkpoint | None = None
        """Where an earlier agent stood, if the writer found that late: for the reader to take, and to set to None."""
        self.wake_reader: Callable[[], None] = lambda: None

    def __len__(self) -> int:
        return len(self._queue)

    @property
    def checkpoint(self) -> Checkpoint:
        """As of the last `put`."""
        return self._exportable_totals.checkpoint

    @property
    def totals(self) -> Totals:
        """As of the last `put`."""
        return self._exportable_totals.checkpoint.totals

    @property
    def exportable(self) -> Series:
        """The totals that a collector may see."""
        with self._lock:
            gives_up = self._exportable_totals.gives_up(time.monotonic())
            series = self._exportable_totals.exportable
        if gives_up:
            self._health.spool_down("the disk does not answer")
        return series

    @property
    def held_until_s(self) -> float:
        """When totals that wait for the disk may be exported without it, monotonic seconds; inf: none wait."""
        return self._exportable_totals.held_until_s

    @property
    def retired(self) -> RetiredSeries | None:
        """See `ExportableTotals`."""
        return self._exportable_totals.retired

    def begin(self, checkpoint: Checkpoint) -> None:
        """See `ExportableTotals`."""
        with self._lock:
            self._exportable_totals.begin(checkpoint)

    def change_identity(self, identity: ResourceIdentity, start_ns: int) -> Checkpoint:
        """This machine is another one now; returns where counting begins for it."""
        with self._lock:
            self._exportable_totals.change_identity(identity, start_ns)
            self._wake()
            self._write_soon()
            return self._exportable_totals.checkpoint

    def add_retired(self, retired: tuple[RetiredSeries, ...]) -> None:
        """See `ExportableTotals`."""
        with self._lock:
            self._exportable_totals.add_retired(retired)

    def put(self, events: Sequence[Event], checkpoint: Checkpoint | None = None) -> None:
        """Queue events for delivery, with the checkpoint that they lead to."""
        sizes = [event.size_bytes for event in events]
        with self._lock:
            before = self._exportable_totals.checkpoint
            after = checkpoint or before
            whose = [event if event.identity else replace(event, identity=after.identity) for event in events]
            if not events and after.totals is before.totals:
                self._exportable_totals.checkpoint = after
                if after.first_uncounted - self._saved_to >= _MAX_UNSAVED_RECORDS:
                    self._write_soon()
                return  # the cursor alone is no other news
            # The totals last: where memory runs out before, the same is put again, and counted once.
            numbers = range(self._last_number + 1, self._last_number + 1 + len(events))
            entries = [_Entry(*one) for one in zip(numbers, whose, sizes, strict=True)]
            self._last_number += len(entries)
            self._queue.extend(entries)
            self._bytes += sum(sizes)
            self._exportable_totals.move(after, time.monotonic())
            overflow = self._shrink()
            self._wake()
            self._write_soon()
        if overflow:
            self._health.event_dropped(
                "overflow", overflow, f"the queue holds {self._max_events} events or {self._max_bytes >> 20} MiB"
            )

    def peek(self, max_events: int, max_bytes: int) -> tuple[Event, ...]:
        """The oldest events, of one origin, at least one if there is any; they stay until `settle`."""
        with self._lock:
            batch: list[Event] = []
            for entry in islice(self._queue, max_events):
                max_bytes -= entry.size
                if batch and (max_bytes < 0 or entry.event.identity != batch[0].identity):
                    break
                batch.append(entry.event)
            self._dropped = 0
            return tuple(batch)

    def settle(self, count: int, refused: Sequence[tuple[Event, str]] = ()) -> None:
        """The first `count` events of the last `peek` are done with. What overflowed meanwhile is gone already.

        refused: those of them that the collector will never take, and why: they are set aside on the disk.
        """
        with self._lock:
            for _ in range(count - min(count, self._dropped)):
                self._drop_oldest()
            self._dropped = max(0, self._dropped - count)
            if self._has_writer:
                self._refused = [*self._refused, *refused][-_MAX_REFUSED:]
                if self._removed or self._refused:
                    self._write_soon()

    def acknowledge(self, series: Series, newest_ns: int) -> None:
        """See `ExportableTotals`."""
        with self._lock:
            self._exportable_totals.acknowledge(series, newest_ns)
            self._write_soon()

    @property
    def newest_number(self) -> int:
        """Grows with every event."""
        return self._last_number

    def wait(self, seen: int, timeout_s: float | None) -> int:
        """Sleep until something changed since version `seen`, at most timeout_s; returns the version now."""
        with self._lock:
            self._changed.wait_for(lambda: self._version != seen, timeout_s)
            return self._version

    def wake(self) -> None:
        """End a `wait` and a `wait_unsaved`."""
        with self._lock:
            self._wake()
            self._write_soon()

    # What follows is for the writer.

    def wait_unsaved(self, timeout_s: float) -> bool:
        """Sleep until something is to be written, at most timeout_s; returns whether there is."""
        with self._lock:
            return self._due.wait_for(lambda: self._is_due, timeout_s)

    def unsaved(self, *, replaces_all: bool) -> Commit:
        """What is to be written now. It counts as stored: after a failure `replaces_all` makes that good."""
        with self._lock:
            self._is_due = False
            fresh = reversed(self._queue)
            entries = list(fresh if replaces_all else takewhile(lambda entry: not entry.is_stored, fresh))[::-1]
            for entry in entries:
                entry.is_stored = True
            removed, self._removed = self._removed, []
            refused, self._refused = self._refused, []
            checkpoint = self._exportable_totals.to_be_saved(time.monotonic())
            self._saved_to = checkpoint.first_uncounted
            added = [(entry.number, entry.event) for entry in entries]
            return Commit(added, removed, refused, checkpoint, replaces_all, self._exportable_totals.number)

    def saved(self, change: Commit) -> None:
        """A change is durable, and its totals may be exported."""
        with self._lock:
            self._exportable_totals.saved(change.number, change.checkpoint, time.monotonic())
            self._wake()
        self._health.spool_up()

    def not_saved(self, why: str, change: Commit | None = None) -> None:
        """Nothing can be written: totals wait for the disk no more until it can."""
        with self._lock:
            self._exportable_totals.not_saved()
            self._refused = [*(change.refused if change else ()), *self._refused][-_MAX_REFUSED:]
            self._wake()
        self._health.spool_down(why)

    def _shrink(self) -> int:
        overflow = 0
        while len(self._queue) > self._max_events or self._bytes > self._max_bytes:
            self._drop_oldest()
            overflow += 1
        self._dropped += overflow
        return overflow

    def _drop_oldest(self) -> None:
        entry = self._queue.popleft()
        self._bytes -= entry.size
        if entry.is_stored and self._has_writer:
            self._removed.append(entry.number)

    def _wake(self) -> None:
        self._version += 1
        self._changed.notify_all()

    def _write_soon(self) -> None:
        self._is_due = True
        self._due.notify_all()
