"""Values of all metrics at one moment. No I/O, no clock.

Rules:
- A metric whose value is not known is absent: absent is not zero.
- Every series of a counter is there from the first collection on, so that a metrics backend sees its first increase.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from typing import Any, TypeAlias, get_args

from otel_oom import schema
from otel_oom.health import Health
from otel_oom.totals import RetiredSeries, Totals

Attributes: TypeAlias = tuple[tuple[str, str], ...]
"""Names and values of one series' attributes."""

Values: TypeAlias = Mapping[schema.Metric, Mapping[Attributes, float]]
"""The value of each series of each metric, in the order in which they are exported."""


def kill_counts(totals: Totals, *, is_counting: bool) -> Values:
    """What the totals hold. is_counting: whether the kernel counts kills, so that unaccounted ones can be known."""
    return {
        schema.KILLS: {((schema.SCOPE.name, scope),): totals.kills.get(scope, 0) for scope in schema.SCOPES},
        **_one(schema.UNACCOUNTED_KILLS, totals.unaccounted if is_counting else None),
        **_one(schema.UNCONFIRMED_KILLS, totals.unconfirmed if is_counting else None),
    }


def retired_values(retired: RetiredSeries, totals: Totals, *, is_counting: bool) -> Values:
    """What `totals` of a retired series hold, of those series alone that have unacknowledged kills."""
    unacknowledged = kill_counts(retired.series.totals.beyond(retired.acknowledged), is_counting=is_counting)
    values = kill_counts(totals, is_counting=is_counting)
    return {
        metric: {attributes: values[metric][attributes] for attributes, count in counts.items() if count}
        for metric, counts in unacknowledged.items()
        if any(counts.values())
    }


def own_values(health: Health, spool_events: int, kernel_kills: int | None) -> Values:
    """The agent's own numbers. kernel_kills: the kernel's own count, None where it is not known."""
    exports: dict[Attributes, int] = {
        ((schema.SIGNAL, signal), (schema.OUTCOME, outcome)): health.exports[signal, outcome]
        for signal, outcome in product(get_args(schema.Signal), get_args(schema.ExportOutcome))
    }
    # A series that is no longer exported keeps its last value in a collector for minutes: a past reason reports 1.
    up: dict[Attributes, int] = {(): int(health.down_reason is None)}
    for reason in sorted(health.down_reasons):
        up[((schema.REASON, reason),)] = int(health.down_reason != reason)
    return {
        schema.RECORDS: _each(schema.RECORDS, health.records),
        **_one(schema.SPOOL_SIZE, spool_events),
        **_one(schema.SPOOL_DURABLE, None if health.is_durable is None else int(health.is_durable)),
        schema.SPOOL_DROPPED: _each(schema.SPOOL_DROPPED, health.dropped),
        schema.EXPORTS: exports,
        schema.UP: up,
        **_one(schema.TRACE_OVERWRITTEN, health.trace_overwritten),
        **_one(schema.CLOCK_OFFSET, health.clock_offset_s),
        **_one(schema.KERNEL_KILLS, kernel_kills),
    }


def _one(metric: schema.Metric, value: float | None) -> Values:
    return {} if value is None else {metric: {(): value}}


def _each(metric: schema.Metric, counts: Mapping[Any, int]) -> Mapping[Attributes, int]:
    """A count of every value of the metric's one attribute, 0 where there is none yet."""
    ((attribute, values),) = metric.attributes
    return {((attribute, value),): counts.get(value, 0) for value in values}
