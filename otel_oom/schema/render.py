"""Renders the tables of `schema` as Markdown (also in docs/telemetry.md) and as JSON. No I/O."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict

from otel_oom import schema


def events() -> str:
    """Return the events as a Markdown table."""
    return _table(
        ("event", "severity", "meaning"),
        ((f"`{event.name}`", event.severity_text, event.brief) for event in schema.EVENTS.values()),
    )


def attributes() -> str:
    """Return the attributes of log records as a Markdown table."""
    return _table(
        ("attribute", "type", "events", "meaning"),
        (
            (f"`{item.name}`", f"{item.kind} {item.unit}".strip(), _names(item.events), item.brief)
            for item in schema.ATTRIBUTES
        ),
    )


def metrics() -> str:
    """Return the metrics as a Markdown table."""
    return _table(
        ("metric", "kind, unit", "attributes", "Prometheus", "meaning"),
        (
            (
                f"`{metric.name}`",
                f"{metric.kind} {metric.unit}".strip(),
                "; ".join(f"{name}: {', '.join(values)}" if values else name for name, values in metric.attributes),
                f"`{metric.prometheus_name}`",
                metric.brief,
            )
            for metric in schema.METRICS
        ),
    )


def resource() -> str:
    """Return the resource attributes as a Markdown table."""
    return _table(("resource attribute", "value"), ((f"`{name}`", brief) for name, brief in schema.RESOURCE.items()))


def markdown() -> str:
    """Return all tables as one Markdown text."""
    parts = {"Events": events(), "Attributes": attributes(), "Metrics": metrics(), "Resource": resource()}
    return "\n".join(f"## {title}\n\n{table}\n" for title, table in parts.items())


def as_json() -> str:
    """Return all tables as JSON."""
    return json.dumps(
        {
            "events": [asdict(event) for event in schema.EVENTS.values()],
            "attributes": [asdict(item) for item in schema.ATTRIBUTES],
            "resource": schema.RESOURCE,
            "metrics": [asdict(metric) | {"prometheus_name": metric.prometheus_name} for metric in schema.METRICS],
        },
        indent=2,
    )


def _names(events: tuple[str, ...]) -> str:
    return "all" if set(events) == set(schema.EVENTS) else ", ".join(f"`{name}`" for name in events)


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)
