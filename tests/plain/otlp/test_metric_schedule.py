"""Which totals are exported next, and that no count is lost or exported twice, whatever the outcomes are."""

from __future__ import annotations

from collections import Counter
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.metric_world import HEARTBEAT_S, MetricWorld, Points, S

from otel_oom import schema
from otel_oom.otlp.export_outcome import Outcome

KILLS = schema.KILLS.name
KERNEL_KILLS = schema.KERNEL_KILLS.name
COUNTERS = {metric.name for metric in schema.METRICS if metric.kind == "counter"}
REFUSED = Outcome("rejected")

Step = Literal["ok", "retry", "rejected", "kill", "unaccounted", "kernel", "unreadable", "read", "export", "drop"]
STEPS: tuple[Step, ...] = (
    "ok", "retry", "rejected", "kill", "unaccounted", "kernel", "unreadable", "read", "export", "drop",
)  # fmt: skip


def count(world: MetricWorld, step: Step, expected: Counter[tuple[str, str]]) -> None:
    """Let something happen that a counter counts."""
    if step == "kill":
        world.kill()
        expected[KILLS, "cgroup"] += 1
    elif step == "unaccounted":
        world.totals = world.totals.plus_surplus(2)
        expected[schema.UNACCOUNTED_KILLS.name, ""] += 2
    elif step == "kernel":
        world.kernel_kills = kernel_kills(expected) + 1
        expected[KERNEL_KILLS, ""] += 1
    elif step == "unreadable":
        world.kernel_kills = None
    elif step == "read":
        world.health.records["read"] += 3
        expected[schema.RECORDS.name, "read"] += 3
    elif step == "export":
        world.health.exported("logs")
        expected[schema.EXPORTS.name, "logs ok"] += 1
    elif step == "drop":
        world.health.dropped["overflow"] += 1
        expected[schema.SPOOL_DROPPED.name, "overflow"] += 1


def kernel_kills(expected: Counter[tuple[str, str]]) -> int:
    return 7 + expected[KERNEL_KILLS, ""]


@given(st.lists(st.sampled_from(STEPS), max_size=40))
def test_with_delta_temporality_every_count_is_accepted_exactly_once(steps: list[Step]) -> None:
    world = MetricWorld(is_delta=True)
    world.schedule.open_series()
    expected: Counter[tuple[str, str]] = Counter()
    accepted: list[Points] = []
    for step in steps:
        world.passes(S)
        if step == "ok":
            accepted.append(world.export())
        elif step == "rejected":
            world.export(REFUSED)
        elif step == "retry":
            assert world.collect() == world.collect(), "repeated unchanged: it may have been accepted"
        else:
            count(world, step, expected)
    world.kernel_kills = kernel_kills(expected)
    for _ in range(2):
        world.passes(S)
        accepted.append(world.export())
    sums: Counter[tuple[str, str]] = Counter()
    ends: dict[tuple[str, str], int] = {}
    for points in accepted:
        for key, point in points.items():
            if key[0] not in COUNTERS:
                continue
            sums[key] += point.value
            assert point.start_time_unix_nano >= ends.get(key, 0), "no overlap"
            if key[0] != KERNEL_KILLS:  # which is absent now and then
                assert point.start_time_unix_nano == ends.get(key, point.start_time_unix_nano), "no gap"
            ends[key] = point.time_unix_nano
    assert {key: value for key, value in sums.items() if value} == {key: n for key, n in expected.items() if n}


@given(st.lists(st.sampled_from(STEPS), max_size=40))
def test_a_cumulative_total_never_goes_back(steps: list[Step]) -> None:
    world = MetricWorld()
    world.schedule.open_series()
    expected: Counter[tuple[str, str]] = Counter()
    values: list[int] = []
    for step in steps:
        world.passes(S)
        if step == "ok":
            values.append(world.export()[KILLS, "cgroup"].value)
        elif step == "rejected":
            collection, points = world.collect()
            values.append(points[KILLS, "cgroup"].value)
            if not collection.is_required:
                world.schedule.handle_outcome(collection, REFUSED, world.monotonic_ns / S)
        elif step == "retry":
            values.append(world.collect()[1][KILLS, "cgroup"].value)
        else:
            count(world, step, expected)
    assert values == sorted(values)
    assert values[:1] in ([], [0]), "opened before the first kill"


@pytest.mark.parametrize("is_delta", [False, True])
def test_only_a_cumulative_opening_is_repeated_after_a_refusal(*, is_delta: bool) -> None:
    world = MetricWorld(is_delta=is_delta)
    world.schedule.open_series()
    world.kill()
    opening, _ = world.collect()
    assert (opening.kind, opening.is_required) == ("opening", not is_delta)
    assert opening.series.totals.kills == {}
    world.schedule.handle_outcome(opening, Outcome("ok"), 0.0)
    then, _ = world.collect()
    assert (then.kind, then.is_required) == ("current", False)
    assert then.series.totals.kills == {"cgroup": 1}


def test_news_is_due_at_once_and_a_heartbeat_in_its_time() -> None:
    world = MetricWorld()
    assert world.schedule.due_s == 0.0
    world.export()
    now_s = world.monotonic_ns / S
    assert world.schedule.due_s == now_s + HEARTBEAT_S
    world.kill()
    assert world.schedule.due_s == now_s + 0.05, "kills of one storm go out together"
    world.export()
    world.health.device_down("gone")
    assert world.schedule.due_s == now_s + 0.05
    world.export()
    world.health.clock_jumped(30.0)
    assert world.schedule.due_s == now_s + 0.05
    world.export()
    assert world.schedule.due_s == now_s + HEARTBEAT_S


def test_totals_that_wait_for_a_disk_are_due_when_it_is_no_longer_waited_for() -> None:
    world = MetricWorld(has_writer=True)
    world.export()
    world.kill()
    assert world.schedule.due_s == world.spool.held_until_s < world.monotonic_ns / S + HEARTBEAT_S


def test_with_delta_temporality_an_unanswered_heartbeat_is_not_done() -> None:
    world = MetricWorld(is_delta=True)
    world.export()
    done = [world.schedule.is_done]
    world.collect()
    done.append(world.schedule.is_done)
    world.export()
    done.append(world.schedule.is_done)
    assert done == [True, False, True]


@pytest.mark.parametrize("is_delta", [False, True])
def test_after_a_sleep_acknowledged_totals_are_exported_again_if_they_are_cumulative(*, is_delta: bool) -> None:
    world = MetricWorld(is_delta=is_delta)
    world.kill()
    world.export()
    world.passes(S)
    world.health.clock_jumped(3600.0)
    world.kill()
    values = [world.export()[KILLS, "cgroup"].value for _ in range(2)]
    assert values == ([1, 0] if is_delta else [1, 2])
