"""Settings that the exporters or the SDK refuse are the user's errors; no other error is."""

from __future__ import annotations

import pytest
from support.pipelines import build

from otel_oom.errors import UsageError
from otel_oom.otlp import log_records, metric_points

E = "OTEL_EXPORTER_OTLP_"
P = "OTEL_PYTHON_EXPORTER_OTLP_"


@pytest.mark.parametrize(
    ("variables", "cause"),
    [
        ({f"{P}HTTP_CREDENTIAL_PROVIDER": "no-such"}, "'no-such' not found in entry point"),
        ({f"{P}HTTP_LOGS_CREDENTIAL_PROVIDER": "no-such"}, "'no-such' not found in entry point"),
        (
            {f"{E}PROTOCOL": "grpc", f"{E}ENDPOINT": "https://c", f"{P}GRPC_CREDENTIAL_PROVIDER": "no-such"},
            "'no-such' not found in entry point",
        ),
    ],
)
def test_refused_settings_are_the_users_error(variables: dict[str, str], cause: str) -> None:
    with pytest.raises(UsageError, match="OpenTelemetry refuses its settings: ") as refusal:
        build(variables)
    assert cause in str(refusal.value)
    assert str(refusal.value).endswith(f"; correct {list(variables)[-1]}")


@pytest.mark.parametrize("variable", [f"{E}HEADERS", f"{E}LOGS_HEADERS"])
@pytest.mark.parametrize(
    ("protocol", "header", "problem"),
    [
        ("http/protobuf", "x-key=a%0Ab", "'x-key' is no header that HTTP can carry"),
        ("http/protobuf", "x%20key=a", "'x key' is no header that HTTP can carry"),
        ("http/protobuf", "Content-Length=3", "'content-length' is a header that the agent sets itself"),
        ("http/protobuf", "transfer-encoding=chunked", "'transfer-encoding' is a header that the agent sets itself"),
        ("grpc", "x-key=a%0Ab", "'x-key' is no header that gRPC can carry"),
        ("grpc", "x-key=%C3%BC", "'x-key' is no header that gRPC can carry"),
        ("grpc", "x%20key=a", "'x key' is no header that gRPC can carry"),
        ("grpc", "x-key-bin=a", "'x-key-bin' is no header that gRPC can carry"),
    ],
)
def test_a_header_that_the_protocol_cannot_carry_is_refused(
    variable: str, protocol: str, header: str, problem: str
) -> None:
    with pytest.raises(UsageError) as refusal:
        build({f"{E}PROTOCOL": protocol, variable: header})
    assert str(refusal.value).startswith(f"{variable}: {problem}; ")


@pytest.mark.parametrize(
    ("module", "name"), [(log_records, "exporter"), (log_records, "LogSender"), (metric_points, "exporter")]
)
def test_a_bug_is_not_the_users_error(module: object, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise TypeError("a bug")

    monkeypatch.setattr(module, name, fail)
    if name == "LogSender":
        monkeypatch.setattr("otel_oom.otlp.build_sender.LogSender", fail)
    with pytest.raises(TypeError, match="a bug"):
        build({})
