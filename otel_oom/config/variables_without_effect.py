"""Table of the OpenTelemetry variables that have no effect here: those that are refused, and those without a meaning.

Together with `standard_variables` these are all variables of the specification. `python_sdk_variables` lists those that
only the Python SDK has.

Rules:
- Every variable in these tables is hidden from the SDK (`environment.hide_from_sdk`), so that it has no effect there.
- No I/O.
"""

from __future__ import annotations

from typing import Final

from otel_oom.config.setting import OTLP
from otel_oom.config.standard_variables import STANDARD

#: If it is set, the specification says that all other variables must be ignored. The second name is the earlier one.
CONFIG_FILES: Final = ("OTEL_CONFIG_FILE", "OTEL_EXPERIMENTAL_CONFIG_FILE")
ENTITIES: Final = "OTEL_ENTITIES"

#: They end the start or cause a warning: name, what happens, and why.
REFUSED: Final = {
    CONFIG_FILES[0]: "exit code 2: a configuration file replaces all variables, and the agent reads none",
    CONFIG_FILES[1]: "exit code 2: the earlier name of the same variable",
    ENTITIES: "warning: in development; write its attributes into `OTEL_RESOURCE_ATTRIBUTES`",
}

NO_SPANS: Final = "the agent makes no spans"
_NO_BATCHES: Final = "no event waits for a batch; the spool is the queue"

#: Without a meaning: name and why.
WITHOUT_MEANING: Final = {
    "OTEL_PROPAGATORS": "the agent receives and calls nothing that carries a context",
    "OTEL_TRACES_SAMPLER": NO_SPANS,
    "OTEL_TRACES_SAMPLER_ARG": NO_SPANS,
    "OTEL_TRACES_EXPORTER": NO_SPANS,
    **{f"{OTLP}TRACES_{item.variable.removeprefix(OTLP)}": NO_SPANS for item in STANDARD if item.is_per_signal},
    f"{OTLP}SPAN_INSECURE": NO_SPANS,
    f"{OTLP}METRIC_INSECURE": f"obsolete in the specification: set `{OTLP}METRICS_INSECURE`",
    "OTEL_EXPORTER_ZIPKIN_ENDPOINT": NO_SPANS,
    "OTEL_EXPORTER_ZIPKIN_TIMEOUT": NO_SPANS,
    "OTEL_EXPORTER_ZIPKIN_PROTOCOL": NO_SPANS,
    "OTEL_BSP_SCHEDULE_DELAY": NO_SPANS,
    "OTEL_BSP_EXPORT_TIMEOUT": NO_SPANS,
    "OTEL_BSP_MAX_QUEUE_SIZE": NO_SPANS,
    "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": NO_SPANS,
    "OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT": NO_SPANS,
    "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT": NO_SPANS,
    "OTEL_SPAN_EVENT_COUNT_LIMIT": NO_SPANS,
    "OTEL_SPAN_LINK_COUNT_LIMIT": NO_SPANS,
    "OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT": "it limits the events of spans; " + NO_SPANS,
    "OTEL_LINK_ATTRIBUTE_COUNT_LIMIT": NO_SPANS,
    "OTEL_BLRP_SCHEDULE_DELAY": _NO_BATCHES,
    "OTEL_BLRP_EXPORT_TIMEOUT": f"no event waits for a batch; `{OTLP}TIMEOUT` limits a request",
    "OTEL_BLRP_MAX_QUEUE_SIZE": _NO_BATCHES,
    "OTEL_BLRP_MAX_EXPORT_BATCH_SIZE": _NO_BATCHES,
    "OTEL_METRICS_EXEMPLAR_FILTER": "exemplars name spans; " + NO_SPANS,
    f"{OTLP}METRICS_DEFAULT_HISTOGRAM_AGGREGATION": "the agent has no histograms",
    "OTEL_EXPORTER_PROMETHEUS_HOST": "metrics are pushed; there is no endpoint to scrape",
    "OTEL_EXPORTER_PROMETHEUS_PORT": "metrics are pushed; there is no endpoint to scrape",
}
