"""The pipeline to the collector, put together from the settings."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from itertools import product
from typing import Any, TypeAlias, get_args

from otel_oom import schema
from otel_oom.config.settings import Config
from otel_oom.errors import UsageError
from otel_oom.health import Health
from otel_oom.otlp import log_records, metric_points
from otel_oom.otlp.instruments import Observations, register
from otel_oom.otlp.metric_points import MetricSender, PointTimes
from otel_oom.otlp.metric_schedule import MetricSchedule
from otel_oom.otlp.resource import resources
from otel_oom.otlp.sender import Sender
from otel_oom.spool.spool import Spool
from otel_oom.totals import Series, Totals

Instruments: TypeAlias = dict[schema.Metric, Callable[[], Observations]]


def build(
    config: Config,
    spool: Spool,
    health: Health,
    *,
    resource_defaults: Mapping[str, str],
    kernel_kills: Callable[[], int | None],
    wall_ns: Callable[[], int] = time.time_ns,
) -> Sender:
    """A sender that is ready to start: connections are made when it first sends.

    resource_defaults: what all origins have in common

    Raises: UsageError where the exporters or the SDK refuse the user's settings.
    """
    # An empty variable is an unset one (environment variable specification); the SDK makes 0 or an error of some.
    for name in [name for name, value in os.environ.items() if name.startswith("OTEL_") and not value.strip()]:
        del os.environ[name]
    # Not below 0, which no point can carry: without a clock on the board the epoch is the boot, more or less.
    boot_ns = max(0, wall_ns() - time.clock_gettime_ns(time.CLOCK_BOOTTIME))
    is_counting = kernel_kills() is not None  # before 4.13 the kernel does not: absent is not zero
    try:
        resource_of = resources(resource_defaults)
        log_sender = log_records.LogSender(resource_of, log_records.exporter(config.logs), spool.checkpoint.identity)
        exporter = metric_points.exporter(config.metrics)
        times = PointTimes(wall_ns, time.monotonic_ns, boot_ns=boot_ns, begin=spool.checkpoint)

        def metrics_of(
            series: Series, times: PointTimes, acknowledged: Totals | None, *, is_retired: bool
        ) -> MetricSender:
            sender = MetricSender(resource_of(series.identity), exporter, times, series)
            instruments = _kills(sender, series.totals, acknowledged, is_counting=is_counting, is_retired=is_retired)
            if not is_retired:  # what this machine was before has no heartbeat
                own = _own(spool, health)
                if is_counting:
                    own[schema.KERNEL_KILLS] = lambda: _one(kernel_kills())
                # A total of before is no delta: what was counted until now is not of the first interval.
                instruments |= _deltas(own) if sender.is_delta else own
            register(sender.meter, instruments)
            return sender

        schedule = MetricSchedule(spool, health, metrics_of, times, config.heartbeat_s)
        return Sender(spool, log_sender, schedule, health, (config.logs, config.metrics))
    except Exception as error:  # the SDK raises what it likes: ValueError, its own, bare Exception
        raise UsageError(f"OpenTelemetry refuses its settings: {error}", "mend the OTEL_* variable") from error


def _kills(
    sender: MetricSender, totals: Totals, acknowledged: Totals | None, *, is_counting: bool, is_retired: bool
) -> Instruments:
    """What a collection's totals say. is_counting: the kernel does; is_retired: only what goes beyond what was told."""
    known = acknowledged or Totals(totals.start_ns)
    # Of a delta it is no part what a collector was told of these totals before.
    before = known if sender.is_delta else Totals(0)
    unacknowledged = totals.beyond(known)
    scopes = [scope for scope in schema.SCOPES if unacknowledged.kills.get(scope, 0) or not is_retired]
    instruments: Instruments = {
        schema.KILLS: lambda: [
            ({schema.SCOPE.name: scope}, sender.totals.kills.get(scope, 0) - before.kills.get(scope, 0))
            for scope in scopes
        ]
    }
    if is_counting and (unacknowledged.unaccounted or not is_retired):
        instruments[schema.UNACCOUNTED_KILLS] = lambda: _one(sender.totals.unaccounted - before.unaccounted)
    return instruments


def _deltas(own: Instruments) -> Instruments:
    return {metric: _since(read) if metric.kind == "counter" else read for metric, read in own.items()}


def _since(read: Callable[[], Observations]) -> Callable[[], Observations]:
    """What a counter counts from now on."""
    base = {frozenset(attributes.items()): value for attributes, value in read()}
    return lambda: [(attributes, value - base.get(frozenset(attributes.items()), 0)) for attributes, value in read()]


def _own(spool: Spool, health: Health) -> Instruments:
    """The agent's own numbers."""

    def up() -> Observations:
        # A series that is sent no more keeps its last value in a collector for minutes: a reason that is over says 1.
        reasons = sorted(health.down_reasons)
        return [
            ({}, int(health.down_reason is None)),
            *(({schema.REASON: reason}, int(health.down_reason != reason)) for reason in reasons),
        ]

    return {
        schema.RECORDS: lambda: _each(health.records, schema.RECORDS),
        schema.SPOOL_EVENTS: lambda: _one(len(spool)),
        schema.SPOOL_DURABLE: lambda: _one(None if health.is_durable is None else int(health.is_durable)),
        schema.SPOOL_DROPPED: lambda: _each(health.dropped, schema.SPOOL_DROPPED),
        schema.EXPORTS: lambda: [
            ({schema.SIGNAL: signal, schema.OUTCOME: outcome}, health.exports[signal, outcome])
            for signal, outcome in product(get_args(schema.Signal), get_args(schema.ExportOutcome))
        ],
        schema.UP: up,
        schema.CLOCK_OFFSET: lambda: _one(health.clock_offset_s),
    }


def _one(value: float | None) -> Observations:
    return [] if value is None else [({}, value)]


def _each(counts: Mapping[Any, int], metric: schema.Metric) -> Observations:
    """Every value of the metric's one attribute, so that each series starts at 0."""
    ((attribute, values),) = metric.attributes
    return [({attribute: value}, counts.get(value, 0)) for value in values]
