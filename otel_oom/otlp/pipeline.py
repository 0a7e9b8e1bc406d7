"""The pipeline to the collector, put together from the settings."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from itertools import product
from typing import Any, get_args

from otel_oom import schema
from otel_oom.checkpoint import Totals
from otel_oom.config import Config
from otel_oom.errors import UsageError
from otel_oom.health import Health
from otel_oom.otlp import logs, metrics
from otel_oom.otlp.resource import resource
from otel_oom.otlp.sender import Sender
from otel_oom.spool import Spool
from otel_oom.telemetry import Observations, register


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

    Raises: UsageError where the exporters or the SDK refuse the user's settings.
    """
    # An empty variable is an unset one (environment variable specification); the SDK makes 0 or an error of some.
    for name in [name for name, value in os.environ.items() if name.startswith("OTEL_") and not value.strip()]:
        del os.environ[name]
    # Not below 0, which no point can carry: without a clock on the board the epoch is the boot, more or less.
    boot_ns = max(0, wall_ns() - time.clock_gettime_ns(time.CLOCK_BOOTTIME))
    try:
        who = resource(resource_defaults)
        log_sender = logs.LogSender(who, logs.exporter(config.logs))
        times = metrics.PointTimes(wall_ns, time.monotonic_ns, boot_ns=boot_ns, begin=spool.checkpoint)
        metric_sender = metrics.MetricSender(who, metrics.exporter(config.metrics), times, spool.totals)
    except Exception as error:  # the SDK raises what it likes: ValueError, its own, bare Exception
        raise UsageError(f"OpenTelemetry refuses its settings: {error}", "mend the OTEL_* variable") from error

    # Of a delta it is no part what a collector was told of these totals before.
    told = spool.checkpoint.told
    is_carried = told is not None and told.start_ns == spool.totals.start_ns
    before = told if told is not None and is_carried and metric_sender.is_delta else Totals(0)

    def one(value: float | None) -> Observations:
        return [] if value is None else [({}, value)]

    def up() -> Observations:
        # A series that is sent no more keeps its last value in a collector for minutes: a reason that is over says 1.
        reasons = sorted(health.down_reasons)
        return [
            ({}, int(health.down_reason is None)),
            *(({schema.REASON: reason}, int(health.down_reason != reason)) for reason in reasons),
        ]

    instruments: dict[schema.Metric, Callable[[], Observations]] = {
        schema.KILLS: lambda: [
            ({schema.SCOPE.name: scope}, metric_sender.totals.kills.get(scope, 0) - before.kills.get(scope, 0))
            for scope in schema.SCOPES
        ],
        schema.RECORDS: lambda: _each(health.records, schema.RECORDS),
        schema.SPOOL_EVENTS: lambda: one(len(spool)),
        schema.SPOOL_DURABLE: lambda: one(None if health.is_durable is None else int(health.is_durable)),
        schema.SPOOL_DROPPED: lambda: _each(health.dropped, schema.SPOOL_DROPPED),
        schema.EXPORTS: lambda: [
            ({schema.SIGNAL: signal, schema.OUTCOME: outcome}, health.exports[signal, outcome])
            for signal, outcome in product(get_args(schema.Signal), get_args(schema.ExportOutcome))
        ],
        schema.UP: up,
        schema.CLOCK_OFFSET: lambda: one(health.clock_offset_s),
    }
    at_start = kernel_kills()
    if at_start is not None:  # before 4.13 the kernel does not count: absent is not zero
        # A total since the boot is no delta: what was counted before the agent's start is not of its first interval.
        base = at_start if metric_sender.is_delta else 0

        def counted() -> Observations:
            total = kernel_kills()
            return one(None if total is None else total - base)

        instruments[schema.KERNEL_KILLS] = counted
        instruments[schema.UNACCOUNTED_KILLS] = lambda: one(metric_sender.totals.unaccounted - before.unaccounted)
    register(metric_sender.meter, instruments)
    return Sender(spool, log_sender, metric_sender, health, (config.logs, config.metrics), config.heartbeat_s)


def _each(counts: Mapping[Any, int], metric: schema.Metric) -> Observations:
    """Every value of the metric's one attribute, so that each series starts at 0."""
    ((attribute, values),) = metric.attributes
    return [({attribute: value}, counts.get(value, 0)) for value in values]
