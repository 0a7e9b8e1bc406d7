"""What a Collector received, as values: lines of its file exporter (OTLP JSON), and its Prometheus page.

No I/O here. A line that is not whole yet (no newline: the exporter writes the line and its end apart) is left out.
An encoding that these tests never send (histograms, summaries) raises KeyError: it must not pass unseen.
"""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True)
class ReceivedLog:
    """One OTLP log record with what stood around it; a field that was not sent is "", 0 or {}."""

    event_name: str
    time_unix_nano: int
    observed_time_unix_nano: int
    severity_number: int
    severity_text: str
    body: str
    attributes: dict[str, Any]
    resource: dict[str, Any]
    scope_name: str
    scope_version: str


@dataclass(frozen=True, slots=True)
class ReceivedPoint:
    """One data point. kind is `counter` (monotonic sum), `updowncounter` (other sum) or `gauge`."""

    name: str
    unit: str
    kind: str
    value: int | float
    attributes: dict[str, Any]
    start_time_unix_nano: int
    time_unix_nano: int
    resource: dict[str, Any]
    scope_name: str
    scope_version: str


@dataclass(frozen=True, slots=True)
class Sample:
    """One line of a Prometheus page."""

    name: str
    labels: dict[str, str]
    value: float


@dataclass(frozen=True, slots=True)
class Scrape:
    """One look at a Prometheus page, as text and read."""

    text: str
    samples: tuple[Sample, ...]

    def value(self, name: str, **labels: str) -> float | None:
        """The one sample of this name that carries these labels (it may carry more); None: there is none.

        Raises ValueError when several do: a test must say which it means.
        """
        found = [s for s in self.samples if s.name == name and labels.items() <= s.labels.items()]
        if len(found) > 1:
            raise ValueError(f"{len(found)} samples match {name}{labels}: {found}")
        return found[0].value if found else None


def log_records(lines: str) -> list[ReceivedLog]:
    """Every log record of a file exporter's output, in the order in which it was received."""
    return [
        ReceivedLog(
            event_name=record.get("eventName", ""),
            time_unix_nano=int(record.get("timeUnixNano", 0)),
            observed_time_unix_nano=int(record.get("observedTimeUnixNano", 0)),
            severity_number=record.get("severityNumber", 0),
            severity_text=record.get("severityText", ""),
            body=_any_value(record.get("body", {"stringValue": ""})),
            attributes=_attributes(record),
            resource=_attributes(block.get("resource", {})),
            scope_name=scoped.get("scope", {}).get("name", ""),
            scope_version=scoped.get("scope", {}).get("version", ""),
        )
        for block in _blocks(lines, "resourceLogs")
        for scoped in block.get("scopeLogs", ())
        for record in scoped.get("logRecords", ())
    ]


def metric_points(lines: str) -> list[ReceivedPoint]:
    """Every data point of a file exporter's output, in the order in which it was received."""
    return [
        ReceivedPoint(
            name=metric["name"],
            unit=metric.get("unit", ""),
            kind=kind,
            value=int(point["asInt"]) if "asInt" in point else float(point["asDouble"]),
            attributes=_attributes(point),
            start_time_unix_nano=int(point.get("startTimeUnixNano", 0)),
            time_unix_nano=int(point.get("timeUnixNano", 0)),
            resource=_attributes(block.get("resource", {})),
            scope_name=scoped.get("scope", {}).get("name", ""),
            scope_version=scoped.get("scope", {}).get("version", ""),
        )
        for block in _blocks(lines, "resourceMetrics")
        for scoped in block.get("scopeMetrics", ())
        for metric in scoped.get("metrics", ())
        for kind, point in _points(metric)
    ]


def scrape(page: str) -> Scrape:
    """A page of the Prometheus text format."""
    lines = (line for line in page.splitlines() if line and not line.startswith("#"))
    return Scrape(page, tuple(_sample(line) for line in lines))


def _blocks(lines: str, kind: str) -> Iterator[dict[str, Any]]:
    whole, _, _ = lines.rpartition("\n")
    for line in whole.splitlines():
        yield from json.loads(line).get(kind, ())


def _points(metric: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    if "gauge" in metric:
        kind, data = "gauge", metric["gauge"]
    else:
        data = metric["sum"]
        kind = "counter" if data.get("isMonotonic") else "updowncounter"
    for point in data.get("dataPoints", ()):
        yield kind, point


def _attributes(holder: dict[str, Any]) -> dict[str, Any]:
    return {pair["key"]: _any_value(pair.get("value", {})) for pair in holder.get("attributes", ())}


def _any_value(value: dict[str, Any]) -> Any:
    """An OTLP AnyValue. JSON has 64-bit integers as text: {"intValue": "42"} is 42; {} is None."""
    match value:
        case {"stringValue": text}:
            return text
        case {"boolValue": flag}:
            return flag
        case {"intValue": number}:
            return int(number)
        case {"doubleValue": number}:
            return float(number)
        case {"bytesValue": text}:
            return base64.b64decode(text)
        case {"arrayValue": array}:
            return [_any_value(item) for item in array.get("values", ())]
        case {"kvlistValue": pairs}:
            return {pair["key"]: _any_value(pair.get("value", {})) for pair in pairs.get("values", ())}
        case _:
            return None


# oom_kills_total{instance="6f0…",job="otel-oom",oom_scope="cgroup"} 1
_LINE = re.compile(r"(?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(?P<labels>.*)\})? (?P<value>\S+)(?: -?\d+)?")
_LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"')
_ESCAPES = {r"\\": "\\", r"\"": '"', r"\n": "\n"}


def _sample(line: str) -> Sample:
    match = _LINE.fullmatch(line)
    if match is None:
        raise ValueError(f"not a Prometheus sample: {line!r}")
    labels = {
        name: re.sub(r"\\.", lambda escape: _ESCAPES[escape[0]], text)
        for name, text in _LABEL.findall(match["labels"] or "")
    }
    return Sample(match["name"], labels, float(match["value"]))
