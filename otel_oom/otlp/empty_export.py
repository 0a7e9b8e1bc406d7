"""Sends one empty request of a signal, with all that the agent's own requests have: TLS, headers, proxy, compression.

A collector answers an empty request with a success, and stores nothing (OTLP specification, "OTLP/gRPC Request").
"""

from __future__ import annotations

import os
from collections.abc import Callable

from opentelemetry.sdk.metrics.export import MetricsData

from otel_oom.config.environment import hide_from_sdk
from otel_oom.config.otlp_export import ExportSettings
from otel_oom.errors import UsageError
from otel_oom.otlp import log_records, metric_points
from otel_oom.otlp.export_outcome import Outcome
from otel_oom.otlp.outcome_text import OutcomeText


def send_empty_export(export: ExportSettings) -> Outcome:
    """Send it, and return the outcome in words fit for output. It takes `export.timeout_s` at most.

    Raises: UsageError where the exporter refuses the user's settings.
    """
    hide_from_sdk(os.environ)
    try:
        send, close = _request(export)
    except (ValueError, OSError, RuntimeError, ImportError) as error:
        raise UsageError(f"OpenTelemetry refuses its settings: {error}", "correct the OTEL_* variable") from error
    try:
        outcome = send()
    except Exception as error:  # noqa: BLE001 the libraries raise anything
        outcome = Outcome("retry", repr(error))
    finally:
        close()
    return OutcomeText(os.environ, export.signal).of(outcome, export.remedy)


def _request(export: ExportSettings) -> tuple[Callable[[], Outcome], Callable[[], None]]:
    if export.signal == "logs":
        logs = log_records.exporter(export)
        return (lambda: logs.send(())), logs.close
    metrics = metric_points.exporter(export)
    return (lambda: metrics.send(MetricsData([]))), metrics.close
