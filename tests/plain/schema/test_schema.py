"""The table of all telemetry is consistent in itself."""

from __future__ import annotations

from otel_oom import schema


def test_the_schema_names_each_thing_once() -> None:
    for items in (schema.ATTRIBUTES, schema.METRICS):
        names = [item.name for item in items]
        assert len(names) == len(set(names))


def test_attributes_occur_in_events_that_exist() -> None:
    assert {event for item in schema.ATTRIBUTES for event in item.events} <= set(schema.EVENTS)
