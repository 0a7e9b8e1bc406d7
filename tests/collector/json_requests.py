"""OTLP/JSON requests with the content of the agent's requests, written by hand."""

from __future__ import annotations

import json
import urllib.request
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from collector.otelcol import Collector

RESOURCE = {
    "attributes": [
        {"key": "service.name", "value": {"stringValue": "otel-oom"}},
        {"key": "service.instance.id", "value": {"stringValue": "6f0d"}},
        {"key": "host.name", "value": {"stringValue": "web-1"}},
    ]
}


def post(collector: Collector, path: str, body: Mapping[str, Any]) -> int:
    """Post one OTLP/JSON request; returns the HTTP status."""
    request = urllib.request.Request(
        collector.http_endpoint + path, json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with direct.open(request, timeout=10) as answer:
        status: int = answer.status
        return status


def kill_record(pid: int = 2110) -> dict[str, Any]:
    """A request with one log record."""
    record = {
        "timeUnixNano": "1800000000000000001",
        "observedTimeUnixNano": "1800000000000000001",
        "severityNumber": 17,
        "severityText": "ERROR",
        "eventName": "system_oom_kill",
        "body": {"stringValue": "python3 was OOM-killed"},
        "attributes": [
            {"key": "process.pid", "value": {"intValue": str(pid)}},
            {"key": "oom.kmsg.skew", "value": {"doubleValue": 0.5}},
            {"key": "oom.backlog", "value": {"boolValue": True}},
            {
                "key": "oom.top_tasks",
                "value": {
                    "arrayValue": {
                        "values": [{"kvlistValue": {"values": [{"key": "pid", "value": {"intValue": "1"}}]}}]
                    }
                },
            },
        ],
    }
    scope = {"name": "otel_oom", "version": "1.0.0"}
    return {"resourceLogs": [{"resource": RESOURCE, "scopeLogs": [{"scope": scope, "logRecords": [record]}]}]}


def kill_count(
    total: int, time_unix_nano: int, *, scope_version: str = "1.0.0", schema_url: str = ""
) -> dict[str, Any]:
    """A request with one data point of `oom.kills`."""
    point = {
        "attributes": [{"key": "oom.scope", "value": {"stringValue": "cgroup"}}],
        "startTimeUnixNano": "1",
        "timeUnixNano": str(time_unix_nano),
        "asInt": str(total),
    }
    metric = {
        "name": "oom.kills",
        "unit": "{kill}",
        "sum": {"aggregationTemporality": 2, "isMonotonic": True, "dataPoints": [point]},
    }
    scope = {"name": "otel_oom", "version": scope_version}
    scoped = {"scope": scope, "metrics": [metric], "schemaUrl": schema_url}
    return {"resourceMetrics": [{"resource": RESOURCE, "scopeMetrics": [scoped]}]}
