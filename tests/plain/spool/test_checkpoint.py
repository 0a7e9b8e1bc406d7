"""Where an agent begins: a first start, a restart, a new boot, another identity."""

from __future__ import annotations

from dataclasses import replace

import pytest

from otel_oom.spool.checkpoint import Checkpoint, resume
from otel_oom.totals import MAX_RETIRED_SERIES, ResourceIdentity, RetiredSeries, Series, Totals

NOW = Checkpoint("boot", ResourceIdentity("machine"), Totals(900), log_epoch_ns=90, agent_pid=9)
COUNTED = Totals(100).plus("cgroup", 150).plus("system", 160).plus_unaccounted(3)
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
        pytest.param(STORED, replace(STORED, agent_pid=9), id="a restart goes on"),
        pytest.param(
            replace(STORED, boot_id="before"),
            replace(NOW, cursor=0, first_uncounted=0, base=0, exported_ns=800, carried_over=COUNTED),
            id="in a new boot the log is read from its start, and all begins at 0",
        ),
        pytest.param(
            replace(STORED, identity=ResourceIdentity("machine-of-its-own")),
            replace(STORED, identity=ResourceIdentity("machine-of-its-own"), agent_pid=9),
            id="totals stay with the id that they were exported with",
        ),
        pytest.param(
            replace(STORED, identity=ResourceIdentity("another")),
            replace(STORED, identity=ResourceIdentity("another"), agent_pid=9),
            id="in one boot it is the one that it was, until it has read what that one left",
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
            id="what a collector was told of totals before those is nothing of them",
        ),
        pytest.param(
            replace(STORED, boot_id="before", acknowledged=COUNTED, retired=(ANOTHER,)),
            replace(NOW, cursor=0, first_uncounted=0, base=0, exported_ns=800, retired=(ANOTHER,)),
            id="what was to be told before is to be told still",
        ),
        pytest.param(replace(STORED, is_ended=True), replace(STORED, agent_pid=9), id="after a stop it lives again"),
    ],
)
def test_where_an_agent_begins(stored: Checkpoint | None, expected: Checkpoint) -> None:
    assert resume(stored, NOW) == expected


def test_anew_the_kernels_counter_is_still_compared_with_all_that_was_seen() -> None:
    with_reset_totals = STORED.with_reset_totals(500)
    assert with_reset_totals == replace(STORED, totals=Totals(500), base=40 + 2 + 3, lines=0, carried_over=COUNTED)
    assert replace(STORED, base=None).with_reset_totals(500).base is None, "a kernel that does not count"


@pytest.mark.parametrize(
    ("acknowledged", "carried_over", "expected"),
    [
        pytest.param(None, None, COUNTED, id="nobody was told of anything"),
        pytest.param(COUNTED, None, None, id="all was told"),
        pytest.param(
            Totals(100, {"cgroup": 1}),
            None,
            replace(COUNTED, kills={"cgroup": 0, "system": 1}),
            id="the last was not",
        ),
        pytest.param(Totals(99, {"cgroup": 1}), None, COUNTED, id="other totals were told, before these began"),
        pytest.param(
            COUNTED,
            Totals(50, {"cgroup": 4}),
            replace(COUNTED, kills={"cgroup": 4, "system": 0}, stamps_ns={"cgroup": 0, "system": 160}, unaccounted=0),
            id="what was owed before is owed still",
        ),
    ],
)
def test_what_no_collector_has_taken_is_owed(
    acknowledged: Totals | None, carried_over: Totals | None, expected: Totals | None
) -> None:
    assert (
        replace(STORED, acknowledged=acknowledged, carried_over=carried_over).with_reset_totals(500).carried_over
        == expected
    )


@pytest.mark.parametrize(
    ("acknowledged", "carried_over", "expected"),
    [
        pytest.param(COUNTED, None, (), id="all was told"),
        pytest.param(None, None, (COUNTED,), id="nobody was told of anything"),
        pytest.param(Totals(100, {"cgroup": 1}), None, (COUNTED,), id="the last was not: the total says it"),
        pytest.param(
            COUNTED,
            Totals(50, {"cgroup": 4}),
            (replace(COUNTED, kills={"cgroup": 5, "system": 1}, stamps_ns={"cgroup": 0, "system": 160}),),
            id="what was owed is part of it",
        ),
    ],
)
def test_of_another_machine_totals_begin_at_0(
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
def test_a_time_of_another_day_was_a_clock_that_lied(boot_id: str, exported_ns: int, *, kept: bool) -> None:
    resumed = resume(replace(STORED, boot_id=boot_id, exported_ns=exported_ns), NOW)
    assert resumed.exported_ns == (exported_ns if kept else 0)


def test_forks_without_end_do_not_grow_without_end() -> None:
    checkpoint = STORED
    for number in range(3 * MAX_RETIRED_SERIES):
        checkpoint = replace(checkpoint, totals=checkpoint.totals.plus("cgroup", number))
        checkpoint = checkpoint.under_new_identity(ResourceIdentity(f"{number}"), number)
    assert len(checkpoint.retired) == MAX_RETIRED_SERIES
    assert checkpoint.retired[-1].series.identity == ResourceIdentity(f"{3 * MAX_RETIRED_SERIES - 2}"), (
        "the newest stay"
    )
