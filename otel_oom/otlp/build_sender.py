"""Builds the sender with its exporters from the settings."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from otel_oom.config import python_sdk_variables
from otel_oom.config.environment import hide_from_sdk
from otel_oom.config.settings import Config
from otel_oom.errors import UsageError, shortage
from otel_oom.health import Health
from otel_oom.otlp import log_records, metric_points
from otel_oom.otlp.log_records import LogSender
from otel_oom.otlp.metric_schedule import Collection, MetricSchedule
from otel_oom.otlp.outcome_text import OutcomeText
from otel_oom.otlp.point_times import Moment
from otel_oom.otlp.resource import resource_builder
from otel_oom.otlp.sender import Sender
from otel_oom.spool.spool import Spool

if TYPE_CHECKING:
    from opentelemetry.sdk.metrics.export import MetricsData


def build(
    config: Config,
    spool: Spool,
    health: Health,
    *,
    resource_defaults: Mapping[str, str],
    kernel_kills: Callable[[], int | None],
    wall_ns: Callable[[], int] = time.time_ns,
) -> Sender:
    """A sender that is ready to start; it connects when it first sends.

    resource_defaults: resource attributes that do not depend on the identity
    kernel_kills: the kernel's own count of kills, None where it does not count them

    The exporters and the SDK read os.environ themselves: variables that are not for them are removed from it.

    Raises: UsageError where the exporters or the SDK refuse the user's settings.
    """
    hide_from_sdk(os.environ)
    try:
        resource_of = resource_builder(resource_defaults, config.resource_attributes)
        logs = LogSender(resource_of, log_records.exporter(config.logs), spool.checkpoint.identity, config.limits)
        metrics = metric_points.exporter(config.metrics)
    # What they raise for settings: a credential provider that is not installed (RuntimeError, ImportError), or another
    # value that only they read (ValueError, OSError).
    except (ValueError, OSError, RuntimeError, ImportError) as error:
        if shortage(error) is not None:
            raise
        suspects = ", ".join(name for name in python_sdk_variables.WITH_EFFECT if name in os.environ)
        remedy = f"correct {suspects or 'the OTEL_* variable'}"
        raise UsageError(f"OpenTelemetry refuses its settings: {error}", remedy) from error
    start = Moment(wall_ns(), time.monotonic_ns())
    # A point cannot carry a time below 0. Without a clock on the board the epoch is close to the boot.
    boot_ns = max(0, start.wall_ns - time.clock_gettime_ns(time.CLOCK_BOOTTIME))

    def points(collection: Collection) -> MetricsData:
        resource = resource_of(collection.series.identity)
        return metric_points.points(collection, resource, boot_ns=boot_ns, agent_start_ns=start.wall_ns)

    return Sender(
        spool,
        logs,
        metrics,
        MetricSchedule(
            spool, health, kernel_kills, is_delta=config.is_delta, heartbeat_s=config.heartbeat_s, start=start
        ),
        health,
        points=points,
        now=lambda: Moment(wall_ns(), time.monotonic_ns()),
        exports=(config.logs, config.metrics),
        texts=(OutcomeText(os.environ, "logs"), OutcomeText(os.environ, "metrics")),
    )
