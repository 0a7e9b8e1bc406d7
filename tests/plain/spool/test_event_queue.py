"""The queue: bounded, in order, and counted when it drops events."""

from __future__ import annotations

from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.pipelines import event

from otel_oom.spool.event_queue import EventQueue
from otel_oom.telemetry.event import Event
from otel_oom.totals import ResourceIdentity

SIZE = event("00").size_bytes


def put(queue: EventQueue, *uids: str) -> int:
    return queue.put([event(uid) for uid in uids], ResourceIdentity("instance"))


def uids(events: tuple[Event, ...]) -> list[str]:
    return [one.uid for one in events]


def everything(queue: EventQueue) -> list[str]:
    return uids(queue.peek(10_000, 1 << 30))


def test_events_stay_until_they_are_settled() -> None:
    queue = EventQueue()
    put(queue, "01", "02", "03")
    assert uids(queue.peek(2, 1 << 20)) == ["01", "02"]
    assert uids(queue.peek(2, 1 << 20)) == ["01", "02"]
    queue.remove_first(2)
    assert (everything(queue), len(queue)) == (["03"], 1)


@pytest.mark.parametrize(("max_bytes", "count"), [(0, 1), (SIZE, 1), (2 * SIZE - 1, 1), (2 * SIZE, 2), (9 * SIZE, 3)])
def test_a_batch_is_bounded_by_bytes_but_never_empty(max_bytes: int, count: int) -> None:
    queue = EventQueue()
    put(queue, "01", "02", "03")
    assert len(queue.peek(10, max_bytes)) == count


@pytest.mark.parametrize(
    ("arriving", "left"), [(0, ["04"]), (1, ["04", "a0"]), (3, ["04", "a0", "a1", "a2"]), (6, ["a2", "a3", "a4", "a5"])]
)
def test_events_that_were_dropped_during_a_request_are_not_settled_again(arriving: int, left: list[str]) -> None:
    queue = EventQueue(max_events=4)
    put(queue, "01", "02", "03", "04")
    assert len(queue.peek(3, 1 << 20)) == 3
    put(queue, *[f"a{number}" for number in range(arriving)])
    queue.remove_first(3)
    assert everything(queue) == left


@given(
    st.integers(1, 6),
    st.integers(1, 8),
    st.lists(st.one_of(st.tuples(st.just("put"), st.integers(0, 7)), st.tuples(st.just("peek"), st.integers(1, 5)),
                       st.tuples(st.just("settle"), st.integers(1, 5)))),
)  # fmt: skip
def test_it_behaves_as_a_bounded_queue(max_events: int, max_sizes: int, steps: list[tuple[str, int]]) -> None:
    """Against a model: a list, and the set of what is in flight."""
    queue = EventQueue(max_events=max_events, max_bytes=max_sizes * SIZE)
    model: deque[str] = deque()
    in_flight: list[str] = []
    number = dropped = expected = 0
    for step, count in steps:
        if step == "put":
            new = [f"{one % 100:02d}" for one in range(number, number + count)]
            number += count
            dropped += put(queue, *new)
            model.extend(new)
            while len(model) > min(max_events, max_sizes):
                model.popleft()
                expected += 1
        elif step == "peek":
            in_flight = uids(queue.peek(count, 1 << 20))
            assert in_flight == list(model)[:count]
        elif in_flight:
            done, in_flight = in_flight[:count], []
            queue.remove_first(len(done))
            while model and model[0] in done:
                model.popleft()
        assert (len(queue), dropped) == (len(model), expected)
    assert everything(queue) == list(model)


def test_what_is_stored_and_what_the_next_commit_must_change() -> None:
    queue = EventQueue([(7, event("old"))], has_writer=True)
    put(queue, "a", "b")
    changes = queue.take_changes(replaces_all=False)
    assert [(number, one.uid) for number, one in changes.added] == [(8, "a"), (9, "b")]
    put(queue, "c")
    (refused,) = queue.peek(1, 1)
    queue.remove_first(1, [(refused, "HTTP 400")])
    changes = queue.take_changes(replaces_all=False)
    assert ([one.uid for _, one in changes.added], changes.removed) == (["c"], [7])
    assert [(one.uid, why) for one, why in changes.refused] == [("old", "HTTP 400")]
    queue.put_back_refused(changes.refused)
    changes = queue.take_changes(replaces_all=True)
    assert [one.uid for _, one in changes.added] == ["a", "b", "c"], "after a commit that failed"
    assert len(changes.refused) == 1


def test_without_a_writer_nothing_is_noted_for_one() -> None:
    queue = EventQueue([(7, event("old"))])
    assert not queue.remove_first(len(queue.peek(1, 1)), [(event("old"), "HTTP 400")])
