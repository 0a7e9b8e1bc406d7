"""Table of the variables that only the Python SDK has (version 1.45): those with an effect here, and those without.

The SDK and its exporters read those with an effect in os.environ themselves. The others are hidden from them
(`environment.hide_from_sdk`). No I/O.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

from otel_oom.config.variables_without_effect import NO_SPANS
from otel_oom.schema import Signal

_NO_PROVIDER: Final = "the agent creates no provider of the SDK"

#: Name and meaning.
WITH_EFFECT: Final = {
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

#: Name and why.
WITHOUT_MEANING: Final = {
    "OTEL_PYTHON_EXPORTER_OTLP_GRPC_RETRYABLE_ERROR_CODES": "the agent repeats a request after every answer that is no"
    " permanent rejection",
    "OTEL_PYTHON_CONTEXT": "the agent has no context",
    "OTEL_PYTHON_ID_GENERATOR": NO_SPANS,
    "OTEL_PYTHON_TRACER_PROVIDER": NO_SPANS,
    "OTEL_PYTHON_TRACER_CONFIGURATOR": NO_SPANS,
    "OTEL_PYTHON_METER_PROVIDER": _NO_PROVIDER,
    "OTEL_PYTHON_METER_CONFIGURATOR": _NO_PROVIDER,
    "OTEL_PYTHON_LOGGER_PROVIDER": _NO_PROVIDER,
    "OTEL_PYTHON_LOGGER_CONFIGURATOR": _NO_PROVIDER,
    "OTEL_PYTHON_LOGGING_AUTO_INSTRUMENTATION_ENABLED": _NO_PROVIDER,
    "OTEL_PYTHON_SDK_INTERNAL_METRICS_ENABLED": _NO_PROVIDER,
}


def has_credential_provider(env: Mapping[str, str], signal: Signal, library: Literal["HTTP", "GRPC"]) -> bool:
    """Whether a credential provider makes the HTTP session, or the gRPC credentials, of a signal.

    The SDK takes the gRPC provider of one signal only where a certificate of that signal is set.
    """
    common, own = (f"OTEL_PYTHON_EXPORTER_OTLP_{library}_{of}CREDENTIAL_PROVIDER" for of in ("", f"{signal.upper()}_"))
    is_own = library == "HTTP" or f"OTEL_EXPORTER_OTLP_{signal.upper()}_CERTIFICATE" in env
    return bool(env.get(common) or (env.get(own) and is_own))
