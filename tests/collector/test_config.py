"""collector-config.yaml in a real Collector: it starts without a warning, delivers, and each variable works."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

import pytest
from collector.json_requests import kill_count, kill_record, post
from collector.otelcol import Collector
from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

UNUSED_BACKEND = "http://127.0.0.1:9"  # discard: no listener, and the Collector sends nothing when it starts
SWITCHES: list[Mapping[str, str]] = [
    {},
    {"OTEL_OOM_BACKENDS": "[otlp_http/honeycomb]", "HONEYCOMB_API_KEY": "key", "HONEYCOMB_ENDPOINT": UNUSED_BACKEND},
    {
        "OTEL_OOM_BACKENDS": "[otlp_http/grafana]",
        "GRAFANA_CLOUD_OTLP_ENDPOINT": UNUSED_BACKEND,
        "GRAFANA_CLOUD_BASIC_AUTH": "a2V5",
    },
    {"OTEL_OOM_BACKENDS": "[otlp_http/other]", "OTEL_OOM_BACKEND_ENDPOINT": UNUSED_BACKEND},
    {"OTEL_OOM_BACKENDS": "[otlp_http/honeycomb, otlp_http/grafana, otlp_http/other]"},
    {"OTEL_OOM_PROMETHEUS_EXPIRATION": "1h"},
]


@pytest.mark.parametrize("environment", SWITCHES, ids=lambda switch: switch.get("OTEL_OOM_BACKENDS", str(len(switch))))
def test_starts_and_stops_without_a_warning(
    otelcol_binary: Path, tmp_path: Path, environment: Mapping[str, str]
) -> None:
    with Collector(tmp_path, program=otelcol_binary, environment=environment) as collector:
        assert collector.prometheus().samples == ()
        started = collector.output()
    assert "Everything is ready" in started
    assert collector.complaints() == []


def test_an_acknowledged_log_record_is_in_the_file_and_on_the_terminal(collector: Collector) -> None:
    assert post(collector, "/v1/logs", kill_record()) == 200
    (record,) = collector.log_records()
    assert record.event_name == "system_oom_kill"
    assert record.time_unix_nano == record.observed_time_unix_nano == 1_800_000_000_000_000_001
    assert (record.severity_number, record.severity_text) == (17, "ERROR")
    assert record.body == "python3 was OOM-killed"
    assert record.attributes == {
        "process.pid": 2110,
        "oom.kmsg.skew": 0.5,
        "oom.backlog": True,
        "oom.top_tasks": [{"pid": 1}],
    }
    assert record.resource == {"service.name": "otel-oom", "service.instance.id": "6f0d", "host.name": "web-1"}
    assert (record.scope_name, record.scope_version) == ("otel_oom", "1.0.0")
    assert "EventName: system_oom_kill" in collector.printed()
    assert "process.pid: Int(2110)" in collector.printed()


def test_a_burst_is_printed_whole(collector: Collector) -> None:
    for pid in range(1, 201):
        assert post(collector, "/v1/logs", kill_record(pid)) == 200
    assert [*range(1, 201)] == [record.attributes["process.pid"] for record in collector.log_records()]
    assert collector.printed().count("EventName: system_oom_kill") == 200


def test_an_acknowledged_count_is_on_the_prometheus_page(collector: Collector) -> None:
    assert post(collector, "/v1/metrics", kill_count(1, 10)) == 200
    (point,) = collector.data_points()
    assert (point.name, point.unit, point.kind, point.value) == ("oom.kills", "{kill}", "counter", 1)
    assert (point.start_time_unix_nano, point.time_unix_nano) == (1, 10)
    page = collector.prometheus()
    assert 'oom_kills_total{instance="6f0d",job="otel-oom",oom_scope="cgroup"} 1\n' in page.text
    assert page.value("target_info", host_name="web-1", job="otel-oom", instance="6f0d") == 1


def test_prometheus_page_drops_an_older_point_and_accepts_one_of_the_same_time(
    collector: Collector,
) -> None:
    shown = []
    for total, at in ((1, 10), (2, 10), (3, 9), (4, 11)):
        assert post(collector, "/v1/metrics", kill_count(total, at)) == 200
        shown.append(collector.prometheus().value("oom_kills_total", oom_scope="cgroup"))
    assert shown == [1, 2, 2, 4]


def test_a_series_that_is_no_longer_sent_leaves_the_prometheus_page(otelcol_binary: Path, tmp_path: Path) -> None:
    environment = {"OTEL_OOM_PROMETHEUS_EXPIRATION": "1s"}
    with Collector(tmp_path, program=otelcol_binary, environment=environment) as collector:
        post(collector, "/v1/metrics", kill_count(1, 10))
        assert collector.prometheus().value("oom_kills_total") == 1
        deadline = time.monotonic() + 10
        while collector.prometheus().value("oom_kills_total") is not None:
            assert time.monotonic() < deadline
            time.sleep(0.05)


def test_the_file_is_continued_after_a_restart_on_the_same_ports(collector: Collector) -> None:
    post(collector, "/v1/logs", kill_record(1))
    collector.stop()
    collector.start()
    post(collector, "/v1/logs", kill_record(2))
    assert [record.attributes["process.pid"] for record in collector.log_records()] == [1, 2]


def test_grpc_delivers_like_http(collector: Collector) -> None:
    exporter = OTLPMetricExporter(endpoint=collector.grpc_endpoint, insecure=True)
    resource = Resource({"service.name": "otel-oom", "service.instance.id": "6f0d"})
    provider = MeterProvider([PeriodicExportingMetricReader(exporter, math.inf)], resource)
    meter = provider.get_meter("otel_oom")
    meter.create_counter("oom.kills", "{kill}").add(1, {"oom.scope": "system"})
    meter.create_gauge("otel_oom.up").set(1)
    assert provider.force_flush()
    page = collector.prometheus().text
    provider.shutdown()
    assert 'oom_kills_total{instance="6f0d",job="otel-oom",oom_scope="system"} 1\n' in page
    assert 'otel_oom_up{instance="6f0d",job="otel-oom"} 1\n' in page


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"scope_version": "1.0.0"}, {"scope_version": "1.1.0"}),
        (
            {"schema_url": "https://opentelemetry.io/schemas/1.44.0"},
            {"schema_url": "https://opentelemetry.io/schemas/2"},
        ),
    ],
    ids=["version", "schema URL"],
)
def test_an_upgrade_of_the_agent_must_not_change_its_meter(
    collector: Collector, before: dict[str, str], after: dict[str, str]
) -> None:
    """Why the agent's meter has no version and one schema URL: the exporter keeps a point per each, and shows one of
    them at random.
    """
    post(collector, "/v1/metrics", kill_count(1, 10, **before))
    assert collector.complaints() == []
    post(collector, "/v1/metrics", kill_count(2, 11, **after))
    assert collector.prometheus().value("oom_kills_total") in {1, 2}
    assert "was collected before with the same name and label values" in "\n".join(collector.complaints())


def test_two_collectors_run_side_by_side(collector: Collector, otelcol_binary: Path, tmp_path: Path) -> None:
    (tmp_path / "second").mkdir()
    with Collector(tmp_path / "second", program=otelcol_binary) as second:
        assert post(collector, "/v1/logs", kill_record()) == post(second, "/v1/logs", kill_record()) == 200
