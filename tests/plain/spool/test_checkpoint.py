"""Where an agent begins: a first start, a restart, a new boot, another identity."""

from __future__ import annotations

from dataclasses import replace

import pytest

from otel_oom.spool.checkpoint import Checkpoint, resume
from otel_oom.totals import MAX_RETIRED_SERIES, ResourceIdentity, RetiredSeries, Series, Totals

NOW = Checkpoint("boot", ResourceIdentity("machine"), Totals(900), log_epoch_ns=90, agent_pid=9)
COUNTED = Totals(100).plus("cgroup", 150).plus("system", 160).plus_surplus(3)
STORED = Checkpoint(
    "boot",
    ResourceIdentity("machine"),
    COUNTED,
    cursor=70,
    first_uncounted=75,
    base=40,
    lines=2,
    log_epoch_ns=10,
    exported_ns=800,
    agent_pid=1,
)

ANOTHER = RetiredSeries(Series(ResourceIdentity("another"), COUNTED), None, 800)


@pytest.mark.parametrize(
    ("stored", "expected"),
    [
        pytest.param(None, NOW, id="a first start"),
        pytest.param(STORED, replace(STORED, agent_pid=9), id="a restart continues"),
        pytest.param(
            replace(STORED, boot_id="before"),
            replace(NOW, cursor=0, first_uncounted=0, base=0, exported_ns=800, carried_over=COUNTED),
            id="in a new boot the log is read from its start, and totals begin at 0",
        ),
        pytest.param(
            replace(STORED, identity=ResourceIdentity("machine-of-its-own")),
            replace(STORED, identity=ResourceIdentity("machine-of-its-own"), agent_pid=9),
            id="totals stay with the id that they were exported with",
        ),
        pytest.param(
            replace(STORED, identity=ResourceIdentity("another")),
            replace(STORED, identity=ResourceIdentity("another"), agent_pid=9),
            id="in one boot it begins under the stored identity",
        ),
        pytest.param(
            replace(STORED, boot_id="before", identity=ResourceIdentity("another")),
            replace(NOW, cursor=0, first_uncounted=0, base=0, exported_ns=800, retired=(ANOTHER,)),
            id="a copy of a disk: in a new boot too",
        ),
        pytest.param(
            replace(
                STORED, boot_id="before", identity=ResourceIdentity("another"), acknowledged=Totals(99, {"cgroup": 1})
            ),
            replace(NOW, cursor=0, first_uncounted=0, base=0, exported_ns=800, retired=(ANOTHER,)),
            id="totals that were acknowledged before a reset are no part of these",
        ),
        pytest.param(
            replace(STORED, boot_id="before", acknowledged=COUNTED, retired=(ANOTHER,)),
            replace(NOW, cursor=0, first_uncounted=0, base=0, exported_ns=800, retired=(ANOTHER,)),
            id="retired series from before stay",
        ),
        pytest.param(
            replace(STORED, is_ended=True), replace(STORED, agent_pid=9), id="after a stop it is no longer ended"
        ),
    ],
)
def test_resume(stored: Checkpoint | None, expected: Checkpoint) -> None:
    assert resume(stored, NOW) == expected


def test_after_a_reset_the_kernels_counter_is_compared_with_all_kills() -> None:
    with_reset_totals = STORED.with_reset_totals(500)
    assert with_reset_totals == replace(STORED, totals=Totals(500), base=40 + 2 + 3, lines=0, carried_over=COUNTED)
    assert replace(STORED, base=None).with_reset_totals(500).base is None, "a kernel that does not count"


@pytest.mark.parametrize(
    ("acknowledged", "carried_over", "expected"),
    [
        pytest.param(None, None, COUNTED, id="nothing was acknowledged"),
        pytest.param(COUNTED, None, None, id="all was acknowledged"),
        pytest.param(
            Totals(100, {"cgroup": 1}),
            None,
            replace(COUNTED, kills={"cgroup": 0, "system": 1}),
            id="the last was not acknowledged",
        ),
        pytest.param(Totals(99, {"cgroup": 1}), None, COUNTED, id="totals from before a reset were acknowledged"),
        pytest.param(
            COUNTED,
            Totals(50, {"cgroup": 4}),
            replace(COUNTED, kills={"cgroup": 4, "system": 0}, stamps_ns={"cgroup": 0, "system": 160}, unaccounted=0),
            id="what was carried over before stays carried over",
        ),
    ],
)
def test_unacknowledged_counts_are_carried_over(
    acknowledged: Totals | None, carried_over: Totals | None, expected: Totals | None
) -> None:
    assert (
        replace(STORED, acknowledged=acknowledged, carried_over=carried_over).with_reset_totals(500).carried_over
        == expected
    )


@pytest.mark.parametrize(
    ("acknowledged", "carried_over", "expected"),
    [
        pytest.param(COUNTED, None, (), id="all was acknowledged"),
        pytest.param(None, None, (COUNTED,), id="nothing was acknowledged"),
        pytest.param(Totals(100, {"cgroup": 1}), None, (COUNTED,), id="the last was not: the whole total is retired"),
        pytest.param(
            COUNTED,
            Totals(50, {"cgroup": 4}),
            (replace(COUNTED, kills={"cgroup": 5, "system": 1}, stamps_ns={"cgroup": 0, "system": 160}),),
            id="what was carried over is part of it",
        ),
    ],
)
def test_under_a_new_identity_totals_begin_at_0(
    acknowledged: Totals | None, carried_over: Totals | None, expected: tuple[Totals, ...]
) -> None:
    before = replace(STORED, acknowledged=acknowledged, carried_over=carried_over, retired=(ANOTHER,))
    after = before.under_new_identity(ResourceIdentity("copy"), 500)
    series = tuple(RetiredSeries(Series(ResourceIdentity("machine"), totals), acknowledged, 800) for totals in expected)
    assert after == replace(
        before,
        identity=ResourceIdentity("copy"),
        totals=Totals(500),
        base=45,
        lines=0,
        acknowledged=None,
        carried_over=None,
        retired=(ANOTHER, *series),
    )


@pytest.mark.parametrize(
    ("exported_ns", "kept"), [(800, True), (900 + 86_399 * 10**9, True), (900 + 86_401 * 10**9, False)]
)
@pytest.mark.parametrize("boot_id", ["boot", "before"])
def test_a_stored_time_over_a_day_ahead_is_ignored(boot_id: str, exported_ns: int, *, kept: bool) -> None:
    resumed = resume(replace(STORED, boot_id=boot_id, exported_ns=exported_ns), NOW)
    assert resumed.exported_ns == (exported_ns if kept else 0)


def test_the_number_of_retired_series_is_bounded() -> None:
    checkpoint = STORED
    for number in range(3 * MAX_RETIRED_SERIES):
        checkpoint = replace(checkpoint, totals=checkpoint.totals.plus("cgroup", number))
        checkpoint = checkpoint.under_new_identity(ResourceIdentity(f"{number}"), number)
    assert len(checkpoint.retired) == MAX_RETIRED_SERIES
    assert checkpoint.retired[-1].series.identity == ResourceIdentity(f"{3 * MAX_RETIRED_SERIES - 2}"), (
        "the newest stay"
    )
