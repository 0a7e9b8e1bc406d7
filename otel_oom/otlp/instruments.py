"""Instruments."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, TypeAlias

from otel_oom import schema

if TYPE_CHECKING:
    from opentelemetry.metrics import Meter


SCOPE_NAME = "otel-oom"
"""Of logger and meter, without a version: a collector keeps a meter's series per version, so for some minutes after an
upgrade it would show the old totals beside the new ones. The version is `service.version` of the resource."""


Observations: TypeAlias = Iterable[tuple[Mapping[str, str], float]]


def register(meter: Meter, observe: Mapping[schema.Metric, Callable[[], Observations]]) -> None:
    """Create an observable instrument for each metric of the table; each collection calls `observe[metric]()`."""
    from opentelemetry.metrics import CallbackOptions, Observation

    create = {
        "counter": meter.create_observable_counter,
        "updowncounter": meter.create_observable_up_down_counter,
        "gauge": meter.create_observable_gauge,
    }

    def callback(read: Callable[[], Observations]) -> Callable[[CallbackOptions], list[Observation]]:
        return lambda _: [Observation(value, dict(attributes)) for attributes, value in read()]

    for metric, read in observe.items():
        create[metric.kind](metric.name, [callback(read)], metric.unit, metric.brief)
