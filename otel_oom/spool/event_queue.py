"""The bounded queue of undelivered events. No I/O, no clock, no lock: `Spool` holds the lock.

Rules:
- The queue has two limits: a number of events and their size in bytes. At a limit the oldest event is dropped.
- Events leave in the order in which they arrived.
- A batch holds events of one resource identity, because one request has one resource.
- The queue knows which events are stored on disk, and which stored events the next commit must delete.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import islice, takewhile
from typing import Final

from otel_oom.telemetry.event import Event
from otel_oom.totals import ResourceIdentity

MAX_EVENTS: Final = 10_000
MAX_BYTES: Final = 8 << 20
_MAX_REFUSED: Final = 100  # until the next commit; `sqlite_store` keeps more on disk


@dataclass(frozen=True, slots=True)
class QueueChanges:
    """What a commit must change on disk.

    added: undelivered events by number; removed: numbers of stored events that left the queue
    refused: events that a collector rejected permanently, each with its reason
    """

    added: Sequence[tuple[int, Event]]
    removed: Sequence[int]
    refused: Sequence[tuple[Event, str]]


@dataclass(frozen=True, slots=True)
class _Entry:
    number: int
    event: Event
    size: int


class EventQueue:
    """Undelivered events, oldest first, each with a number that only grows.

    stored: events that an earlier agent left on disk, by number
    has_writer: a writer stores the queue; without one nothing is noted for it
    max_events, max_bytes: the limits
    """

    def __init__(
        self,
        stored: Iterable[tuple[int, Event]] = (),
        *,
        has_writer: bool = False,
        max_events: int = MAX_EVENTS,
        max_bytes: int = MAX_BYTES,
    ) -> None:
        self._entries = deque(_Entry(number, event, event.size_bytes) for number, event in stored)
        self._bytes = sum(entry.size for entry in self._entries)
        self._has_writer = has_writer
        self._max_events = max_events
        self._max_bytes = max_bytes
        self.newest_number = self._entries[-1].number if self._entries else 0
        """Number of the newest event so far, delivered or not."""
        self._stored_to = self.newest_number
        """Number of the newest event that is stored: events are stored in their order."""
        self._dropped_since_peek = 0
        self._removed: list[int] = []
        self._refused: list[tuple[Event, str]] = []

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def limits(self) -> str:
        """The limits, for a log line."""
        return f"{self._max_events} events or {self._max_bytes >> 20} MiB"

    def put(self, events: Sequence[Event], identity: ResourceIdentity) -> int:
        """Add events; returns how many were dropped at a limit. identity: for events that have none yet.

        All entries are made before the first is added. Where memory runs out there, the caller puts the same again.
        """
        numbers = range(self.newest_number + 1, self.newest_number + 1 + len(events))
        owned = [event if event.identity else replace(event, identity=identity) for event in events]
        entries = [_Entry(number, event, event.size_bytes) for number, event in zip(numbers, owned, strict=True)]
        self.newest_number += len(entries)
        self._entries.extend(entries)
        self._bytes += sum(entry.size for entry in entries)
        dropped = 0
        while len(self._entries) > self._max_events or self._bytes > self._max_bytes:
            self._drop_oldest()
            dropped += 1
        self._dropped_since_peek += dropped
        return dropped

    def peek(self, max_events: int, max_bytes: int) -> tuple[Event, ...]:
        """The oldest events of one identity, at least one if there is any. They stay until `remove_first`."""
        batch: list[Event] = []
        for entry in islice(self._entries, max_events):
            max_bytes -= entry.size
            if batch and (max_bytes < 0 or entry.event.identity != batch[0].identity):
                break
            batch.append(entry.event)
        self._dropped_since_peek = 0
        return tuple(batch)

    def remove_first(self, count: int, refused: Sequence[tuple[Event, str]] = ()) -> bool:
        """Remove the first `count` events of the last `peek`. Those that were dropped since then are gone already.

        refused: those of them that the collector rejected permanently, each with its reason. They stay on disk.

        Returns whether stored events were removed, or events refused, since the last commit.
        """
        for _ in range(count - min(count, self._dropped_since_peek)):
            self._drop_oldest()
        self._dropped_since_peek = max(0, self._dropped_since_peek - count)
        if self._has_writer:
            self._refused = [*self._refused, *refused][-_MAX_REFUSED:]
        return bool(self._removed or self._refused)

    def take_changes(self, *, replaces_all: bool) -> QueueChanges:
        """What the next commit must change. The events count as stored from now on.

        replaces_all: every undelivered event is added, for a commit that first deletes all that is stored. Needed after
        a commit that failed.
        """
        newest_first = reversed(self._entries)
        entries = (
            newest_first if replaces_all else takewhile(lambda entry: entry.number > self._stored_to, newest_first)
        )
        added = [(entry.number, entry.event) for entry in entries][::-1]
        self._stored_to = self.newest_number
        removed, self._removed = self._removed, []
        refused, self._refused = self._refused, []
        return QueueChanges(added, removed, refused)

    def put_back_refused(self, refused: Sequence[tuple[Event, str]]) -> None:
        """The commit of these failed: the next one must store them."""
        self._refused = [*refused, *self._refused][-_MAX_REFUSED:]

    def _drop_oldest(self) -> None:
        entry = self._entries.popleft()
        self._bytes -= entry.size
        if entry.number <= self._stored_to and self._has_writer:
            self._removed.append(entry.number)
