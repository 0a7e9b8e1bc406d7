"""The schema as a registry for OpenTelemetry Weaver: the files of deploy/weaver.

Source: "Semantic Convention Definition Language" and "Define your own telemetry schema" of open-telemetry/weaver
(0.26). Attributes of the semantic conventions are references to that registry; ours are defined here.
"""

from __future__ import annotations

import re
from typing import Any, Final

import yaml

from otel_oom import URL, __version__, schema

Group = dict[str, Any]

#: ours: the semantic conventions have no such namespaces (tests/plain/schema/test_schema.py)
OWN: Final = ("oom.", "otel_oom.", "systemd.")

EXAMPLES: Final = {
    schema.VICTIM_CGROUP.name: ["/kubepods/burstable/pod1b9d6bcd-0f6a-4c1e-9a55-7e2b6c3d8f90/web"],
    schema.VICTIM_CGROUP_SOURCE.name: ["report", "proc"],
    schema.MEMCG_PATH.name: ["/kubepods/burstable/pod1b9d6bcd-0f6a-4c1e-9a55-7e2b6c3d8f90"],
    schema.COMM.name: ["java", "python3"],
    schema.TRIGGER_COMM.name: ["java", "kworker/0:1"],
    schema.TRIGGER_GFP_MASK.name: ["0xcc0(GFP_KERNEL)"],
    schema.MEMORY_NODEMASK.name: ["1", "0-1,3"],
    schema.MEMORY_MEMS_ALLOWED.name: ["0", "0-1,3"],
    schema.ZONE_NAME.name: ["DMA32", "Normal"],
    schema.UNIT.name: ["nginx.service"],
    schema.GROUP_ID.name: ["023c1644-b976-590b-abaf-8ffa90f25272"],
    schema.BOOT_ID.name: ["9a5c3b1e-7d2f-4e60-8c1a-2b3d4f5a6c7e"],
    schema.KERNEL_RELEASE: ["6.1.0-28-amd64"],
    schema.REASON: ["overflow", "rejected", "no permission to read /dev/kmsg"],
}
_TYPES: Final = {"bool": "boolean", "map[]": "any"}


def files() -> dict[str, str]:
    """The text of each generated file, by its name in deploy/weaver."""
    version = schema.SCHEMA_URL.rpartition("/")[2]
    manifest = {
        "name": "otel-oom",
        "description": "The telemetry of otel-oom: OOM kills by the Linux kernel.",
        "schema_url": f"{URL}/schemas/{__version__}",
        "dependencies": [
            {
                "schema_url": schema.SCHEMA_URL,
                "registry_path": f"https://github.com/open-telemetry/semantic-conventions@v{version}[model]",
            }
        ],
    }
    return {"manifest.yaml": _yaml(manifest), "otel-oom.yaml": _yaml({"groups": groups()})}


def groups() -> list[Group]:
    """All groups: our attributes, the events, the metrics, and the resource as an entity."""
    return [_attributes(), *map(_event, schema.EVENTS.values()), *map(_metric, schema.METRICS), _resource()]


def _attributes() -> Group:
    own = [
        _definition(item.name, item.kind, item.brief + (f" Unit: {item.unit}." if item.unit else ""))
        for item in schema.ATTRIBUTES
        if item.name.startswith(OWN)
    ]
    own.append(_definition(schema.KERNEL_RELEASE, "string", schema.RESOURCE[schema.KERNEL_RELEASE]))
    own.extend(_definition(name, "string", brief, values) for name, (brief, values) in _of_metrics().items())
    brief = "Attributes that the semantic conventions do not have."
    return {"id": "registry.otel_oom", "type": "attribute_group", "brief": brief, "attributes": own}


def _of_metrics() -> dict[str, tuple[str, list[str]]]:
    """The attributes that only metrics have: description and values, none where a metric has any text."""
    found: dict[str, list[tuple[str, ...]]] = {}
    for metric in schema.METRICS:
        for name, values in metric.attributes:
            if name != schema.SCOPE.name:
                found.setdefault(name, []).append(values)
    briefs = {schema.SIGNAL: "The signal of a request.", schema.OUTCOME: "What became of it.", schema.REASON: "Why."}
    return {
        name: (briefs[name], list(dict.fromkeys(sum(values, ()))) if all(values) else [])
        for name, values in found.items()
    }


def _definition(name: str, kind: str, brief: str, values: list[str] | None = None) -> Group:
    if name in {schema.SCOPE.name, schema.CONSTRAINT.name, schema.REPORT.name, schema.MEMCG_READ_FROM.name}:
        values = re.findall(r"`(\w+)`", brief)
    members = [{"id": value, "value": value, "brief": value, "stability": "development"} for value in values or ()]
    examples = {"examples": EXAMPLES[name]} if kind == "string" and not members else {}
    type_ = {"members": members} if members else _TYPES.get(kind, kind)
    return {"id": name, "type": type_, "brief": brief, "stability": "development", **examples}


def _event(event: schema.EventKind) -> Group:
    return {
        "id": f"event.{event.name}",
        "type": "event",
        "name": event.name,
        "brief": event.brief,
        "note": f"Severity {event.severity_text} ({event.severity}). The body is one sentence for people.",
        "stability": "development",
        "attributes": [
            {"ref": item.name, "requirement_level": item.requirement}
            for item in schema.ATTRIBUTES
            if event.name in item.events
        ],
    }


def _metric(metric: schema.Metric) -> Group:
    # A series without it is one of its own where it can have any text: see `otel_oom.up`.
    attributes = [
        {"ref": name, "requirement_level": "required" if values else "recommended"}
        for name, values in metric.attributes
    ]
    return {
        "id": f"metric.{metric.name}",
        "type": "metric",
        "metric_name": metric.name,
        "brief": metric.brief,
        "instrument": metric.kind,
        "unit": metric.unit,
        "stability": "development",
        **({"attributes": attributes} if attributes else {}),
    }


def _resource() -> Group:
    return {
        "id": "entity.otel_oom",
        "type": "entity",
        "name": "otel_oom",
        "brief": "An agent and its machine: the resource of all telemetry.",
        "stability": "development",
        "attributes": [
            {"ref": name, "role": "identifying" if name == schema.SERVICE_INSTANCE_ID else "descriptive"}
            for name in schema.RESOURCE
        ],
    }


def _yaml(content: Group) -> str:
    text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=116)
    return f"# Generated from otel_oom/schema: run `make tables`.\n{text}"
