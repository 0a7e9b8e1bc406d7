"""THE table of what backends answer to an accepted OTLP/HTTP request in protobuf, with the source of each fact.

A source is a path in the backend's repository, an issue that quotes the answer, or a page of the documentation. Where
none says what is answered, `NOT_FOUND` says what was looked at instead.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

PROTOBUF: Final = "application/x-protobuf"
JSON: Final = "application/json"
TEXT: Final = "text/plain; charset=utf-8"


@dataclass(frozen=True)
class BackendAnswer:
    """One acceptance. kind: the content type, None if there is none; source: where this is to be read."""

    backend: str
    status: int
    kind: str | None
    body: bytes
    source: str


ANSWERS: Final = (
    BackendAnswer(
        "OpenTelemetry Collector",
        200,
        PROTOBUF,
        b"",
        "open-telemetry/opentelemetry-collector v0.165.0: receiver/otlpreceiver/otlphttp.go, writeResponse",
    ),
    BackendAnswer(
        "OpenTelemetry Collector, an empty partial success",
        200,
        PROTOBUF,
        b"\x0a\x00",
        "open-telemetry/opentelemetry-go pull request 3438: servers send it, and it means none",
    ),
    BackendAnswer(
        "Prometheus",
        200,
        None,
        b"",
        "prometheus/prometheus v3.5: storage/remote/write_handler.go, otlpWriteHandler.ServeHTTP",
    ),
    BackendAnswer(
        "Loki", 204, None, b"", "grafana/loki v3.7.8: pkg/distributor/http.go, pushHandler (also for /otlp/v1/logs)"
    ),
    BackendAnswer("Mimir", 200, PROTOBUF, b"", "grafana/mimir aced80d: pkg/distributor/otel.go, writeOTLPResponse"),
    BackendAnswer("Mimir until 2.15", 200, None, b"", "grafana/mimir issue 10847: no content type, empty body"),
    BackendAnswer("Grafana Cloud, logs", 204, None, b"", "open-telemetry/opentelemetry-python issue 3621"),
    BackendAnswer(
        "VictoriaMetrics",
        200,
        None,
        b"",
        "VictoriaMetrics/VictoriaMetrics v1.154.1: lib/protoparser/opentelemetry/firehose/http.go",
    ),
    BackendAnswer(
        "VictoriaLogs",
        200,
        None,
        b"",
        "VictoriaMetrics/VictoriaLogs v1.52.1: app/vlinsert/opentelemetry/opentelemetry.go, handleProtobuf",
    ),
    BackendAnswer(
        "OpenObserve",
        200,
        PROTOBUF,
        b"\x0a\x0c\x08\x01\x12\x08Too old.",
        "openobserve/openobserve: src/service/logs/otlp.rs, handle_request; issue 14293 has a partial success",
    ),
    BackendAnswer(
        "SigNoz",
        200,
        PROTOBUF,
        b"",
        "SigNoz/signoz-otel-collector is a build of the OpenTelemetry Collector with its OTLP receiver",
    ),
    BackendAnswer(
        "Elastic APM Server",
        200,
        PROTOBUF,
        b"",
        "elastic/apm-server 06b1a97: internal/beater/otlp/http.go, writeResponse",
    ),
    BackendAnswer(
        "Elasticsearch",
        200,
        PROTOBUF,
        b"",
        "elastic/elasticsearch 0b28ade: x-pack/plugin/otel-data, AbstractOTLPRestAction.buildResponse",
    ),
    BackendAnswer(
        "Honeycomb", 200, JSON, b"{}", "equinix-labs/otel-cli issue 262 (2023-09): JSON, 2 bytes, to protobuf"
    ),
    BackendAnswer(
        "Honeycomb's library", 200, PROTOBUF, b"", "honeycombio/husky: otlp/common.go, WriteOtlpHttpResponse"
    ),
    BackendAnswer(
        "Amazon CloudWatch Logs",
        200,
        JSON,
        b"{}",
        "docs.aws.amazon.com: CloudWatch Logs, Sending logs using the OTLP endpoint, Responses",
    ),
    BackendAnswer(
        "Splunk Observability Cloud",
        200,
        JSON,
        b'"OK"',
        "signalfx/golib ff8e29a: sfxclient/httpsink.go demands it of the endpoints for protobuf; "
        "open-telemetry/opentelemetry-collector issue 8263: the answer to OTLP is JSON",
    ),
    BackendAnswer(
        "Alibaba Cloud", 200, PROTOBUF, b"success", "zeromicro/go-zero issue 5368; its content type is not quoted"
    ),
    BackendAnswer(
        "a server that answers text",
        200,
        TEXT,
        b"OK",
        "open-telemetry/opentelemetry-go issue 4717 and pull request 4719",
    ),
    BackendAnswer(
        "Fluent Bit",
        201,
        None,
        b"",
        "fluent/fluent-bit 0238669: plugins/in_opentelemetry/opentelemetry_prot.c, send_response; 201 is the default",
    ),
    BackendAnswer("Vector", 200, PROTOBUF, b"", "vectordotdev/vector 0e2c1a0: src/sources/opentelemetry/reply.rs"),
    BackendAnswer("GreptimeDB", 200, PROTOBUF, b"", "GreptimeTeam/greptimedb 0022354: src/servers/src/http/otlp.rs"),
    BackendAnswer(
        "Langfuse", 200, JSON, b"{}", "langfuse/langfuse issue 11550 (JSON to protobuf; the body is not quoted)"
    ),
    BackendAnswer(
        "LangWatch",
        200,
        JSON,
        b'{"message":"Trace received successfully.","partialSuccess":{"rejectedSpans":0,"errorMessage":""}}',
        "langwatch/langwatch pull request 2494",
    ),
    BackendAnswer(
        "elastic-otel-node's test server", 200, JSON, b'{"ok": 1}', "elastic/elastic-otel-node pull request 479"
    ),
    BackendAnswer("a gateway of OTLP", 202, None, b"", "speakeasy-api/gram pull request 4819: 202 with an empty body"),
)

#: Backends whose documentation or sources say nothing, or only the status, about an acceptance; what was looked at.
NOT_FOUND: Final = {
    "Datadog": "docs.datadoghq.com: OTLP intake endpoint (only its errors); DataDog/documentation pull request 23826",
    "New Relic": "docs.newrelic.com: OTLP endpoint, and its troubleshooting (only 401, 403, 413 and 429)",
    "Dynatrace": "docs.dynatrace.com: OpenTelemetry logs ingest API (200, partial success too; no type, no body)",
    "Azure Monitor": "learn.microsoft.com: OTLP ingestion (nothing about answers)",
    "Google Cloud": "docs.cloud.google.com: Telemetry API, v1.logs.post (an ExportLogsServiceResponse; no type)",
    "Axiom": "axiom.co/docs and axiomhq/docs: send OpenTelemetry data, REST API (nothing about the answer's body)",
    "Grafana Cloud, metrics": "its gateway is closed; behind it are Loki and Mimir",
    "Jaeger, Tempo": "they take traces only, with the receiver of the OpenTelemetry Collector",
}
