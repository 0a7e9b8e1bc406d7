"""Table of the OpenTelemetry variables that have an effect: default, meaning, and difference from the specification.

Sources: environment variable specification; OTLP exporter; metrics exporter OTLP. The tests name the versions.
`variables_without_effect` lists all others.

Rules:
- A variable is often set for all programs of a machine, so an invalid value is a warning and counts as unset, as the
  specification says. Exceptions: values without which no data arrives, or the wrong collector is trusted.
- No I/O.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from otel_oom.config.setting import OTLP, STOPS, WARNS, Setting

ENDPOINT: Final = Setting(
    f"{OTLP}ENDPOINT",
    "http://localhost:4318",
    "URL of the collector. Over HTTP, `/v1/logs` and `/v1/metrics` are appended to its path; the URL of one signal is"
    " used as it is. gRPC also takes its own forms, such as `unix:///run/collector.sock` and `dns:///host:4317`",
    STOPS,
    default_note="`http://localhost:4318`, with gRPC `http://localhost:4317`",
)
PROTOCOL: Final = Setting(
    f"{OTLP}PROTOCOL",
    "http/protobuf",
    "`http/protobuf` or `grpc`",
    WARNS,
    choices=("grpc", "http/protobuf"),
    difference="`http/json` counts as invalid",
)
HEADERS: Final = Setting(
    f"{OTLP}HEADERS",
    "",
    "headers of every request, such as the key of a backend: `x-honeycomb-team=…`",
    "warning, that header is left out; exit code 2 if the protocol cannot carry it, or if it is `content-length` or"
    " `transfer-encoding`",
    is_of_sdk=True,
)
TIMEOUT: Final = Setting(
    f"{OTLP}TIMEOUT",
    "4000",
    "time limit of one request with its answer, in milliseconds; `0`: one minute",
    WARNS,
    difference="the specification's default is 10000, and its `0` is no limit",
)
COMPRESSION: Final = Setting(
    f"{OTLP}COMPRESSION",
    "none",
    "`none` or `gzip`; over HTTP also `deflate`",
    WARNS,
    choices=("none", "gzip", "deflate"),
)
CERTIFICATE: Final = Setting(
    f"{OTLP}CERTIFICATE",
    "",
    "file with the CA certificates (PEM) that the collector's certificate is checked against",
    STOPS,
    default_note="those of the system",
    is_of_sdk=True,
)
CLIENT_CERTIFICATE: Final = Setting(
    f"{OTLP}CLIENT_CERTIFICATE",
    "",
    "file with the client's certificate (PEM), for mutual TLS",
    STOPS,
    is_of_sdk=True,
)
CLIENT_KEY: Final = Setting(
    f"{OTLP}CLIENT_KEY",
    "",
    "file with the client's private key (PEM, without a passphrase)",
    STOPS,
    is_of_sdk=True,
)
INSECURE: Final = Setting(
    f"{OTLP}INSECURE",
    "false",
    "`true`: no TLS for a gRPC endpoint that is written without `http://` or `https://`",
    WARNS,
    difference="a unix socket has no TLS unless `false` is set",
)
TEMPORALITY: Final = Setting(
    f"{OTLP}METRICS_TEMPORALITY_PREFERENCE",
    "cumulative",
    "`cumulative`: counters are exported as totals; `delta`: as increases; `lowmemory`: as totals",
    WARNS,
    choices=("cumulative", "delta", "lowmemory"),
)
LOGS_EXPORTER: Final = Setting(
    "OTEL_LOGS_EXPORTER",
    "otlp",
    "where the events go: `otlp`, `console` (standard output) or `none`",
    WARNS,
    choices=("otlp", "console", "none"),
    difference="a list counts as invalid",
)
METRICS_EXPORTER: Final = replace(
    LOGS_EXPORTER,
    variable="OTEL_METRICS_EXPORTER",
    meaning=LOGS_EXPORTER.meaning.replace("events", "metrics"),
    difference="a list and `prometheus` count as invalid",
)
METRIC_EXPORT_INTERVAL: Final = Setting(
    "OTEL_METRIC_EXPORT_INTERVAL",
    "60000",
    "time between two heartbeats, in milliseconds",
    WARNS,
    difference="a kill is exported at once, without waiting for the interval",
)
METRIC_EXPORT_TIMEOUT: Final = Setting(
    "OTEL_METRIC_EXPORT_TIMEOUT",
    "30000",
    "time limit of one export of metrics, in milliseconds: an export is one request, so the smaller of this and"
    f" `{OTLP}TIMEOUT` applies; `0`: no limit of its own",
    WARNS,
)
RESOURCE_ATTRIBUTES: Final = Setting(
    "OTEL_RESOURCE_ATTRIBUTES",
    "",
    "attributes of the resource, such as `host.name=…`; they override those of the agent. Commas and percent signs"
    " in them are percent-encoded, and equals signs in names",
    "warning, the whole value is discarded",
    difference="an equals sign in a value needs no encoding",
)
SERVICE_NAME: Final = Setting("OTEL_SERVICE_NAME", "otel-oom", "`service.name` of the resource, in UTF-8", WARNS)
COUNT_LIMIT: Final = Setting(
    "OTEL_ATTRIBUTE_COUNT_LIMIT",
    "128",
    "greatest number of attributes of a log record; those at the end of the table of attributes are left out first",
    WARNS,
    difference="`event.name`, `log.record.uid`, `oom.scope` and `process.pid` always stay",
)
LENGTH_LIMIT: Final = Setting(
    "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT",
    "",
    "greatest length of an attribute's text, in characters",
    WARNS,
    default_note="no limit",
    difference="identifiers are never cut",
)
LOG_COUNT_LIMIT: Final = replace(
    COUNT_LIMIT,
    variable="OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT",
    default="",
    default_note=f"`{COUNT_LIMIT.variable}`",
    meaning=f"the same for log records; it overrides `{COUNT_LIMIT.variable}`",
)
LOG_LENGTH_LIMIT: Final = replace(
    LENGTH_LIMIT,
    variable="OTEL_LOGRECORD_ATTRIBUTE_VALUE_LENGTH_LIMIT",
    default_note=f"`{LENGTH_LIMIT.variable}`",
    meaning=f"the same for log records; it overrides `{LENGTH_LIMIT.variable}`",
)
SDK_DISABLED: Final = Setting("OTEL_SDK_DISABLED", "false", "`true`: nothing is exported", WARNS)
LOG_LEVEL: Final = Setting(
    "OTEL_LOG_LEVEL",
    "info",
    "the least severe lines that the agent writes to standard error: `trace`, `debug`, `info`, `warn`, `error`, `fatal`"
    " or `none`. With the last two, the exit code alone says why a start failed. The flag `--log-level` overrides it;"
    " if the flag is invalid, the exit code is 2",
    WARNS,
    flag="--log-level",
    metavar="LEVEL",
    choices=("none", "fatal", "error", "warn", "warning", "info", "debug", "trace"),
)

#: In the order of the documentation.
STANDARD: Final = (
    ENDPOINT,
    PROTOCOL,
    HEADERS,
    TIMEOUT,
    COMPRESSION,
    CERTIFICATE,
    CLIENT_CERTIFICATE,
    CLIENT_KEY,
    INSECURE,
    TEMPORALITY,
    LOGS_EXPORTER,
    METRICS_EXPORTER,
    METRIC_EXPORT_INTERVAL,
    METRIC_EXPORT_TIMEOUT,
    RESOURCE_ATTRIBUTES,
    SERVICE_NAME,
    COUNT_LIMIT,
    LENGTH_LIMIT,
    LOG_COUNT_LIMIT,
    LOG_LENGTH_LIMIT,
    SDK_DISABLED,
    LOG_LEVEL,
)
