"""The resource and the scopes of what is sent: schema URLs, a UUID as the instance id, and the user's own values."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from opentelemetry.exporter.otlp.proto.common._log_encoder import encode_logs
from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.sdk import resources
from opentelemetry.sdk.resources import Resource
from support.metric_world import MetricWorld

from otel_oom import schema
from otel_oom.config.attribute_limits import AttributeLimits
from otel_oom.otlp import metric_points
from otel_oom.otlp.export_outcome import LocalExporter
from otel_oom.otlp.log_records import LogSender
from otel_oom.otlp.resource import resource_builder
from otel_oom.telemetry.event import Event
from otel_oom.totals import ResourceIdentity

OWN = ResourceIdentity("8a9f3a6e-6f0b-5c0d-8a43-1b0f6a2c9d11", "host", "machine")
URL = "https://opentelemetry.io/schemas/1.44.0"


def instance_id(identity: ResourceIdentity) -> str:
    return str(resource_builder({}, {})(identity).attributes["service.instance.id"])


def test_log_records_carry_the_schema_url_on_resource_and_scope() -> None:
    requests = []
    exporter = LocalExporter[Any](lambda batch: requests.append(encode_logs(batch)))
    sender = LogSender(resource_builder({}, {}), exporter, OWN, AttributeLimits())
    sender.send([Event(schema.OOM_KILL, 1, "body", {"process.command_args": ("a", "b c", "")})])
    (block,) = requests[0].resource_logs
    (scoped,) = block.scope_logs
    assert (block.schema_url, scoped.schema_url) == (URL, URL)
    (attribute,) = scoped.log_records[0].attributes
    assert [value.string_value for value in attribute.value.array_value.values] == ["a", "b c", ""]


def test_metrics_carry_the_schema_url_on_resource_and_scope() -> None:
    """The URL of their scope never changes: tests/collector/test_config.py shows why."""
    world = MetricWorld()
    data = metric_points.points(
        world.schedule.collect(world.now), resource_builder({}, {})(OWN), boot_ns=0, agent_start_ns=0
    )
    (block,) = encode_metrics(data).resource_metrics
    (scoped,) = block.scope_metrics
    assert (block.schema_url, scoped.schema_url) == (URL, URL)


def test_a_random_part_is_exported_as_a_uuid() -> None:
    ids = [instance_id(OWN), *(instance_id(OWN.with_random_part(part)) for part in ("a", "b"))]
    assert (ids[0], len(set(ids))) == (OWN.instance_id, 3)
    assert {UUID(one).version for one in ids} == {5}


def test_the_users_values_win() -> None:
    chosen = {"os.name": "mine", "service.instance.id": "7", "os.version": ""}
    found = resource_builder({schema.OS_NAME: "Debian", schema.OS_VERSION: "12"}, chosen)(OWN)
    assert [found.attributes[name] for name in ("os.name", "os.version", "service.instance.id")] == ["mine", "12", "7"]


def test_a_detector_with_another_schema_takes_nothing_away(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    other = "https://opentelemetry.io/schemas/1.9.0"
    detected = Resource({"cloud.provider": "x"}, other)
    monkeypatch.setattr(resources, "get_aggregated_resources", lambda *_: detected)
    found = resource_builder({schema.OS_TYPE: "linux"}, {})(OWN)
    expected = {"cloud.provider": "x", "os.type": "linux", "service.instance.id": OWN.instance_id}
    assert expected.items() <= dict(found.attributes).items()
    assert found.schema_url == other
    assert caplog.messages == []
