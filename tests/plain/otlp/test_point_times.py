"""The times of metric points: true where they can be, and never going back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.metric_world import BOOT_NS, START_NS, MetricWorld, S

from otel_oom import schema
from otel_oom.spool.checkpoint import Checkpoint
from otel_oom.totals import ResourceIdentity, RetiredSeries, Series, Totals

MS, HOUR = 10**6, 3600 * 10**9
KILLS = schema.KILLS.name


def test_a_point_has_the_stamp_of_the_newest_kill_in_it() -> None:
    world = MetricWorld()
    world.passes(S)
    assert world.export_kills().time_unix_nano == START_NS + S, "no kill: the moment of the collection"
    world.passes(S)
    world.kill()
    world.passes(S)
    newest = world.kill()
    world.passes(S)
    assert world.export_kills().time_unix_nano == newest
    world.passes(S)
    assert world.export_kills().time_unix_nano == world.wall_ns, "the kill was exported"


def test_scopes_have_times_of_their_own() -> None:
    world = MetricWorld()
    world.passes(S)
    killed = world.kill("system")
    world.passes(S)
    points = world.export()
    assert points[KILLS, "system"].time_unix_nano == killed
    assert points[KILLS, "cgroup"].time_unix_nano == world.wall_ns


def test_counters_start_where_they_were_0_and_gauges_have_no_start() -> None:
    world = MetricWorld(begin=Checkpoint("boot", ResourceIdentity("instance"), Totals(START_NS - S)))
    for _ in range(3):
        world.passes(S)
        points = world.export()
        assert points[KILLS, "cgroup"].start_time_unix_nano == START_NS - S
        assert points[schema.UNACCOUNTED_KILLS.name, ""].start_time_unix_nano == START_NS - S
        assert points[schema.KERNEL_KILLS.name, ""].start_time_unix_nano == BOOT_NS
        assert points[schema.RECORDS.name, "read"].start_time_unix_nano == START_NS
        assert points[schema.UP.name, ""].start_time_unix_nano is None


def test_a_kill_observed_before_the_last_export_comes_after_it() -> None:
    world = MetricWorld()
    world.passes(S)
    before = world.totals
    world.kill()
    early, world.totals = world.totals, before
    world.passes(10 * MS)
    exported = world.export_kills().time_unix_nano
    world.totals = early
    world.passes(10 * MS)
    assert world.export_kills().time_unix_nano == exported + 10 * MS


def test_after_a_step_back_the_times_go_on_at_the_same_pace() -> None:
    world = MetricWorld()
    world.passes(S)
    before = world.export_kills().time_unix_nano
    world.passes(S, step_ns=-3600 * S)
    assert world.export_kills().time_unix_nano == before + S
    world.kill()
    world.passes(5 * S)
    assert world.export_kills().time_unix_nano == before + 6 * S
    world.passes(3 * S, step_ns=3600 * S)
    assert world.export_kills().time_unix_nano == world.wall_ns, "true again when the clock is"


def test_times_of_one_moment_differ_by_what_stores_keep() -> None:
    world = MetricWorld()
    world.passes(S)
    first, second = world.export_kills().time_unix_nano, world.export_kills().time_unix_nano
    assert second - first == MS
    assert world.export_kills().time_unix_nano == second + MS


def test_a_restart_goes_on_after_what_was_exported_before_it() -> None:
    """Even where the wall clock is behind it, and without giving a kill that was exported its stamp again."""
    totals = Totals(START_NS - 20 * S, {"cgroup": 1}, {"cgroup": START_NS - 10 * S})
    begin = Checkpoint("boot", ResourceIdentity("instance"), totals, exported_ns=START_NS + 5 * S)
    world = MetricWorld(begin=begin)
    world.passes(S)
    assert world.export_kills().time_unix_nano == START_NS + 6 * S
    world.passes(30 * S)
    assert world.export_kills().time_unix_nano == world.wall_ns


def test_a_kill_of_before_a_restart_does_not_give_its_stamp_to_a_point_again() -> None:
    """Its stamp is in the future here: the wall clock was set back during the restart."""
    totals = Totals(START_NS - 20 * S, {"cgroup": 1}, {"cgroup": START_NS + 30 * S})
    world = MetricWorld(begin=Checkpoint("boot", ResourceIdentity("instance"), totals))
    world.passes(S)
    assert world.export_kills().time_unix_nano == world.wall_ns


def test_a_delta_starts_where_the_last_one_ended() -> None:
    world = MetricWorld(is_delta=True)
    ends = [START_NS]
    for _ in range(4):
        world.passes(S)
        points = world.export()
        point = points[KILLS, "cgroup"]
        assert points[schema.KERNEL_KILLS.name, ""].start_time_unix_nano == ends[-1], "not the boot"
        assert point.start_time_unix_nano == ends[-1]
        ends.append(point.time_unix_nano)


@pytest.mark.parametrize("is_delta", [False, True])
@given(
    steps=st.lists(
        st.tuples(st.integers(0, 100 * S), st.sampled_from([0, 0, 0, -3600 * S, 3600 * S, -1, 7]), st.booleans()),
        max_size=30,
    )
)
def test_times_never_go_back(*, is_delta: bool, steps: list[tuple[int, int, bool]]) -> None:
    world = MetricWorld(is_delta=is_delta)
    last = dict.fromkeys(world.export(), START_NS)
    for passed_ns, step_ns, is_kill in steps:
        world.passes(passed_ns, step_ns=step_ns)
        if is_kill:
            world.kill()
        for key, point in world.export().items():
            assert point.time_unix_nano // MS > last[key] // MS, "later in milliseconds too: stores keep no more"
            assert point.start_time_unix_nano is None or BOOT_NS <= point.start_time_unix_nano < point.time_unix_nano
            last[key] = point.time_unix_nano


@given(st.integers(0, 10 * 86_400 * S), st.integers(-HOUR, HOUR))
def test_points_of_a_new_identity_begin_now_however_long_the_agent_has_run(up_ns: int, step_ns: int) -> None:
    """And after all that was exported before, wherever the wall clock went."""
    world = MetricWorld()
    world.export()
    world.passes(up_ns)
    before_ns = world.export_kills().time_unix_nano
    world.passes(S, step_ns=step_ns)
    world.change_identity()
    first_ns = world.export_kills().time_unix_nano
    assert before_ns < first_ns <= max(world.wall_ns, before_ns + S + MS)


@given(
    st.booleans(),
    st.integers(0, 10 * S),
    st.integers(0, 10 * S),
    st.lists(st.tuples(st.integers(0, 10 * S), st.integers(-HOUR, HOUR)), min_size=2, max_size=4),
)
def test_all_copies_export_equal_points_of_a_retired_series(
    is_acknowledged: bool,  # noqa: FBT001 drawn by place
    exported: int,
    killed: int,
    copies: list[tuple[int, int]],
) -> None:
    start = Totals(START_NS)
    acknowledged = start.plus("cgroup", START_NS + 1) if is_acknowledged else None
    totals = (acknowledged or start).plus("cgroup", START_NS + killed)
    retired = RetiredSeries(Series(ResourceIdentity("template"), totals), acknowledged, START_NS + exported)
    exports = []
    for passes_ns, step_ns in copies:
        begin = Checkpoint("boot", ResourceIdentity("copy"), Totals(START_NS), retired=(retired,))
        world = MetricWorld(begin=begin)
        world.passes(passes_ns, step_ns=step_ns)
        opening = None if acknowledged else world.export_kills()
        last = world.export_kills()
        assert world.spool.retired is None
        assert START_NS + exported < last.time_unix_nano
        assert opening is None or START_NS + exported < opening.time_unix_nano < last.time_unix_nano
        assert (opening.value if opening else 0, last.value) == (0, totals.kills["cgroup"])
        exports.append((opening, last))
    assert all(one == exports[0] for one in exports)


def test_a_retired_series_that_was_opened_before_a_restart_goes_on_after_its_opening() -> None:
    start = Totals(START_NS)
    retired = RetiredSeries(Series(ResourceIdentity("template"), start.plus("cgroup", START_NS + 1)), None, START_NS)

    def world(retired: RetiredSeries) -> MetricWorld:
        return MetricWorld(begin=Checkpoint("boot", ResourceIdentity("copy"), Totals(START_NS), retired=(retired,)))

    first = world(retired)
    opening = first.export_kills()
    assert first.spool.retired is not None
    last = world(first.spool.retired).export_kills()
    assert opening.time_unix_nano // MS < last.time_unix_nano // MS
    assert last == first.export_kills()
