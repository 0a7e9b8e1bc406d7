"""Which totals are exported and acknowledged, under which identity, and when the disk holds them back."""

from __future__ import annotations

import math
from dataclasses import replace

from support.agent_rig import first_checkpoint
from support.pipelines import event

from otel_oom.health import Health
from otel_oom.spool.exportable_totals import ExportableTotals
from otel_oom.spool.spool import Spool
from otel_oom.totals import ResourceIdentity, RetiredSeries, Series, Totals


def spool() -> Spool:
    return Spool(Health(), first_checkpoint())


def test_under_a_new_identity_nothing_is_acknowledged() -> None:
    queue = spool()
    acknowledged = queue.totals.plus("cgroup", 5)
    queue.put([event("01")], replace(queue.checkpoint, totals=acknowledged))
    queue.acknowledge(Series(ResourceIdentity("instance"), acknowledged), 6)
    queue.put([event("02")], replace(queue.checkpoint, totals=acknowledged.plus("cgroup", 7)))
    last = RetiredSeries(Series(ResourceIdentity("instance"), acknowledged.plus("cgroup", 7)), acknowledged, 6)
    queue.change_identity(ResourceIdentity("copy"), 9)
    assert (queue.exportable, queue.retired) == (Series(ResourceIdentity("copy"), Totals(9)), last)
    change = queue.take_unsaved(replaces_all=False)
    assert (change.checkpoint.retired, change.checkpoint.acknowledged) == ((last,), None)
    queue.acknowledge(last.series, 7)
    assert queue.take_unsaved(replaces_all=False).checkpoint.retired == ()
    assert queue.retired is None


def test_the_opening_of_a_retired_series_is_acknowledged_before_its_last_totals() -> None:
    queue = spool()
    totals = queue.totals.plus("cgroup", 5)
    queue.put([event("01")], replace(queue.checkpoint, totals=totals))
    queue.change_identity(ResourceIdentity("copy"), 9)
    queue.acknowledge(Series(ResourceIdentity("instance"), Totals(1)), 7)
    assert queue.retired == RetiredSeries(Series(ResourceIdentity("instance"), totals), Totals(1), 0)


def test_a_request_from_before_an_identity_change_acknowledges_the_old_series() -> None:
    queue = spool()
    totals = queue.totals.plus("cgroup", 5)
    queue.put([event("01")], replace(queue.checkpoint, totals=totals))
    queue.change_identity(ResourceIdentity("copy"), 9)
    queue.acknowledge(Series(ResourceIdentity("instance"), totals), 7)
    assert queue.retired is None
    assert queue.take_unsaved(replaces_all=False).checkpoint.acknowledged is None, "nothing of the new series"
    queue.change_identity(ResourceIdentity("instance"), 20)
    queue.acknowledge(Series(ResourceIdentity("copy"), Totals(9)), 21)
    assert queue.take_unsaved(replaces_all=False).checkpoint.acknowledged is None


def test_an_identity_that_returns_has_another_series() -> None:
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
    change = queue.take_unsaved(replaces_all=False)
    assert (change.checkpoint.retired, change.checkpoint.acknowledged) == ((), None)


def test_a_commit_of_older_totals_takes_no_export_back() -> None:
    spool = Spool(Health(), first_checkpoint(), has_writer=True)
    totals = spool.totals.plus("cgroup", 1)
    spool.put([event("a")], replace(spool.checkpoint, totals=totals))
    older = spool.take_unsaved(replaces_all=False)
    spool.put([event("b")], replace(spool.checkpoint, totals=totals.plus("cgroup", 2)))
    spool.not_saved("hanging")
    assert spool.exportable.totals.kills == {"cgroup": 2}
    spool.saved(older)
    assert spool.exportable.totals.kills == {"cgroup": 2}
    assert spool.held_until_s < math.inf
    newer = spool.take_unsaved(replaces_all=False)
    assert [one.uid for _, one in newer.added] == ["b"]
    spool.saved(newer)
    assert (spool.exportable.totals.kills, spool.held_until_s) == ({"cgroup": 2}, math.inf)


def test_the_disk_holds_totals_back_for_a_second_and_then_no_more() -> None:
    one = ExportableTotals(first_checkpoint(), has_writer=True)
    newer = replace(one.checkpoint, totals=one.checkpoint.totals.plus("cgroup", 5))
    one.move(newer, 10.0)
    assert (one.exportable, one.held_until_s) == (first_checkpoint().series, 11.0)
    one.move(replace(newer, lines=1), 10.5)
    assert one.held_until_s == 11.0, "counted from the first"
    assert not one.check_disk(10.99)
    assert one.exportable == first_checkpoint().series
    assert one.check_disk(11.0)
    assert (one.exportable, one.held_until_s) == (newer.series, math.inf)
    assert not one.check_disk(12.0), "once"
    newest = replace(newer, totals=newer.totals.plus("cgroup", 6))
    one.move(newest, 13.0)
    assert one.exportable == newest.series, "at once now"
    one.committed(one.number, newest, 14.0)
    one.move(newer, 15.0)
    assert (one.exportable, one.held_until_s) == (newest.series, 16.0), "the disk answers again"
