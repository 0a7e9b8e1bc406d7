"""The queue: bounded, in order, and honest about what it dropped."""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.agent_rig import first_checkpoint
from support.pipelines import event

from otel_oom.health import Health
from otel_oom.spool.spool import Spool
from otel_oom.telemetry.event import Event
from otel_oom.totals import ResourceIdentity, RetiredSeries, Series, Totals

SIZE = event("00").size_bytes


def spool(max_events: int = 1_000, max_bytes: int = 1 << 20) -> Spool:
    return Spool(Health(), first_checkpoint(), max_events=max_events, max_bytes=max_bytes)


def put(queue: Spool, *uids: str) -> None:
    queue.put([event(uid) for uid in uids])


def uids(events: tuple[Event, ...]) -> list[str]:
    return [one.uid for one in events]


def everything(queue: Spool) -> list[str]:
    return uids(queue.peek(10_000, 1 << 30))


def test_events_stay_until_they_are_settled() -> None:
    queue = spool()
    put(queue, "01", "02", "03")
    assert uids(queue.peek(2, 1 << 20)) == ["01", "02"]
    assert uids(queue.peek(2, 1 << 20)) == ["01", "02"]
    queue.settle(2)
    assert (everything(queue), len(queue)) == (["03"], 1)


def test_an_event_belongs_to_what_the_machine_was_when_it_was_put() -> None:
    queue, copy = spool(), ResourceIdentity("copy")
    put(queue, "01", "02")
    queue.change_identity(copy, 9)
    put(queue, "03")
    queue.put([replace(event("04"), identity=ResourceIdentity("instance"))])  # what an earlier agent left, found late
    batches = []
    while batch := queue.peek(10, 1 << 20):
        batches.append((batch[0].identity, uids(batch)))
        queue.settle(len(batch))
    assert batches == [
        (ResourceIdentity("instance"), ["01", "02"]),
        (copy, ["03"]),
        (ResourceIdentity("instance"), ["04"]),
    ]


def test_another_machine_has_told_nothing_yet() -> None:
    queue = spool()
    acknowledged = queue.totals.plus("cgroup", 5)
    queue.put([event("01")], replace(queue.checkpoint, totals=acknowledged))
    queue.acknowledge(Series(ResourceIdentity("instance"), acknowledged), 6)
    queue.put([event("02")], replace(queue.checkpoint, totals=acknowledged.plus("cgroup", 7)))
    last = RetiredSeries(Series(ResourceIdentity("instance"), acknowledged.plus("cgroup", 7)), acknowledged, 6)
    queue.change_identity(ResourceIdentity("copy"), 9)
    assert (queue.exportable, queue.retired) == (Series(ResourceIdentity("copy"), Totals(9)), last)
    change = queue.unsaved(replaces_all=False)
    assert (change.checkpoint.retired, change.checkpoint.acknowledged) == ((last,), None)
    queue.acknowledge(last.series, 7)
    assert queue.unsaved(replaces_all=False).checkpoint.retired == ()
    assert queue.retired is None


def test_what_opened_a_former_series_is_told_before_its_last_totals() -> None:
    queue = spool()
    totals = queue.totals.plus("cgroup", 5)
    queue.put([event("01")], replace(queue.checkpoint, totals=totals))
    queue.change_identity(ResourceIdentity("copy"), 9)
    queue.acknowledge(Series(ResourceIdentity("instance"), Totals(1)), 7)
    assert queue.retired == RetiredSeries(Series(ResourceIdentity("instance"), totals), Totals(1), 0)


def test_what_was_on_its_way_when_the_machine_became_another_is_the_old_ones() -> None:
    queue = spool()
    totals = queue.totals.plus("cgroup", 5)
    queue.put([event("01")], replace(queue.checkpoint, totals=totals))
    queue.change_identity(ResourceIdentity("copy"), 9)
    queue.acknowledge(Series(ResourceIdentity("instance"), totals), 7)
    assert queue.retired is None
    assert queue.unsaved(replaces_all=False).checkpoint.acknowledged is None, "of the new one nobody was told"
    queue.change_identity(ResourceIdentity("instance"), 20)
    queue.acknowledge(Series(ResourceIdentity("copy"), Totals(9)), 21)
    assert queue.unsaved(replaces_all=False).checkpoint.acknowledged is None


def test_a_machine_that_is_again_what_it_was_has_another_series() -> None:
    queue = spool()
    first = Series(ResourceIdentity("instance"), queue.totals.plus("cgroup", 5))
    queue.put([event("01")], replace(queue.checkpoint, totals=first.totals))
    queue.change_identity(ResourceIdentity("copy"), 9)
    queue.change_identity(ResourceIdentity("instance"), 20)
    assert (queue.retired, queue.exportable) == (
        RetiredSeries(first, None, 0),
        Series(ResourceIdentity("instance"), Totals(20)),
    )
    queue.acknowledge(first, 30)
    change = queue.unsaved(replaces_all=False)
    assert (change.checkpoint.retired, change.checkpoint.acknowledged) == ((), None)


@pytest.mark.parametrize(("max_bytes", "count"), [(0, 1), (SIZE, 1), (2 * SIZE - 1, 1), (2 * SIZE, 2), (9 * SIZE, 3)])
def test_a_batch_is_bounded_by_bytes_but_never_empty(max_bytes: int, count: int) -> None:
    queue = spool()
    put(queue, "01", "02", "03")
    assert len(queue.peek(10, max_bytes)) == count


@pytest.mark.parametrize("limits", [{"max_events": 3}, {"max_bytes": 3 * SIZE}, {"max_bytes": 4 * SIZE - 1}])
def test_the_oldest_are_dropped_and_counted(limits: dict[str, Any], caplog: pytest.LogCaptureFixture) -> None:
    health = Health()
    queue = Spool(health, first_checkpoint(), **limits)
    put(queue, "01", "02", "03")
    assert not health.dropped
    put(queue, "04", "05")
    assert everything(queue) == ["03", "04", "05"]
    assert health.dropped == {"overflow": 2}
    assert "gave up 2 undelivered event(s)" in caplog.text


@pytest.mark.parametrize(
    ("arriving", "left"), [(0, ["04"]), (1, ["04", "a0"]), (3, ["04", "a0", "a1", "a2"]), (6, ["a2", "a3", "a4", "a5"])]
)
def test_what_overflowed_during_a_request_is_not_settled_twice(arriving: int, left: list[str]) -> None:
    queue = spool(max_events=4)
    put(queue, "01", "02", "03", "04")
    assert len(queue.peek(3, 1 << 20)) == 3
    put(queue, *[f"a{number}" for number in range(arriving)])
    queue.settle(3)
    assert everything(queue) == left


def test_totals_change_with_the_events_that_lead_to_them() -> None:
    totals = Totals(5).plus("cgroup", 7).plus("cgroup", 9).plus("system", 8).plus_unaccounted(2)
    assert (totals.start_ns, totals.kills, totals.unaccounted) == (5, {"cgroup": 2, "system": 1}, 2)
    assert totals.stamps_ns == {"cgroup": 9, "system": 8}
    queue = spool()
    queue.put([], replace(queue.checkpoint, totals=totals))
    assert queue.totals is totals


def test_memory_that_runs_out_in_the_middle_counts_nothing_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    queue = spool()
    after = replace(queue.checkpoint, totals=queue.totals.plus("cgroup", 1))
    with monkeypatch.context() as patch:
        patch.setattr("otel_oom.spool.event_queue._Entry", lambda *_: (_ for _ in ()).throw(MemoryError()))
        with pytest.raises(MemoryError):
            queue.put([event("01")], after)
    assert (everything(queue), queue.totals.kills) == ([], {})
    queue.put([event("01")], after)
    assert (everything(queue), queue.totals.kills) == (["01"], {"cgroup": 1})


def test_a_wait_ends_with_a_change_or_its_time() -> None:
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


@given(
    st.integers(1, 6),
    st.integers(1, 8),
    st.lists(st.one_of(st.tuples(st.just("put"), st.integers(0, 7)), st.tuples(st.just("peek"), st.integers(1, 5)),
                       st.tuples(st.just("settle"), st.integers(1, 5)))),
)  # fmt: skip
def test_it_is_a_bounded_queue(max_events: int, max_sizes: int, steps: list[tuple[str, int]]) -> None:
    """Against a model: a list, and the set of what is in flight."""
    health = Health()
    queue = Spool(health, first_checkpoint(), max_events=max_events, max_bytes=max_sizes * SIZE)
    model: deque[str] = deque()
    in_flight: list[str] = []
    number = dropped = 0
    for step, count in steps:
        if step == "put":
            new = [f"{one % 100:02d}" for one in range(number, number + count)]
            number += count
            put(queue, *new)
            model.extend(new)
            while len(model) > min(max_events, max_sizes):
                model.popleft()
                dropped += 1
        elif step == "peek":
            in_flight = uids(queue.peek(count, 1 << 20))
            assert in_flight == list(model)[:count]
        elif in_flight:
            done, in_flight = in_flight[:count], []
            queue.settle(len(done))
            while model and model[0] in done:
                model.popleft()
        assert (len(queue), health.dropped["overflow"]) == (len(model), dropped)
    assert everything(queue) == list(model)
