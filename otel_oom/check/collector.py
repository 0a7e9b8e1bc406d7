"""Checks that the collector takes an empty export of each signal, and that its clock agrees with this machine's."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Final

from otel_oom.check.finding import Finding
from otel_oom.config.otlp_export import ExportSettings
from otel_oom.errors import UsageError
from otel_oom.otlp.empty_export import send_empty_export
from otel_oom.otlp.export_outcome import Outcome

_CLOCK_OFF_S: Final = 2.0  # as the agent's own warning, see `health`


def check_collector(
    exports: tuple[ExportSettings, ...], send: Callable[[ExportSettings], Outcome] = send_empty_export
) -> Iterator[Finding]:
    """One finding for each signal, and one for the clock if an answer has a date."""
    offsets = []
    for export in exports:
        if export.exporter != "otlp":
            yield _not_sent(export)
            continue
        began_s = time.monotonic()
        try:
            outcome = send(export)
        except UsageError as error:
            yield Finding(export.signal, "failed", error.problem, error.remedy)
            continue
        if outcome.clock_offset_s is not None:
            offsets.append(outcome.clock_offset_s)
        yield _export(export, outcome, (time.monotonic() - began_s) * 1000)
    if any(export.exporter == "otlp" for export in exports):
        yield clock_finding(max(offsets, key=abs, default=None))


def clock_finding(offset_s: float | None) -> Finding:
    """offset_s: this machine's wall clock minus the collector's, None if no answer has told its time."""
    if offset_s is None:
        return Finding("clock", "ok", "not compared: no answer has a date (over gRPC none has)")
    if abs(offset_s) <= _CLOCK_OFF_S:
        return Finding("clock", "ok", f"it agrees with the collector's within {_CLOCK_OFF_S:g} s")
    text = f"the wall clock is {offset_s:+.1f} s off the collector's, and so are all stamps"
    return Finding("clock", "failed", text, "set it (NTP), or the collector's")


def _not_sent(export: ExportSettings) -> Finding:
    if export.exporter == "console":
        return Finding(export.signal, "ok", "they go to standard output")
    variable = f"OTEL_{export.signal.upper()}_EXPORTER"
    return Finding(export.signal, "warning", "they go nowhere", f"set {variable}=otlp")


def _export(export: ExportSettings, outcome: Outcome, took_ms: float) -> Finding:
    way = f"{export.where}{', with TLS' if export.tls is not None else ''}"
    if outcome.result == "ok":
        return Finding(export.signal, "ok", f"{way} took an empty export within {took_ms:.0f} ms")
    remedy = outcome.remedy
    if export.proxy is not None and str(export.proxy) not in outcome.why:
        remedy = f"{remedy}; the requests go through {export.proxy}"
    return Finding(export.signal, "failed", f"{way} did not take an empty export: {outcome.why}", remedy)
