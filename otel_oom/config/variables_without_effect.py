"""Table of the OpenTelemetry variables that have no effect here: those that are refused, and those without a meaning.

Together with `standard_variables` these are all variables of the specification, and all of the Python SDK, version
1.45, that its resource and its exporters read.

Rules:
- Every variable in these tables is hidden from the SDK (`environment.hide_from_sdk`), so that it has no effect there.
- No I/O.
"""

from __future__ import annotations

from typing import Final

from otel_oom.config.setting import OTLP
from otel_oom.config.standard_variables import STANDARD

#: The specification wants all other variables to be ignored if it is set. The second name is the earlier one.
CONFIG_FILES: Final = ("OTEL_CONFIG_FILE", "OTEL_EXPERIMENTAL_CONFIG_FILE")
ENTITIES: Final = "OTEL_ENTITIES"

#: Refused: name, what happens, and why.
REFUSED: Final = {
    CONFIG_FILES[0]: "exit code 2: a configuration file replaces all variables, and the agent reads none",
    CONFIG_FILES[1]: "exit code 2: the earlier name of the same variable",
    ENTITIES: "warning: in development; write its attributes into `OTEL_RESOURCE_ATTRIBUTES`",
}

_NO_SPANS: Final = "the agent makes no spans"
_NO_BATCHES: Final = "no event waits for a batch; the spool is the queue"
_NO_PROVIDER: Final = "the agent creates no provider of the SDK"

#: Without a meaning: name and why.
WITHOUT_MEANING: Final = {
    "OTEL_PROPAGATORS": "the agent receives and calls nothing that carries a context",
    "OTEL_TRACES_SAMPLER": _NO_SPANS,
    "OTEL_TRACES_SAMPLER_ARG": _NO_SPANS,
    "OTEL_TRACES_EXPORTER": _NO_SPANS,
    **{f"{OTLP}TRACES_{item.variable.removeprefix(OTLP)}": _NO_SPANS for item in STANDARD if item.is_per_signal},
    f"{OTLP}SPAN_INSECURE": _NO_SPANS,
    f"{OTLP}METRIC_INSECURE": f"obsolete in the specification: set `{OTLP}METRICS_INSECURE`",
    "OTEL_EXPORTER_ZIPKIN_ENDPOINT": _NO_SPANS,
    "OTEL_EXPORTER_ZIPKIN_TIMEOUT": _NO_SPANS,
    "OTEL_EXPORTER_ZIPKIN_PROTOCOL": _NO_SPANS,
    "OTEL_BSP_SCHEDULE_DELAY": _NO_SPANS,
    "OTEL_BSP_EXPORT_TIMEOUT": _NO_SPANS,
    "OTEL_BSP_MAX_QUEUE_SIZE": _NO_SPANS,
    "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": _NO_SPANS,
    "OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT": _NO_SPANS,
    "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT": _NO_SPANS,
    "OTEL_SPAN_EVENT_COUNT_LIMIT": _NO_SPANS,
    "OTEL_SPAN_LINK_COUNT_LIMIT": _NO_SPANS,
    "OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT": "it limits the events of spans; " + _NO_SPANS,
    "OTEL_LINK_ATTRIBUTE_COUNT_LIMIT": _NO_SPANS,
    "OTEL_BLRP_SCHEDULE_DELAY": _NO_BATCHES,
    "OTEL_BLRP_EXPORT_TIMEOUT": f"no event waits for a batch; `{OTLP}TIMEOUT` limits a request",
    "OTEL_BLRP_MAX_QUEUE_SIZE": _NO_BATCHES,
    "OTEL_BLRP_MAX_EXPORT_BATCH_SIZE": _NO_BATCHES,
    "OTEL_METRICS_EXEMPLAR_FILTER": "exemplars name spans; " + _NO_SPANS,
    f"{OTLP}METRICS_DEFAULT_HISTOGRAM_AGGREGATION": "the agent has no histograms",
    "OTEL_EXPORTER_PROMETHEUS_HOST": "metrics are pushed; there is no endpoint to scrape",
    "OTEL_EXPORTER_PROMETHEUS_PORT": "metrics are pushed; there is no endpoint to scrape",
}

#: Variables of the Python SDK that have an effect here: name and meaning.
PYTHON: Final = {
    "OTEL_EXPERIMENTAL_RESOURCE_DETECTORS": "detectors of the SDK that add attributes to the resource, such as"
    " `process`; attributes of the agent override theirs",
    "OTEL_PYTHON_EXPORTER_OTLP_HTTP_CREDENTIAL_PROVIDER": "installed entry point that returns a `requests.Session`, for"
    " logs and metrics over HTTP; the agent then needs about 10 MiB more",
    "OTEL_PYTHON_EXPORTER_OTLP_HTTP_LOGS_CREDENTIAL_PROVIDER": "the same for logs; the common variable wins",
    "OTEL_PYTHON_EXPORTER_OTLP_HTTP_METRICS_CREDENTIAL_PROVIDER": "the same for metrics; the common variable wins",
    "OTEL_PYTHON_EXPORTER_OTLP_GRPC_CREDENTIAL_PROVIDER": "installed entry point that returns `ChannelCredentials`, for"
    " logs and metrics over gRPC with TLS",
    "OTEL_PYTHON_EXPORTER_OTLP_GRPC_LOGS_CREDENTIAL_PROVIDER": "the same for logs; it wins where a certificate of logs"
    " is set",
    "OTEL_PYTHON_EXPORTER_OTLP_GRPC_METRICS_CREDENTIAL_PROVIDER": "the same for metrics; it wins where a certificate of"
    " metrics is set",
}

#: Variables of the Python SDK without a meaning: name and why.
PYTHON_WITHOUT_MEANING: Final = {
    "OTEL_PYTHON_EXPORTER_OTLP_GRPC_RETRYABLE_ERROR_CODES": "the agent repeats a request after every answer that is no"
    " permanent rejection",
    "OTEL_PYTHON_CONTEXT": "the agent has no context",
    "OTEL_PYTHON_ID_GENERATOR": _NO_SPANS,
    "OTEL_PYTHON_TRACER_PROVIDER": _NO_SPANS,
    "OTEL_PYTHON_TRACER_CONFIGURATOR": _NO_SPANS,
    "OTEL_PYTHON_METER_PROVIDER": _NO_PROVIDER,
    "OTEL_PYTHON_METER_CONFIGURATOR": _NO_PROVIDER,
    "OTEL_PYTHON_LOGGER_PROVIDER": _NO_PROVIDER,
    "OTEL_PYTHON_LOGGER_CONFIGURATOR": _NO_PROVIDER,
    "OTEL_PYTHON_LOGGING_AUTO_INSTRUMENTATION_ENABLED": _NO_PROVIDER,
    "OTEL_PYTHON_SDK_INTERNAL_METRICS_ENABLED": _NO_PROVIDER,
}
