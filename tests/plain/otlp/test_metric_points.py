"""The times of metric points: true where they can be, and never going back."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Gauge,
    Metric,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from otel_oom import schema
from otel_oom.otlp.metric_points import PointTimes
from otel_oom.spool.checkpoint import Checkpoint
from otel_oom.totals import ResourceIdentity, RetiredSeries, Series, Totals

S, MS, HOUR = 10**9, 10**6, 3600 * 10**9
START = 1_000 * S
BOOT = 300 * S


class World:
    """A wall clock and a monotonic clock, and the times of what is collected."""

    def __init__(
        self,
        temporality: AggregationTemporality = AggregationTemporality.CUMULATIVE,
        *,
        begin: Checkpoint | None = None,
    ) -> None:
        self.wall_ns = START
        self.monotonic_ns = 50 * S
        self.totals = begin.totals if begin else Totals(START)
        self._temporality = temporality
        self._times = PointTimes(
            lambda: self.wall_ns,
            lambda: self.monotonic_ns,
            boot_ns=BOOT,
            begin=begin or Checkpoint("boot", ResourceIdentity("instance"), self.totals),
        )

    def change_identity(self, *, exported_ns: int) -> None:
        """The machine is another one: other series."""
        self.totals = Totals(self.wall_ns)
        self._times = self._times.for_series(
            Checkpoint("boot", ResourceIdentity("copy"), self.totals, exported_ns=exported_ns)
        )

    def become_former(self, retired: RetiredSeries) -> None:
        self._times = self._times.of_retired(retired)

    def passes(self, ns: int, *, step_ns: int = 0) -> None:
        self.monotonic_ns += ns
        self.wall_ns += ns + step_ns

    def kill(self, scope: str = "cgroup") -> int:
        self.totals = self.totals.plus(scope, self.wall_ns)
        return self.wall_ns

    def collect(self, scope: str = "cgroup") -> NumberDataPoint:
        point: NumberDataPoint = self.collect_all()[schema.KILLS.name, scope]
        return point

    def collect_all(self) -> dict[tuple[str, str], Any]:
        """Stamped points by the name of the metric and its one attribute."""

        def point(attributes: dict[str, str]) -> NumberDataPoint:
            return NumberDataPoint(attributes, 1, 2, 3)

        kills = [point({schema.SCOPE.name: scope}) for scope in schema.SCOPES]
        metrics = [
            Metric(schema.KILLS.name, "", "", Sum(kills, self._temporality, is_monotonic=True)),
            Metric(schema.KERNEL_KILLS.name, "", "", Sum([point({})], self._temporality, is_monotonic=True)),
            Metric(schema.UP.name, "", "", Gauge([point({})])),
        ]
        scope = ScopeMetrics(InstrumentationScope("test"), metrics, "")
        data = MetricsData([ResourceMetrics(Resource({}), [scope], "")])
        return {
            (metric.name, " ".join(map(str, (one.attributes or {}).values()))): one
            for metric in self._times.stamp(data, self.totals).resource_metrics[0].scope_metrics[0].metrics
            for one in metric.data.data_points
        }


def test_a_point_has_the_stamp_of_the_newest_kill_in_it() -> None:
    world = World()
    world.passes(S)
    assert world.collect().time_unix_nano == START + S, "no kill: the moment of the collection"
    world.passes(S)
    world.kill()
    world.passes(S)
    newest = world.kill()
    world.passes(S)
    assert world.collect().time_unix_nano == newest
    world.passes(S)
    assert world.collect().time_unix_nano == world.wall_ns, "the kill was told"


def test_scopes_have_times_of_their_own() -> None:
    world = World()
    world.passes(S)
    killed = world.kill("system")
    world.passes(S)
    points = world.collect_all()
    assert points[schema.KILLS.name, "system"].time_unix_nano == killed
    assert points[schema.KILLS.name, "cgroup"].time_unix_nano == world.wall_ns


def test_counters_start_where_they_were_0_and_gauges_have_no_start() -> None:
    world = World()
    for _ in range(3):
        world.passes(S)
        points = world.collect_all()
        assert points[schema.KILLS.name, "cgroup"].start_time_unix_nano == START
        assert points[schema.KERNEL_KILLS.name, ""].start_time_unix_nano == BOOT
        assert points[schema.UP.name, ""].start_time_unix_nano is None


def test_a_kill_observed_before_the_last_export_comes_after_it() -> None:
    world = World()
    world.passes(S)
    world.kill()
    early = world.totals
    world.totals = Totals(START)
    world.passes(10 * MS)
    exported = world.collect().time_unix_nano
    world.totals = early
    world.passes(10 * MS)
    assert world.collect().time_unix_nano == exported + 10 * MS


def test_after_a_step_back_the_times_go_on_at_the_same_pace() -> None:
    world = World()
    world.passes(S)
    before = world.collect().time_unix_nano
    world.passes(S, step_ns=-3600 * S)
    assert world.collect().time_unix_nano == before + S
    world.kill()
    world.passes(5 * S)
    assert world.collect().time_unix_nano == before + 6 * S
    world.passes(3 * S, step_ns=3600 * S)
    assert world.collect().time_unix_nano == world.wall_ns, "true again when the clock is"


def test_times_of_one_moment_differ_by_what_stores_keep() -> None:
    world = World()
    world.passes(S)
    first, second = world.collect().time_unix_nano, world.collect().time_unix_nano
    assert second - first == MS
    assert world.collect().time_unix_nano == second + MS


def test_a_delta_starts_where_the_last_one_ended() -> None:
    world = World(AggregationTemporality.DELTA)
    ends = [START]
    for _ in range(4):
        world.passes(S)
        points = world.collect_all()
        point = points[schema.KILLS.name, "cgroup"]
        assert points[schema.KERNEL_KILLS.name, ""].start_time_unix_nano == ends[-1], "not the boot"
        assert point.start_time_unix_nano == ends[-1]
        ends.append(point.time_unix_nano)


@pytest.mark.parametrize("temporality", [AggregationTemporality.CUMULATIVE, AggregationTemporality.DELTA])
@given(
    steps=st.lists(
        st.tuples(st.integers(0, 100 * S), st.sampled_from([0, 0, 0, -3600 * S, 3600 * S, -1, 7]), st.booleans()),
        max_size=30,
    )
)
def test_times_never_go_back(temporality: AggregationTemporality, steps: list[tuple[int, int, bool]]) -> None:
    world = World(temporality)
    last = dict.fromkeys(world.collect_all(), START)
    for passed_ns, step_ns, is_kill in steps:
        world.passes(passed_ns, step_ns=step_ns)
        if is_kill:
            world.kill()
        for key, point in world.collect_all().items():
            assert point.time_unix_nano // MS > last[key] // MS, "later in milliseconds too: stores keep no more"
            assert point.start_time_unix_nano is None or BOOT <= point.start_time_unix_nano < point.time_unix_nano
            last[key] = point.time_unix_nano


def later_of(world: World, scope: str = "cgroup") -> int:
    return int(world.collect(scope).time_unix_nano)


@given(st.integers(0, 10 * 86_400 * S), st.integers(-HOUR, HOUR))
def test_another_machines_points_begin_now_however_long_the_agent_has_run(up_ns: int, step_ns: int) -> None:
    """And after all that was exported before, wherever the wall clock went."""
    world = World()
    before_ns = later_of(world)
    world.passes(up_ns)
    before_ns = later_of(world)
    world.passes(S, step_ns=step_ns)
    world.change_identity(exported_ns=before_ns)
    first_ns = later_of(world)
    assert before_ns < first_ns <= max(world.wall_ns, before_ns + S + MS)


@given(
    st.booleans(),
    st.integers(0, 10 * S),
    st.integers(0, 10 * S),
    st.lists(st.tuples(st.integers(0, 10 * S), st.integers(-HOUR, HOUR)), min_size=2, max_size=4),
)
def test_of_what_a_machine_was_all_copies_say_the_same_at_the_same_times(
    is_told: bool,  # noqa: FBT001 drawn by place
    exported: int,
    killed: int,
    copies: list[tuple[int, int]],
) -> None:
    start = Totals(START)
    acknowledged = start.plus("cgroup", START + 1) if is_told else None
    totals = (acknowledged or start).plus("cgroup", START + killed)
    retired = RetiredSeries(Series(ResourceIdentity("template"), totals), acknowledged, START + exported)
    said = []
    for passes_ns, step_ns in copies:
        world = World()
        world.passes(passes_ns, step_ns=step_ns)
        world.become_former(retired)
        world.totals = acknowledged or start
        opening = None if acknowledged else later_of(world)
        world.totals = totals
        last = later_of(world)
        assert START + exported < last
        assert opening is None or START + exported < opening < last
        said.append((opening, last))
    assert len(set(said)) == 1
