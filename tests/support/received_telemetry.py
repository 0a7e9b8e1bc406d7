"""What a receiver accepted, in order: log records of an event, points of a metric, and Prometheus' view of them."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from support.otlp_decoding import DataPoint, LogRecord
from support.otlp_receiver import OtlpReceiver

from otel_oom import schema

_DEPENDS_ON_THE_READ = {
    attribute.name
    for attribute in (
        schema.BACKLOG,
        schema.IS_UNCONFIRMED,
        schema.KMSG_SKEW,
        schema.EXECUTABLE_NAME,
        schema.EXECUTABLE_PATH,
        schema.PARENT_PID,
        schema.CREATION_TIME,
        schema.VICTIM_CGROUP_SOURCE,
        *schema.CGROUP_ATTRIBUTES,
    )
}
_FROM_CGROUP = {
    attribute.name
    for attribute in (
        schema.VICTIM_CGROUP,
        schema.CONTAINER_ID,
        schema.CONTAINER_NAME,
        schema.CONTAINER_RUNTIME,
        schema.POD_UID,
        schema.UNIT,
    )
}
"""Attributes that depend on when a kill was read. After a SIGKILL, the next agent reads the newest kill again.

Those of `_FROM_CGROUP` do so where the kernel printed no report.
"""


def records(receiver: OtlpReceiver, name: str = schema.OOM_KILL) -> list[LogRecord]:
    """The accepted log records of an event, repeats included, in order."""
    found = [record for request in receiver.accepted("logs") for record in request.log_records]
    return [record for record in found if record.event_name == name]


def uids(receiver: OtlpReceiver) -> set[str]:
    """The ids of the kills that were accepted. The kernel must have counted each of them."""
    found = records(receiver)
    assert not [record for record in found if schema.IS_UNCONFIRMED.name in record.attributes]
    return {record.uid for record in found}


def stable_content(record: LogRecord) -> tuple[str, Any, dict[str, Any]]:
    """Name, body and attributes that are equal in every repeat of a kill."""
    is_bare = record.attributes.get(schema.REPORT.name) == "suppressed"
    left_out = _DEPENDS_ON_THE_READ | (_FROM_CGROUP if is_bare else set())
    stable = {name: value for name, value in record.attributes.items() if name not in left_out}
    return record.event_name, None if is_bare else record.body, stable


def sum_of_counts(receiver: OtlpReceiver, name: str) -> int:
    """The sum of `oom.count` over the accepted log records of an event. A repeated uid counts once."""
    return sum({record.uid: record.attributes[schema.COUNT.name] for record in records(receiver, name)}.values())


def points(receiver: OtlpReceiver, metric: schema.Metric, attributes: str = "") -> list[DataPoint]:
    """The accepted points of a metric, in order. attributes: the values of its attributes, joined by spaces."""
    found = (request.points(metric.name).get(attributes) for request in receiver.accepted("metrics"))
    return [point for point in found if point is not None]


def newest_value(receiver: OtlpReceiver, metric: schema.Metric, attributes: str = "") -> Any:
    """The newest accepted value of a metric; None: no export had it."""
    found = (request.values(metric.name).get(attributes) for request in reversed(receiver.accepted("metrics")))
    return next((value for value in found if value is not None), None)


def increase(series: list[DataPoint]) -> int:
    """`increase()` of Prometheus over all points, without extrapolation to the ends of a window.

    The first value is the starting point. A value below the previous one is a reset, and counts from zero.
    """
    values = (point.value for point in series)
    return sum(value - before if value >= before else value for before, value in pairwise(values))
