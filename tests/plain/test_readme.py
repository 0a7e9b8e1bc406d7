"""README.md and deploy/ against the code: the tables, and every telemetry name."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from faults.cases import table

from otel_oom import schema
from otel_oom.schema import render

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
PARTS = {
    "events": render.events,
    "attributes": render.attributes,
    "metrics": render.metrics,
    "resource": render.resource,
    "faults": table,
}


def block(name: str) -> re.Pattern[str]:
    return re.compile(rf"(<!-- schema: {name} -->\n)(?:(?!<!-- end).)*(<!-- end -->)", re.DOTALL)


@pytest.mark.parametrize("name", PARTS)
def test_the_tables_of_the_readme_are_those_of_the_code(name: str) -> None:
    text = README.read_text()
    expected = block(name).sub(lambda found: f"{found[1]}{PARTS[name]()}\n{found[2]}", text)
    if os.environ.get("OTEL_OOM_README") == "write":
        README.write_text(expected)
    elif expected != text:
        pytest.fail(f"the table of {name} in README.md is not that of the code: run `make readme`", pytrace=False)
    assert block(name).search(text), f"README.md has no place for the table of {name}"


DOCUMENTS = [README, ROOT / "CHANGELOG.md", ROOT / "collector-config.yaml", *sorted((ROOT / "deploy").rglob("*.yml"))]


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_documents_use_no_name_that_is_not_in_the_schema(path: Path) -> None:
    text = path.read_text()
    prometheus = {metric.prometheus_name for metric in schema.METRICS}
    used = set(re.findall(r"\b(?:otel_oom|oom)_[a-z_]+_total\b|\botel_oom_(?:up|spool_[a-z]+)\b", text))
    assert used - prometheus == set()
    names = {item.name for item in schema.ATTRIBUTES} | {metric.name for metric in schema.METRICS}
    dotted = set(re.findall(r"`((?:oom|otel_oom)\.[a-z_.]+[a-z])`", text))
    assert dotted - names == set()


def test_the_schema_names_each_thing_once() -> None:
    for items in (schema.ATTRIBUTES, schema.METRICS):
        names = [item.name for item in items]
        assert len(names) == len(set(names))


def test_attributes_name_existing_events() -> None:
    assert {event for item in schema.ATTRIBUTES for event in item.events} <= set(schema.EVENTS)
