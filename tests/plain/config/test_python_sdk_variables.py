"""Which signals a credential provider concerns."""

from __future__ import annotations

import pytest

from otel_oom.config.python_sdk_variables import has_credential_provider

P = "OTEL_PYTHON_EXPORTER_OTLP_"
CERTIFICATE = {"OTEL_EXPORTER_OTLP_LOGS_CERTIFICATE": "ca.pem"}


@pytest.mark.parametrize(
    ("env", "http", "grpc"),
    [
        ({}, False, False),
        ({f"{P}HTTP_CREDENTIAL_PROVIDER": "mine"}, True, False),
        ({f"{P}HTTP_LOGS_CREDENTIAL_PROVIDER": "mine"}, True, False),
        ({f"{P}HTTP_METRICS_CREDENTIAL_PROVIDER": "mine"}, False, False),
        ({f"{P}HTTP_CREDENTIAL_PROVIDER": ""}, False, False),
        ({f"{P}GRPC_CREDENTIAL_PROVIDER": "mine"}, False, True),
        ({f"{P}GRPC_LOGS_CREDENTIAL_PROVIDER": "mine"}, False, False),
        ({f"{P}GRPC_LOGS_CREDENTIAL_PROVIDER": "mine", **CERTIFICATE}, False, True),
        ({f"{P}GRPC_METRICS_CREDENTIAL_PROVIDER": "mine", **CERTIFICATE}, False, False),
    ],
)
def test_the_provider_of_logs(env: dict[str, str], *, http: bool, grpc: bool) -> None:
    """A signal without one is sent as without any: its files of TLS are checked."""
    assert (has_credential_provider(env, "logs", "HTTP"), has_credential_provider(env, "logs", "GRPC")) == (http, grpc)
