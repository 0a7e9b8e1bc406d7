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
        ({f"{E}HEADERS": "x-key=a%0Ab"}, "'x-key' is no header that HTTP can carry"),
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
    assert str(refusal.value).endswith("; correct the OTEL_* variable")


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
