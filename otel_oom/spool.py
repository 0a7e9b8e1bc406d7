"""The queue of undelivered events and the totals of the counters, in memory and bounded.

Rules:
- An event leaves only when a collector accepted it, or when the queue is full: then the oldest goes, counted and said.
- Events and totals change in one step, so an export shows both or neither.
- Nobody waits: the reader puts and goes on, the one sender takes copies and settles them later.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

from otel_oom.health import Health
from otel_oom.telemetry import Event

MAX_EVENTS: Final = 10_000
MAX_BYTES: Final = 8 << 20


@dataclass(frozen=True, slots=True)
class Totals:
    """What the counters carry. start_ns: when they began at 0, wall clock ns since the Unix epoch.

    kills: kill lines by scope; stamps_ns: the newest kill of each scope, wall clock ns
    """

    start_ns: int
    kills: Mapping[str, int] = field(default_factory=dict)
    stamps_ns: Mapping[str, int] = field(default_factory=dict)
    unaccounted: int = 0

    def plus(self, scope: str, observed_ns: int) -> Totals:
        """One kill more."""
        return Totals(
            self.start_ns,
            {**self.kills, scope: self.kills.get(scope, 0) + 1},
            {**self.stamps_ns, scope: observed_ns},
            self.unaccounted,
        )

    def plus_unaccounted(self, count: int) -> Totals:
        """More kills that the log did not show."""
        return Totals(self.start_ns, self.kills, self.stamps_ns, self.unaccounted + count)


class Spool:
    """The queue between the reader's thread (`put`) and the sender's (`peek`, `settle`, `wait`)."""

    def __init__(
        self, health: Health, start_ns: int, *, max_events: int = MAX_EVENTS, max_bytes: int = MAX_BYTES
    ) -> None:
        self._health = health
        self._max_events = max_events
        self._max_bytes = max_bytes
        self._queue: deque[tuple[Event, int]] = deque()
        self._bytes = 0
        self._dropped = 0
        self._totals = Totals(start_ns)
        self._changed = threading.Condition()
        self._version = 0

    def __len__(self) -> int:
        return len(self._queue)

    @property
    def totals(self) -> Totals:
        """The totals as of the last `put`."""
        return self._totals

    def put(self, events: Sequence[Event], totals: Totals) -> None:
        """Queue events for delivery, with the totals that they lead to."""
        overflow = 0
        sized = [(event, event.size_bytes) for event in events]
        with self._changed:
            self._queue.extend(sized)
            self._bytes += sum(size for _, size in sized)
            while len(self._queue) > self._max_events or self._bytes > self._max_bytes:
                self._bytes -= self._queue.popleft()[1]
                overflow += 1
            self._dropped += overflow
            self._totals = totals
            self._wake()
        if overflow:
            self._health.event_dropped(
                "overflow", overflow, f"the queue holds {self._max_events} events or {self._max_bytes >> 20} MiB"
            )

    def peek(self, max_events: int, max_bytes: int) -> tuple[Event, ...]:
        """The oldest events, at least one if there is any; they stay until `settle`."""
        with self._changed:
            batch: list[Event] = []
            for event, size in islice(self._queue, max_events):
                max_bytes -= size
                if batch and max_bytes < 0:
                    break
                batch.append(event)
            self._dropped = 0
            return tuple(batch)

    def settle(self, count: int) -> None:
        """The first `count` events of the last `peek` are done with. What overflowed meanwhile is gone already."""
        with self._changed:
            for _ in range(count - min(count, self._dropped)):
                self._bytes -= self._queue.popleft()[1]
            self._dropped = max(0, self._dropped - count)

    def wait(self, seen: int, timeout_s: float | None) -> int:
        """Sleep until something changed since version `seen`, at most timeout_s; returns the version now."""
        with self._changed:
            self._changed.wait_for(lambda: self._version != seen, timeout_s)
            return self._version

    def wake(self) -> None:
        """End a `wait`."""
        with self._changed:
            self._wake()

    def _wake(self) -> None:
        self._version += 1
        self._changed.notify_all()
