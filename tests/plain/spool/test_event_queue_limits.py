"""The default limits, which the documents promise: 10,000 events and 8 MiB."""

from __future__ import annotations

from dataclasses import replace

from support.pipelines import event

from otel_oom.spool import event_queue
from otel_oom.spool.event_queue import EventQueue
from otel_oom.totals import ResourceIdentity

IDENTITY = ResourceIdentity("instance")


def test_the_limits() -> None:
    assert (event_queue.MAX_EVENTS, event_queue.MAX_BYTES) == (10_000, 8 * 1024 * 1024)


def test_the_queue_holds_ten_thousand_events() -> None:
    queue = EventQueue()
    first = event("first")
    assert queue.put([first, *[event("other")] * 9_999], IDENTITY) == 0
    assert queue.peek(1, 1 << 30)[0].uid == "first"
    assert queue.put([event("last")], IDENTITY) == 1
    assert queue.peek(1, 1 << 30)[0].uid == "other"


def test_the_queue_holds_eight_mebibytes() -> None:
    queue = EventQueue()
    empty = replace(event("x"), body="")
    half = replace(empty, body="x" * ((4 << 20) - empty.size_bytes))
    if half.size_bytes != 4 << 20:  # the length of a long text takes more bytes
        half = replace(half, body="x" * (len(half.body) + (4 << 20) - half.size_bytes))
    assert half.size_bytes == 4 << 20
    assert queue.put([half, half], IDENTITY) == 0
    assert queue.put([empty], IDENTITY) == 1
