"""The table of all telemetry is consistent in itself."""

from __future__ import annotations

import importlib
import pkgutil
import re

import opentelemetry.semconv._incubating.attributes as _incubating
from opentelemetry.semconv.schemas import Schemas

from otel_oom import schema


def test_the_schema_names_each_thing_once() -> None:
    for items in (schema.ATTRIBUTES, schema.METRICS):
        names = [item.name for item in items]
        assert len(names) == len(set(names))


def test_attributes_occur_in_events_that_exist() -> None:
    assert {event for item in schema.ATTRIBUTES for event in item.events} <= set(schema.EVENTS)


def test_each_name_is_in_a_namespace_that_is_no_name_itself() -> None:
    """Semantic conventions 1.44, naming: a name is in a namespace; weaver refuses an attribute that is one as well."""
    attributes = {item.name for item in schema.ATTRIBUTES} | set(schema.RESOURCE)
    attributes |= {name for metric in schema.METRICS for name, _ in metric.attributes}
    names = attributes | {metric.name for metric in schema.METRICS}
    assert [name for name in names if not re.fullmatch(r"[a-z][a-z0-9_]*(?:\.[a-z0-9_]*[a-z0-9])+", name)] == []
    assert [(one, other) for one in attributes for other in names if other.startswith(f"{one}.")] == []


def test_official_names_are_those_of_the_version_that_the_schema_url_names() -> None:
    """The SDK's package of names has that version. Ours are in three namespaces that it does not have."""
    assert Schemas.V1_44_0.value == schema.SCHEMA_URL
    official = {
        value
        for module in pkgutil.iter_modules(_incubating.__path__)
        for value in vars(importlib.import_module(f"{_incubating.__name__}.{module.name}")).values()
        if isinstance(value, str)
    }
    ours = {item.name for item in schema.ATTRIBUTES} | set(schema.RESOURCE)
    ours |= {name for metric in schema.METRICS for name, _ in metric.attributes}
    namespaces = {name.split(".")[0] for name in ours - official}
    assert namespaces == {"oom", "otel_oom", "systemd"}
    assert namespaces & {name.split(".")[0] for name in official} == set()


def test_up_down_counters_are_not_plural() -> None:
    """Semantic conventions 1.44, naming. `_count` and `_total` at the end have a meaning in Prometheus."""
    names = [metric.prometheus_name for metric in schema.METRICS if metric.kind != "counter"]
    assert [name for name in names if name.endswith(("s", "_count", "_total")) and not name.endswith("_seconds")] == []
