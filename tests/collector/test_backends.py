"""The backends of collector-config.yaml: variables alone enable them, and their failures do not reach the agent."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from collector.json_requests import kill_count, kill_record, post
from collector.otelcol import Collector
from support.otlp_receiver import OtlpReceiver, Request
from support.otlp_servers import Answer, Signal

if TYPE_CHECKING:
    from pathlib import Path


def backend_settings(name: str, endpoint: str) -> tuple[dict[str, str], dict[str, str]]:
    """The variables that a user sets, and the headers that the backend must then receive."""
    match name:
        case "honeycomb":
            settings = {"HONEYCOMB_ENDPOINT": endpoint, "HONEYCOMB_API_KEY": "0123"}
            headers = {"x-honeycomb-team": "0123", "x-honeycomb-dataset": "otel-oom"}
        case "grafana":
            settings = {"GRAFANA_CLOUD_OTLP_ENDPOINT": endpoint, "GRAFANA_CLOUD_BASIC_AUTH": "MTIzOmtleQ=="}
            headers = {"authorization": "Basic MTIzOmtleQ=="}
        case _:
            settings = {"OTEL_OOM_BACKEND_ENDPOINT": endpoint, "OTEL_OOM_BACKEND_HEADERS": '{api-key: "1", tenant: b}'}
            headers = {"api-key": "1", "tenant": "b"}
    return settings | {"OTEL_OOM_BACKENDS": f"[otlp_http/{name}]"}, headers


def first(backend: OtlpReceiver, signal: Signal, *, accepted: bool = True) -> Request:
    """Wait for the first request of a signal that was accepted, or refused."""
    return backend.wait(lambda: [one for one in backend.of(signal) if one.accepted == accepted])[0]


def event_names(request: Request) -> list[str]:
    return [record.event_name for record in request.log_records]


@pytest.mark.parametrize("name", ["honeycomb", "grafana", "other"])
def test_an_enabled_backend_gets_logs_and_metrics(otelcol_binary: Path, tmp_path: Path, name: str) -> None:
    with OtlpReceiver("http/protobuf") as backend:
        environment, headers = backend_settings(name, backend.endpoint)
        with Collector(tmp_path, program=otelcol_binary, environment=environment) as collector:
            post(collector, "/v1/logs", kill_record())
            post(collector, "/v1/metrics", kill_count(1, 10))
            logs, metrics = first(backend, "logs"), first(backend, "metrics")
            assert len(collector.log_records()) == len(collector.data_points()) == 1
    assert (logs.path, metrics.path) == ("/v1/logs", "/v1/metrics")
    assert event_names(logs) == ["system_oom_kill"]
    assert [point.name for point in metrics.data_points] == ["oom.kills"]
    assert headers.items() <= logs.headers.items()
    assert headers.items() <= metrics.headers.items()
    assert collector.complaints() == []


def test_a_backend_that_is_down_with_a_full_queue_refuses_the_agent_nothing(
    otelcol_binary: Path, tmp_path: Path
) -> None:
    with OtlpReceiver("http/protobuf") as backend:
        backend.script.otherwise = Answer(503)
        environment, _ = backend_settings("other", backend.endpoint)
        small = ["exporters::otlp_http/other::sending_queue::queue_size: 1000"]
        with Collector(tmp_path, program=otelcol_binary, environment=environment, settings=small) as collector:
            statuses = {post(collector, "/v1/logs", kill_record(pid)) for pid in range(50)}
            assert statuses == {200}
            assert len(collector.log_records()) == 50
            assert "sending queue is full" in collector.output()
            refused = first(backend, "logs", accepted=False)
    assert event_names(refused)[0] == "system_oom_kill"


def test_a_backend_gets_what_it_refused_when_it_is_back(otelcol_binary: Path, tmp_path: Path) -> None:
    with OtlpReceiver("http/protobuf") as backend:
        backend.script.otherwise = Answer(503)
        environment, _ = backend_settings("other", backend.endpoint)
        quick = ["exporters::otlp_http/other::retry_on_failure::initial_interval: 50ms"]
        with Collector(tmp_path, program=otelcol_binary, environment=environment, settings=quick) as collector:
            post(collector, "/v1/logs", kill_record())
            first(backend, "logs", accepted=False)
            backend.script.otherwise = Answer()
            accepted = first(backend, "logs")
    assert event_names(accepted) == ["system_oom_kill"]
