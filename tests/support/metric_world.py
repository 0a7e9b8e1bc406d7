"""A metric schedule over a spool, with clocks that a test sets: what it exports, without a sender."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

from opentelemetry.sdk.metrics.export import MetricsData, NumberDataPoint
from opentelemetry.sdk.resources import Resource

from otel_oom import schema
from otel_oom.health import Health
from otel_oom.otlp.export_outcome import OK, Outcome
from otel_oom.otlp.metric_points import points
from otel_oom.otlp.metric_schedule import Collection, MetricSchedule
from otel_oom.otlp.point_times import Moment
from otel_oom.spool.checkpoint import Checkpoint
from otel_oom.spool.spool import Spool
from otel_oom.totals import ResourceIdentity, Totals

S = 10**9
START_NS = 1_000 * S
BOOT_NS = 300 * S
HEARTBEAT_S = 60.0

Points = dict[tuple[str, str], Any]
"""Points by the name of the metric and the values of its attributes."""


def points_of(data: MetricsData) -> Points:
    return {
        (metric.name, " ".join(map(str, (point.attributes or {}).values()))): point
        for metric in data.resource_metrics[0].scope_metrics[0].metrics
        for point in metric.data.data_points
    }


class MetricWorld:
    """A wall clock and a monotonic clock, totals, and the schedule that exports them."""

    def __init__(
        self,
        *,
        is_delta: bool = False,
        begin: Checkpoint | None = None,
        kernel_kills: int | None = 7,
        has_writer: bool = False,
    ) -> None:
        self.wall_ns = START_NS
        self.monotonic_ns = time.monotonic_ns()
        self.kernel_kills = kernel_kills
        self.health = Health()
        self.health.device_up()
        begin = begin or Checkpoint("boot", ResourceIdentity("instance"), Totals(START_NS))
        self.spool = Spool(self.health, begin, has_writer=has_writer)
        self.schedule = MetricSchedule(
            self.spool,
            self.health,
            lambda: self.kernel_kills,
            is_delta=is_delta,
            heartbeat_s=HEARTBEAT_S,
            start=self.now,
        )

    @property
    def now(self) -> Moment:
        return Moment(self.wall_ns, self.monotonic_ns)

    @property
    def totals(self) -> Totals:
        return self.spool.totals

    @totals.setter
    def totals(self, totals: Totals) -> None:
        self.spool.put([], replace(self.spool.checkpoint, totals=totals))

    def passes(self, ns: int, *, step_ns: int = 0) -> None:
        self.monotonic_ns += ns
        self.wall_ns += ns + step_ns

    def kill(self, scope: str = "cgroup") -> int:
        """Returns its stamp."""
        self.totals = self.totals.plus(scope, self.wall_ns)
        return self.wall_ns

    def change_identity(self, name: str = "copy") -> None:
        self.spool.change_identity(ResourceIdentity(name), self.wall_ns)

    def collect(self) -> tuple[Collection, Points]:
        """The next collection, whose outcome is not known yet."""
        collection = self.schedule.collect(self.now)
        data = points(collection, Resource({}), boot_ns=BOOT_NS, agent_start_ns=START_NS)
        return collection, points_of(data)

    def export(self, outcome: Outcome = OK) -> Points:
        """The next collection, and its outcome: accepted, or refused for good."""
        collection, exported = self.collect()
        self.schedule.handle_outcome(collection, outcome, self.monotonic_ns / S)
        return exported

    def export_kills(self, scope: str = "cgroup") -> NumberDataPoint:
        point: NumberDataPoint = self.export()[schema.KILLS.name, scope]
        return point
