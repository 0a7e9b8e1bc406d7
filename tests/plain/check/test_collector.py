"""The check of the collector: a real empty export over both protocols, with TLS and without, and its clock."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from grpc import StatusCode
from support.agents import environment
from support.certificates import make_certificates
from support.free_ports import free_ports
from support.otlp_receiver import OtlpReceiver, Protocol
from support.otlp_servers import Answer

from otel_oom.check.collector import check_collector, clock_finding
from otel_oom.check.finding import Finding
from otel_oom.config.settings import load_config

PROTOCOLS: tuple[Protocol, ...] = ("http/protobuf", "grpc")


@pytest.fixture(params=PROTOCOLS)
def receiver(request: pytest.FixtureRequest) -> Iterator[OtlpReceiver]:
    with OtlpReceiver(request.param) as listening:
        yield listening


def found(monkeypatch: pytest.MonkeyPatch, **variables: str) -> dict[str, Finding]:
    for name in [name for name in os.environ if name.startswith("OTEL_")]:
        monkeypatch.delenv(name)
    for name, value in environment(**variables).items():
        monkeypatch.setenv(name, value)
    settings = load_config(os.environ)
    return {finding.name: finding for finding in check_collector((settings.logs, settings.metrics))}


def test_a_collector_takes_an_empty_export_of_each_signal(
    receiver: OtlpReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    findings = found(monkeypatch, **receiver.settings, OTEL_EXPORTER_OTLP_HEADERS="x-tenant=one")
    assert {name: finding.status for name, finding in findings.items()} == dict.fromkeys(
        ("logs", "metrics", "clock"), "ok"
    )
    assert "took an empty export within " in findings["logs"].text
    (logs,), (metrics,) = receiver.of("logs"), receiver.of("metrics")
    assert (list(logs.message.resource_logs), list(metrics.message.resource_metrics)) == ([], [])
    assert {logs.headers["x-tenant"], metrics.headers["x-tenant"]} == {"one"}


def test_a_collector_that_refuses_the_key(receiver: OtlpReceiver, monkeypatch: pytest.MonkeyPatch) -> None:
    receiver.script.logs.append(Answer(401 if receiver.protocol == "http/protobuf" else StatusCode.UNAUTHENTICATED))
    findings = found(monkeypatch, **receiver.settings)
    assert findings["logs"].status == "failed"
    assert "did not take an empty export: " in findings["logs"].text
    assert "OTEL_EXPORTER_OTLP_HEADERS" in findings["logs"].remedy
    assert findings["metrics"].status == "ok"


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_no_collector(protocol: Protocol, monkeypatch: pytest.MonkeyPatch) -> None:
    where = f"http://127.0.0.1:{free_ports(1)[0]}"
    findings = found(monkeypatch, OTEL_EXPORTER_OTLP_PROTOCOL=protocol, OTEL_EXPORTER_OTLP_ENDPOINT=where)
    assert {findings["logs"].status, findings["metrics"].status} == {"failed"}
    assert where in findings["logs"].text
    assert findings["logs"].remedy


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_tls(protocol: Protocol, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = make_certificates(tmp_path)
    with OtlpReceiver(protocol, certificate=made.server) as receiver:
        unknown = found(monkeypatch, **receiver.settings)
        assert unknown["logs"].status == "failed"
        assert "OTEL_EXPORTER_OTLP_CERTIFICATE" in unknown["logs"].remedy
        trusted = found(monkeypatch, **receiver.settings, OTEL_EXPORTER_OTLP_CERTIFICATE=made.path("ca.pem"))
        assert trusted["logs"].status == "ok"
        assert ", with TLS took an empty export" in trusted["logs"].text


def test_a_file_of_tls_that_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    findings = found(
        monkeypatch, OTEL_EXPORTER_OTLP_ENDPOINT="https://localhost:1", OTEL_EXPORTER_OTLP_CERTIFICATE="/no/such/file"
    )
    assert findings["logs"].status == findings["metrics"].status == "failed"
    assert "/no/such/file" in findings["logs"].text


def test_exporters_that_are_not_otlp(monkeypatch: pytest.MonkeyPatch) -> None:
    findings = found(monkeypatch, OTEL_LOGS_EXPORTER="none", OTEL_METRICS_EXPORTER="console")
    assert list(findings.values()) == [
        Finding("logs", "warning", "they go nowhere", "set OTEL_LOGS_EXPORTER=otlp"),
        Finding("metrics", "ok", "they go to standard output"),
    ]


@pytest.mark.parametrize(
    ("offset_s", "status"), [(None, "ok"), (0.0, "ok"), (-2.0, "ok"), (2.1, "failed"), (-3600.0, "failed")]
)
def test_the_clock(offset_s: float | None, status: str) -> None:
    assert clock_finding(offset_s).status == status


def test_a_collector_whose_clock_is_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    with OtlpReceiver("http/protobuf") as receiver:
        receiver.script.otherwise = Answer(ahead_s=3600.0)
        findings = found(monkeypatch, **receiver.settings)
    assert findings["clock"].status == "failed"
    assert "the wall clock is -3" in findings["clock"].text
