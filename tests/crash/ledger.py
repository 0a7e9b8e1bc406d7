"""What a receiver accepted, in order: log records, series, and what Prometheus would make of them."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from support.otlp_receiver import OtlpReceiver

from otel_oom import schema
from otel_oom.demo.otlp_receiver import plain

_OF_THE_SIGHTING = {
    attribute.name
    for attribute in (
        schema.BACKLOG,
        schema.KMSG_SKEW,
        schema.EXECUTABLE_NAME,
        schema.EXECUTABLE_PATH,
        schema.PARENT_PID,
        schema.CREATION_TIME,
    )
}
"""What depends on when a kill was read: one that was accepted right before a SIGKILL is read from the ring again."""


@dataclass(frozen=True)
class Delivered:
    """One log record."""

    name: str
    uid: str
    body: str
    attributes: dict[str, Any]

    @property
    def of_the_kernel(self) -> tuple[str, str, dict[str, Any]]:
        """All that is equal in every repeat."""
        said = {name: value for name, value in self.attributes.items() if name not in _OF_THE_SIGHTING}
        return self.name, self.body, said


@dataclass(frozen=True)
class Point:
    """One point of a cumulative series. Times are ns since the Unix epoch."""

    instance: str
    start_ns: int
    time_ns: int
    value: int


def delivered(receiver: OtlpReceiver, name: str = schema.OOM_KILL) -> list[Delivered]:
    """The accepted log records of one event name, repeats included."""
    found = []
    for request in receiver.accepted("logs"):
        for resource in request.message.resource_logs:
            for scope in resource.scope_logs:
                for record in scope.log_records:
                    if record.event_name == name:
                        attributes = {pair.key: plain(pair.value) for pair in record.attributes}
                        uid = attributes[schema.RECORD_UID.name]
                        found.append(Delivered(name, uid, plain(record.body), attributes))
    return found


def uids(receiver: OtlpReceiver) -> set[str]:
    """Of the kills that were delivered."""
    return {record.uid for record in delivered(receiver)}


def total(receiver: OtlpReceiver, name: str) -> int:
    """The sum of `oom.count` over the events of one name, each uid once."""
    return sum({one.uid: one.attributes[schema.COUNT.name] for one in delivered(receiver, name)}.values())


def points(receiver: OtlpReceiver, metric: schema.Metric, attributes: str = "") -> list[Point]:
    """The accepted points of a metric with these values of its attributes."""
    return [
        Point(
            request.resource[schema.SERVICE_INSTANCE_ID], point.start_time_unix_nano, point.time_unix_nano, point.as_int
        )
        for request in receiver.accepted("metrics")
        if (point := request.points(metric.name).get(attributes)) is not None
    ]


def newest(receiver: OtlpReceiver, metric: schema.Metric, attributes: str = "") -> Any:
    """The newest accepted point, None where there is none."""
    found = (request.points(metric.name).get(attributes) for request in reversed(receiver.accepted("metrics")))
    return next((point for point in found if point is not None), None)


def last(receiver: OtlpReceiver, metric: schema.Metric, attributes: str = "") -> int | None:
    """The value of that."""
    point = newest(receiver, metric, attributes)
    return None if point is None else int(point.as_int)


def increase(series: list[Point]) -> int:
    """`increase()` of Prometheus over all points, without its extrapolation to the window's ends.

    The first value is where it starts from. A value below the one before it is a reset, and counts from zero.
    """
    values = (point.value for point in series)
    return sum(value - before if value >= before else value for before, value in pairwise(values))
