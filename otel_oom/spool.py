"""The queue of undelivered events and the checkpoint that goes with them, in memory and bounded.

Rules:
- An event leaves only when a collector accepted it, or when the queue is full: then the oldest goes, counted and said.
- An event belongs to whom this machine was when it was put here; totals never go out as another's.
- Events and checkpoint change in one step, so an export shows both or neither, and so does the disk.
- Nobody waits: the reader puts and goes on, the one sender takes copies and settles them later, and the one writer
  (`mirror`) takes what is not on disk yet and says when it is.
- With a writer, exported totals are committed ones: a crash must not take back what a collector has seen. A disk that
  fails holds them up not at all, and one that hangs for a second.
"""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import islice, takewhile
from typing import Final

from otel_oom.checkpoint import Checkpoint, Origin, Series, Totals
from otel_oom.health import Health
from otel_oom.telemetry import Event

MAX_EVENTS: Final = 10_000
MAX_BYTES: Final = 8 << 20
_PATIENCE_S: Final = 1.0
_MAX_UNSAVED_RECORDS: Final = 500  # a quarter of the smallest ring: what was read must not pass for lost after a crash
_MAX_REFUSED: Final = 100  # until the next commit; the disk has room for more


@dataclass(frozen=True, slots=True)
class Change:
    """What a commit makes durable.

    added: undelivered events by number; removed: numbers; refused: events that a collector will never take, and why
    is_whole: `added` is all that is undelivered, whatever is stored
    number: which state this is
    """

    added: Sequence[tuple[int, Event]]
    removed: Sequence[int]
    refused: Sequence[tuple[Event, str]]
    checkpoint: Checkpoint
    is_whole: bool
    number: int


@dataclass(slots=True)
class _Entry:
    number: int
    event: Event
    size: int
    is_stored: bool = False


class Spool:
    """The queue between reader (`put`), sender (`peek`, `settle`, `wait`) and writer (`unsaved`, `saved`).

    stored: what an earlier agent left on disk, by number; is_mirrored: a writer will follow
    """

    def __init__(
        self,
        health: Health,
        checkpoint: Checkpoint,
        *,
        stored: Iterable[tuple[int, Event]] = (),
        is_mirrored: bool = False,
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
        self._is_mirrored = is_mirrored
        self._due = threading.Condition(self._lock)
        self._is_due = True
        self._removed: list[int] = []
        self._refused: list[tuple[Event, str]] = []
        # The newest state, and the one that may be exported.
        self._checkpoint = checkpoint
        self._state = 0
        self._exportable = (0, _series(checkpoint))
        self._behind_s = math.inf
        self._is_failing = False
        self._told = checkpoint.told
        self._told_ns = checkpoint.exported_ns
        self._former = checkpoint.former
        self._saved_to = checkpoint.uncounted
        self.earlier: Checkpoint | None = None
        """Where an earlier agent stood, if the writer found that late: for the reader to take, and to set to None."""
        self.wake_reader: Callable[[], None] = lambda: None

    def __len__(self) -> int:
        return len(self._queue)

    @property
    def checkpoint(self) -> Checkpoint:
        """As of the last `put`."""
        return self._checkpoint

    @property
    def totals(self) -> Totals:
        """As of the last `put`."""
        return self._checkpoint.totals

    @property
    def exportable(self) -> Series:
        """The totals that a collector may see."""
        with self._lock:
            is_hanging = time.monotonic() - self._behind_s >= _PATIENCE_S
            if is_hanging or self._is_failing:
                self._exportable = (self._state, _series(self._checkpoint))
            is_news = is_hanging and not self._is_failing
            self._is_failing = self._is_failing or is_hanging
            series = self._exportable[1]
        if is_news:
            self._health.spool_down("the disk does not answer")
        return series

    @property
    def held_until_s(self) -> float:
        """When totals that wait for the disk may be exported without it, monotonic seconds; inf: none wait."""
        return math.inf if self._is_failing else self._behind_s + _PATIENCE_S

    def begin(self, checkpoint: Checkpoint) -> None:
        """Before the first export: where this agent really stands, whatever the disk knows of it."""
        with self._lock:
            self._checkpoint = checkpoint
            self._exportable = (self._state, _series(checkpoint))

    def become(self, origin: Origin, start_ns: int) -> Checkpoint:
        """This machine is another one now; returns where counting begins for it."""
        with self._lock:
            before = replace(self._checkpoint, told=self._told, former=self._former)
            self._checkpoint = after = before.of_another(origin, start_ns)
            self._told, self._former = None, after.former
            self._state += 1
            self._exportable = (self._state, _series(after))
            if self._is_mirrored:
                self._write_soon()
            self._wake()
            return after

    def put(self, events: Sequence[Event], checkpoint: Checkpoint | None = None) -> None:
        """Queue events for delivery, with the checkpoint that they lead to."""
        with self._lock:
            after = checkpoint or self._checkpoint
            sized = [
                (event if event.origin else replace(event, origin=after.origin), event.size_bytes) for event in events
            ]
            if not events and after.totals is self._checkpoint.totals:
                self._checkpoint = after
                if after.uncounted - self._saved_to >= _MAX_UNSAVED_RECORDS:
                    self._write_soon()
                return  # the cursor alone is no other news
            # The totals last: where memory runs out before, the same is put again, and counted once.
            entries = [_Entry(self._last_number + place, *one) for place, one in enumerate(sized, 1)]
            self._last_number += len(entries)
            self._queue.extend(entries)
            self._bytes += sum(size for _, size in sized)
            self._checkpoint = after
            self._state += 1
            overflow = self._shrink()
            if self._is_mirrored:
                self._behind_s = min(self._behind_s, time.monotonic())
                self._write_soon()
            else:
                self._exportable = (self._state, _series(self._checkpoint))
            self._wake()
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
                if batch and (max_bytes < 0 or entry.event.origin != batch[0].origin):
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
            if self._is_mirrored:
                self._refused = [*self._refused, *refused][-_MAX_REFUSED:]
                if self._removed or self._refused:
                    self._write_soon()

    def tell(self, series: Series, newest_ns: int) -> None:
        """A collector has taken these totals, or never will; newest_ns: the latest time that any point carried."""
        with self._lock:
            if series.origin == self._checkpoint.origin:
                self._told = series.totals
            else:  # of what this machine was before: a request may have been on its way when it became another
                told = (one.after(series) for one in self._former)
                self._former = tuple(one for one in told if one.told != one.totals)
            self._told_ns = newest_ns
            if self._is_mirrored:
                self._write_soon()

    @property
    def former(self) -> Series | None:
        """Totals of what this machine was before that are to be told next, if there are any."""
        with self._lock:
            return self._former[0] if self._former else None

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

    def unsaved(self, *, is_whole: bool) -> Change:
        """What is to be written now. It counts as stored: after a failure `is_whole` makes that good."""
        with self._lock:
            self._is_due = False
            fresh = reversed(self._queue)
            entries = list(fresh if is_whole else takewhile(lambda entry: not entry.is_stored, fresh))[::-1]
            for entry in entries:
                entry.is_stored = True
            removed, self._removed = self._removed, []
            refused, self._refused = self._refused, []
            checkpoint = replace(self._checkpoint, exported_ns=self._told_ns, told=self._told, former=self._former)
            self._saved_to = checkpoint.uncounted
            self._behind_s = min(self._behind_s, time.monotonic())
            added = [(entry.number, entry.event) for entry in entries]
            return Change(added, removed, refused, checkpoint, is_whole, self._state)

    def saved(self, change: Change) -> None:
        """A change is durable, and its totals may be exported."""
        with self._lock:
            self._is_failing = False
            self._behind_s = math.inf if change.number == self._state else time.monotonic()
            if change.number > self._exportable[0]:  # else the newer ones went out already, while the disk hung
                self._exportable = (change.number, _series(change.checkpoint))
            self._wake()
        self._health.spool_up()

    def not_saved(self, why: str, change: Change | None = None) -> None:
        """Nothing can be written: totals wait for the disk no more until it can."""
        with self._lock:
            self._is_failing = True
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
        if entry.is_stored and self._is_mirrored:
            self._removed.append(entry.number)

    def _wake(self) -> None:
        self._version += 1
        self._changed.notify_all()

    def _write_soon(self) -> None:
        self._is_due = True
        self._due.notify_all()


def _series(checkpoint: Checkpoint) -> Series:
    return Series(checkpoint.origin, checkpoint.totals)
