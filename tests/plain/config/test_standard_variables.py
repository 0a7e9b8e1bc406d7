"""The tables of variables against the specification's own list: complete, and none more.

Each list names its page of github.com/open-telemetry/opentelemetry-specification, and the commit that it was read at.
OTEL_CONFIG_FILE is there since commit 2709433 (February 2026); the name with EXPERIMENTAL is the one of before.
"""

from __future__ import annotations

from opentelemetry.sdk import environment_variables as of_sdk

from otel_oom.config import python_sdk_variables as python
from otel_oom.config import variables_without_effect as others
from otel_oom.config.setting import STOPS, WARNS
from otel_oom.config.standard_variables import STANDARD

#: specification/configuration/sdk-environment-variables.md, commit c3bfef7
GENERAL = (
    "OTEL_SDK_DISABLED",
    "OTEL_ENTITIES",
    "OTEL_RESOURCE_ATTRIBUTES",
    "OTEL_SERVICE_NAME",
    "OTEL_LOG_LEVEL",
    "OTEL_PROPAGATORS",
    "OTEL_TRACES_SAMPLER",
    "OTEL_TRACES_SAMPLER_ARG",
    "OTEL_BSP_SCHEDULE_DELAY",
    "OTEL_BSP_EXPORT_TIMEOUT",
    "OTEL_BSP_MAX_QUEUE_SIZE",
    "OTEL_BSP_MAX_EXPORT_BATCH_SIZE",
    "OTEL_BLRP_SCHEDULE_DELAY",
    "OTEL_BLRP_EXPORT_TIMEOUT",
    "OTEL_BLRP_MAX_QUEUE_SIZE",
    "OTEL_BLRP_MAX_EXPORT_BATCH_SIZE",
    "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT",
    "OTEL_ATTRIBUTE_COUNT_LIMIT",
    "OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT",
    "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT",
    "OTEL_SPAN_EVENT_COUNT_LIMIT",
    "OTEL_SPAN_LINK_COUNT_LIMIT",
    "OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT",
    "OTEL_LINK_ATTRIBUTE_COUNT_LIMIT",
    "OTEL_LOGRECORD_ATTRIBUTE_VALUE_LENGTH_LIMIT",
    "OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT",
    "OTEL_EXPORTER_ZIPKIN_ENDPOINT",
    "OTEL_EXPORTER_ZIPKIN_TIMEOUT",
    "OTEL_EXPORTER_ZIPKIN_PROTOCOL",
    "OTEL_EXPORTER_PROMETHEUS_HOST",
    "OTEL_EXPORTER_PROMETHEUS_PORT",
    "OTEL_TRACES_EXPORTER",
    "OTEL_METRICS_EXPORTER",
    "OTEL_LOGS_EXPORTER",
    "OTEL_METRICS_EXEMPLAR_FILTER",
    "OTEL_METRIC_EXPORT_INTERVAL",
    "OTEL_METRIC_EXPORT_TIMEOUT",
    "OTEL_CONFIG_FILE",
    "OTEL_EXPERIMENTAL_CONFIG_FILE",
)
#: specification/protocol/exporter.md, commit a74d4da: each also with TRACES_, METRICS_ and LOGS_ behind OTLP_
OTLP = (
    "ENDPOINT",
    "INSECURE",
    "CERTIFICATE",
    "CLIENT_KEY",
    "CLIENT_CERTIFICATE",
    "HEADERS",
    "COMPRESSION",
    "TIMEOUT",
    "PROTOCOL",
)
OBSOLETE = ("OTEL_EXPORTER_OTLP_SPAN_INSECURE", "OTEL_EXPORTER_OTLP_METRIC_INSECURE")
#: specification/metrics/sdk_exporters/otlp.md, commit 132bf81
METRICS = (
    "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE",
    "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION",
)
SPECIFICATION = {
    *GENERAL,
    *(f"OTEL_EXPORTER_OTLP_{signal}{name}" for signal in ("", "TRACES_", "METRICS_", "LOGS_") for name in OTLP),
    *OBSOLETE,
    *METRICS,
}

#: read outside of opentelemetry.sdk.environment_variables: by the API (context, providers)
OF_API = {
    "OTEL_PYTHON_CONTEXT",
    "OTEL_PYTHON_ID_GENERATOR",
    "OTEL_PYTHON_LOGGER_PROVIDER",
    "OTEL_PYTHON_METER_PROVIDER",
    "OTEL_PYTHON_TRACER_PROVIDER",
}


def test_every_variable_of_the_specification_has_a_row() -> None:
    with_effect = {name for item in STANDARD for name in item.all_variables}
    assert with_effect | set(others.REFUSED) | set(others.WITHOUT_MEANING) == SPECIFICATION


def test_every_variable_of_the_python_sdk_has_a_row() -> None:
    sdk = {name.lstrip("_") for name in vars(of_sdk) if name.lstrip("_").startswith("OTEL_")}
    of_spans = {name for name in sdk if "_TRACES_CREDENTIAL_" in name}
    known = SPECIFICATION | set(python.WITH_EFFECT) | set(python.WITHOUT_MEANING)
    assert sdk - of_spans - known == set()
    assert set(python.WITH_EFFECT) | set(python.WITHOUT_MEANING) <= sdk | OF_API


def test_no_variable_has_two_rows() -> None:
    rows = [name for item in STANDARD for name in item.all_variables]
    rows += [*others.REFUSED, *others.WITHOUT_MEANING, *python.WITH_EFFECT, *python.WITHOUT_MEANING]
    assert len(rows) == len(set(rows))


def test_a_row_says_what_an_invalid_value_does() -> None:
    """Those that stop the start are the ones without which no data arrives, or the wrong collector is trusted."""
    stops = [item.variable.removeprefix("OTEL_EXPORTER_OTLP_") for item in STANDARD if item.invalid == STOPS]
    assert stops == ["ENDPOINT", "CERTIFICATE", "CLIENT_CERTIFICATE", "CLIENT_KEY"]
    assert [item for item in STANDARD if item.choices and item.invalid != WARNS] == []
