"""A variable whose name is almost right is named in a warning; one of another program is not."""

from __future__ import annotations

import re

import pytest
from support.documents import ROOT

from otel_oom.config.settings import load_config


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("OTEL_OOM_DEVISE", "did you mean OTEL_OOM_DEVICE?"),
        ("OTEL_OOM_SPOOL_DIR", "did you mean OTEL_OOM_SPOOL?"),
        ("OTEL_OOM_REQUIRE_SPOOL", "did you mean OTEL_OOM_"),
        ("OTEL_OOM_XYZQWV", "`otel-oom run --help` lists all variables"),
        ("OTEL_EXPORTER_OLTP_ENDPOINT", "did you mean OTEL_EXPORTER_OTLP_ENDPOINT?"),
        ("OTEL_EXPORTER_OTLP_HEADER", "did you mean OTEL_EXPORTER_OTLP_HEADERS?"),
        ("OTEL_EXPORTER_OTLP_LOG_ENDPOINT", "did you mean OTEL_EXPORTER_OTLP_LOGS_ENDPOINT?"),
        ("OTEL_METRICS_EXPORT_INTERVAL", "did you mean OTEL_METRIC_EXPORT_INTERVAL?"),
        ("OTEL_RESOURCE_ATTRIBUTE", "did you mean OTEL_RESOURCE_ATTRIBUTES?"),
    ],
)
def test_a_typing_error_is_named_with_the_nearest_name(name: str, hint: str) -> None:
    (warning,) = load_config({name: "secret"}).warnings
    assert warning.startswith(f"{name} is unknown and has no effect; {hint}")
    assert "secret" not in warning


@pytest.mark.parametrize(
    "name",
    [
        "OTEL_SERVICE_NAMESPACE",
        "OTEL_RESOURCE_ATTRIBUTES_POD_NAME",
        "OTEL_EXPORTER_JAEGER_ENDPOINT",
        "OTEL_EXPORTER_OTLP_PROFILES_ENDPOINT",
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
        "OTEL_TRACES_EXPORTER",
        "OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS",
        "OTELCOL_VERSION",
    ],
)
def test_a_variable_of_another_program_is_not_named(name: str) -> None:
    assert load_config({name: "x"}).warnings == ()


def test_variables_of_our_collector_configuration_are_known() -> None:
    names = set(re.findall(r"\bOTEL_OOM_[A-Z_]+\b", (ROOT / "collector-config.yaml").read_text()))
    assert len(names) > 4
    assert load_config(dict.fromkeys(names, "x")).warnings == ()
