"""Queue, checkpoint and totals change together; waits and the hand-over between threads."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from support.agent_rig import first_checkpoint
from support.pipelines import event

from otel_oom.health import Health
from otel_oom.spool.event_queue import EventQueue
from otel_oom.spool.spool import Spool
from otel_oom.telemetry.event import Event
from otel_oom.totals import ResourceIdentity, Totals

SIZE = event("00").size_bytes


def spool() -> Spool:
    return Spool(Health(), first_checkpoint())


def put(queue: Spool, *uids: str) -> None:
    queue.put([event(uid) for uid in uids])


def uids(events: tuple[Event, ...]) -> list[str]:
    return [one.uid for one in events]


def everything(queue: Spool) -> list[str]:
    return uids(queue.peek(10_000, 1 << 30))


def test_totals_change_with_the_events_that_lead_to_them() -> None:
    totals = Totals(5).plus("cgroup", 7).plus("cgroup", 9).plus("system", 8).plus_surplus(2)
    assert (totals.start_ns, totals.kills, totals.unaccounted) == (5, {"cgroup": 2, "system": 1}, 2)
    assert totals.stamps_ns == {"cgroup": 9, "system": 8}
    queue = spool()
    queue.put([], replace(queue.checkpoint, totals=totals))
    assert queue.totals is totals


def test_a_put_that_fails_for_lack_of_memory_can_be_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    queue = spool()
    after = replace(queue.checkpoint, totals=queue.totals.plus("cgroup", 1))
    with monkeypatch.context() as patch:
        patch.setattr("otel_oom.spool.event_queue._Entry", lambda *_: (_ for _ in ()).throw(MemoryError()))
        with pytest.raises(MemoryError):
            queue.put([event("01")], after)
    assert (everything(queue), queue.totals.kills) == ([], {})
    queue.put([event("01")], after)
    assert (everything(queue), queue.totals.kills) == (["01"], {"cgroup": 1})


def test_a_wait_ends_with_a_change_or_its_timeout() -> None:
    queue = spool()
    seen = queue.wait(-1, 5.0)
    assert queue.wait(seen, 0.01) == seen
    began = time.monotonic()
    for change in (queue.wake, lambda: put(queue, "01")):
        timer = threading.Timer(0.05, change)
        timer.start()
        assert queue.wait(seen, 10.0) != seen
        seen = queue.wait(-1, 0)
        timer.join()
    assert time.monotonic() - began < 5.0
    assert queue.wait(-1, 10.0) == seen, "what changed before the wait is not missed"


def test_an_event_keeps_the_identity_of_its_put() -> None:
    queue, copy = spool(), ResourceIdentity("copy")
    put(queue, "01", "02")
    queue.change_identity(copy, 9)
    put(queue, "03")
    queue.put([replace(event("04"), identity=ResourceIdentity("instance"))])  # what an earlier agent left, found late
    batches = []
    while batch := queue.peek(10, 1 << 20):
        batches.append((batch[0].identity, uids(batch)))
        queue.remove_first(len(batch))
    assert batches == [
        (ResourceIdentity("instance"), ["01", "02"]),
        (copy, ["03"]),
        (ResourceIdentity("instance"), ["04"]),
    ]


@pytest.mark.parametrize("limits", [{"max_events": 3}, {"max_bytes": 3 * SIZE}, {"max_bytes": 4 * SIZE - 1}])
def test_the_oldest_are_dropped_and_counted(
    limits: dict[str, Any], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    health = Health()
    monkeypatch.setattr("otel_oom.spool.spool.EventQueue", partial(EventQueue, **limits))
    queue = Spool(health, first_checkpoint())
    put(queue, "01", "02", "03")
    assert not health.dropped
    put(queue, "04", "05")
    assert everything(queue) == ["03", "04", "05"]
    assert health.dropped == {"overflow": 2}
    assert "gave up 2 undelivered event(s)" in caplog.text


def test_a_hand_over_ends_when_the_reader_has_taken_it() -> None:
    woken = threading.Event()
    queue = Spool(Health(), first_checkpoint(), has_writer=True, wake_reader=woken.set)
    earlier = replace(first_checkpoint(), cursor=7)

    def read() -> None:
        woken.wait(10.0)
        assert queue.earlier_checkpoint is earlier
        queue.earlier_taken()

    reader = threading.Thread(target=read)
    reader.start()
    queue.hand_over(earlier)
    assert queue.wait_taken(10.0, lambda: False)
    reader.join()
    assert queue.earlier_checkpoint is None


def test_a_hand_over_ends_with_its_time_or_a_stop() -> None:
    queue = Spool(Health(), first_checkpoint(), has_writer=True)
    queue.hand_over(first_checkpoint())
    assert not queue.wait_taken(0.01, lambda: False)
    is_stopping = threading.Event()

    def end() -> None:
        is_stopping.set()
        queue.wake()

    stop = threading.Timer(0.05, end)
    stop.start()
    began_s = time.monotonic()
    assert not queue.wait_taken(10.0, is_stopping.is_set)
    assert time.monotonic() - began_s < 5.0
    assert queue.earlier_checkpoint is not None, "it is not lost"


def test_a_commit_wakes_the_sender_only_with_news() -> None:
    """The heartbeat is committed each minute: nothing follows from that."""
    queue = Spool(Health(), first_checkpoint(), has_writer=True)

    def commit() -> bool:
        seen = queue.wait(-1, 0.0)
        queue.saved(queue.take_unsaved(replaces_all=False))
        return queue.wait(seen, 0.0) != seen

    assert commit(), "the spool is written now"
    assert not commit()
    queue.put([], replace(queue.checkpoint, totals=queue.totals.plus("cgroup", 1)))
    assert commit(), "the totals may be exported now"
    queue.acknowledge(queue.exportable, 1)
    assert not commit()
    queue.not_saved("the disk is full")
    assert commit(), "the disk has recovered"
