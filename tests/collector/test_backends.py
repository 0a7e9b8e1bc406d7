"""The backends of collector-config.yaml: switched on by variables alone, and never the agent's trouble."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from collector.backend import Backend
from collector.otelcol import Collector
from collector.sending import kill_count, kill_record, post

if TYPE_CHECKING:
    from pathlib import Path


def backend_settings(name: str, endpoint: str) -> tuple[dict[str, str], dict[str, str]]:
    """What a person sets, and the headers that the backend must then see."""
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


@pytest.mark.parametrize("name", ["honeycomb", "grafana", "other"])
def test_a_backend_switched_on_gets_logs_and_metrics(otelcol_binary: Path, tmp_path: Path, name: str) -> None:
    with Backend() as backend:
        environment, headers = backend_settings(name, backend.endpoint)
        with Collector(tmp_path, program=otelcol_binary, environment=environment) as collector:
            post(collector, "/v1/logs", kill_record())
            post(collector, "/v1/metrics", kill_count(1, 10))
            logs, metrics = backend.wait("/v1/logs"), backend.wait("/v1/metrics")
            assert len(collector.log_records()) == len(collector.metric_points()) == 1
    assert b"system_oom_kill" in logs.body
    assert b"oom.kills" in metrics.body
    assert headers.items() <= logs.headers.items()
    assert headers.items() <= metrics.headers.items()
    assert collector.complaints() == []


def test_a_backend_that_is_down_with_a_full_queue_refuses_the_agent_nothing(
    otelcol_binary: Path, tmp_path: Path
) -> None:
    with Backend(status=503) as backend:
        environment, _ = backend_settings("other", backend.endpoint)
        small = ["exporters::otlp_http/other::sending_queue::queue_size: 1000"]
        with Collector(tmp_path, program=otelcol_binary, environment=environment, settings=small) as collector:
            statuses = {post(collector, "/v1/logs", kill_record(pid)) for pid in range(50)}
            assert statuses == {200}
            assert len(collector.log_records()) == 50
            assert "sending queue is full" in collector.output()
            refused = backend.wait("/v1/logs")
    assert b"system_oom_kill" in refused.body


def test_what_a_backend_missed_it_gets_when_it_is_back(otelcol_binary: Path, tmp_path: Path) -> None:
    with Backend(status=503) as backend:
        environment, _ = backend_settings("other", backend.endpoint)
        quick = ["exporters::otlp_http/other::retry_on_failure::initial_interval: 50ms"]
        with Collector(tmp_path, program=otelcol_binary, environment=environment, settings=quick) as collector:
            post(collector, "/v1/logs", kill_record())
            assert backend.wait("/v1/logs").answered == 503
            backend.status = 200
            accepted = backend.wait("/v1/logs", answered=200)
    assert b"system_oom_kill" in accepted.body
