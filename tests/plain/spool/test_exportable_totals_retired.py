"""Several retired series: they are exported oldest first, each until all of it is acknowledged."""

from __future__ import annotations

from support.agent_rig import first_checkpoint

from otel_oom.spool.exportable_totals import ExportableTotals
from otel_oom.totals import ResourceIdentity, RetiredSeries, Series, Totals


def retired(name: str, start_ns: int) -> RetiredSeries:
    """A series with one kill that no collector acknowledged."""
    return RetiredSeries(Series(ResourceIdentity(name), Totals(start_ns).plus("cgroup", start_ns + 1)), None, 0)


def test_the_oldest_retired_series_is_the_first() -> None:
    totals = ExportableTotals(first_checkpoint(), has_writer=False)
    first, second, third = (retired(name, start_ns) for name, start_ns in (("a", 10), ("b", 20), ("c", 30)))
    totals.add_retired((second, third))
    totals.add_retired((first,))
    found = []
    while (oldest := totals.retired) is not None:
        found.append(oldest)
        totals.acknowledge(oldest.series, 40)
    assert found == [first, second, third]
