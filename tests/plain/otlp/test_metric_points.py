"""The form of exported metrics: names, units, types, temporality, and what is absent."""

from __future__ import annotations

import pytest
from opentelemetry.sdk.metrics.export import AggregationTemporality, Gauge, Metric, Sum
from opentelemetry.sdk.resources import Resource
from support.metric_world import BOOT_NS, START_NS, MetricWorld

from otel_oom import schema
from otel_oom.otlp import metric_points

CUMULATIVE, DELTA = AggregationTemporality.CUMULATIVE, AggregationTemporality.DELTA


def exported(world: MetricWorld) -> dict[str, Metric]:
    data = metric_points.points(
        world.schedule.collect(world.now), Resource({"a": "b"}, "url"), boot_ns=BOOT_NS, agent_start_ns=START_NS
    )
    (resource,) = data.resource_metrics
    (scope,) = resource.scope_metrics
    assert (dict(resource.resource.attributes), resource.schema_url) == ({"a": "b"}, "url")
    assert (scope.scope.name, scope.scope.version, scope.schema_url) == ("otel-oom", None, schema.METRICS_SCHEMA_URL)
    return {metric.name: metric for metric in scope.metrics}


def values(metric: Metric) -> dict[str, float]:
    return {" ".join(map(str, (one.attributes or {}).values())): one.value for one in metric.data.data_points}  # type: ignore[union-attr]


@pytest.mark.parametrize("is_delta", [False, True])
def test_every_metric_of_the_table_is_exported_as_it_says(*, is_delta: bool) -> None:
    world = MetricWorld(is_delta=is_delta)
    world.health.is_durable = True
    world.health.clock_compared(0.25)
    world.health.trace_ring_read(2)
    metrics = exported(world)
    assert set(metrics) == {metric.name for metric in schema.METRICS}
    for metric in schema.METRICS:
        one = metrics[metric.name]
        assert (one.unit, one.description) == (metric.unit, metric.brief)
        if metric.kind == "gauge":
            assert isinstance(one.data, Gauge)
            continue
        assert isinstance(one.data, Sum)
        assert one.data.is_monotonic == (metric.kind == "counter")
        assert one.data.aggregation_temporality is (DELTA if is_delta and one.data.is_monotonic else CUMULATIVE)
        assert {type(point.value) for point in one.data.data_points} == {int}
    assert values(metrics[schema.CLOCK_OFFSET.name]) == {"": 0.25}
    assert type(metrics[schema.CLOCK_OFFSET.name].data.data_points[0].value) is float  # type: ignore[union-attr]


def test_what_is_not_known_is_absent() -> None:
    world = MetricWorld()
    assert not {one.name for one in (schema.SPOOL_DURABLE, schema.CLOCK_OFFSET, schema.TRACE_OVERWRITTEN)} & set(
        exported(world)
    )
    assert schema.KERNEL_KILLS.name in exported(world)
    world.kernel_kills = None
    assert schema.KERNEL_KILLS.name not in exported(world), "it cannot be read at the moment"
    assert schema.UNACCOUNTED_KILLS.name in exported(world)


def test_a_kernel_that_does_not_count_has_no_unaccounted_kills() -> None:
    world = MetricWorld(kernel_kills=None)
    assert not {schema.KERNEL_KILLS.name, schema.UNACCOUNTED_KILLS.name} & set(exported(world))


def test_past_reasons_of_a_failure_report_1() -> None:
    world = MetricWorld()
    world.health.device_down("gone")
    world.health.device_down("busy")
    assert values(exported(world)[schema.UP.name]) == {"": 0, "busy": 0, "gone": 1}
    world.health.device_up()
    assert values(exported(world)[schema.UP.name]) == {"": 1, "busy": 1, "gone": 1}
