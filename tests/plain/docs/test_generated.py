"""The generated tables of docs/ against the code, and every telemetry name that documents and deploy/ use."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from support import figures, reason_table
from support.attack_table import table as attackers
from support.documents import DOCUMENTS, ROOT, name, region
from support.fault_table import stderr_table, table
from support.spool_faults import table as spool_faults

from benchmarks import readme_table, report
from otel_oom import schema
from otel_oom.config import settings_tables
from otel_oom.schema import render

GENERATED: dict[str, tuple[str, Callable[[], str]]] = {
    "events": ("docs/telemetry.md", render.events),
    "attributes": ("docs/telemetry.md", render.attributes),
    "metrics": ("docs/telemetry.md", render.metrics),
    "resource": ("docs/telemetry.md", render.resource),
    "faults": ("docs/delivery.md", table),
    "spool faults": ("docs/delivery.md", spool_faults),
    "faults of standard error": ("docs/delivery.md", stderr_table),
    "attackers": ("docs/trust.md", attackers),
    "own settings": ("docs/configuration.md", settings_tables.own_settings),
    "standard variables": ("docs/configuration.md", settings_tables.standard_variables),
    "python variables": ("docs/configuration.md", settings_tables.python_variables),
    "refused variables": ("docs/configuration.md", settings_tables.refused_variables),
    "variables without meaning": ("docs/configuration.md", settings_tables.variables_without_meaning),
    "limits": ("docs/parse.md", reason_table.TABLES["limits"]),
    "causes": ("docs/parse.md", reason_table.TABLES["causes"]),
    "additions": ("docs/parse.md", reason_table.TABLES["additions"]),
    "figures": ("docs/performance.md", figures.tables),
    "performance": ("README.md", lambda: "\n".join(readme_table.table(report.results()))),
}


#: names that are no longer used, in the document whose table says so
FORMER = {"docs/telemetry.md": {"otel_oom.spool.events"}}


@pytest.mark.parametrize("part", GENERATED)
def test_generated_tables_are_up_to_date(part: str) -> None:
    file, make = GENERATED[part]
    path = ROOT / file
    text = path.read_text()
    expected = region(part).sub(lambda found: f"{found[1]}{make()}\n{found[2]}", text)
    if os.environ.get("OTEL_OOM_TABLES") == "write":
        path.write_text(expected)
    elif expected != text:
        pytest.fail(f"the part `{part}` of {file} is out of date: run `make tables`", pytrace=False)
    assert region(part).search(text), f"{file} has no place for the part `{part}`"


def test_the_page_of_results_is_up_to_date() -> None:
    expected = report.page(report.results())
    if os.environ.get("OTEL_OOM_TABLES") == "write":
        report.PAGE.write_text(expected)
    elif expected != report.PAGE.read_text():
        pytest.fail("benchmarks/RESULTS.md is out of date: run `make tables`", pytrace=False)


@pytest.mark.parametrize("path", DOCUMENTS, ids=name)
def test_every_generated_part_is_known(path: Path) -> None:
    parts = re.findall(r"<!-- generated: (.*?) -->", path.read_text())
    assert [GENERATED[part][0] for part in parts] == [name(path)] * len(parts)


@pytest.mark.parametrize(
    "path", [*DOCUMENTS, ROOT / "collector-config.yaml", *sorted((ROOT / "deploy").rglob("*.yml"))], ids=name
)
def test_documents_use_no_name_that_is_not_in_the_schema(path: Path) -> None:
    text = path.read_text()
    prometheus = {metric.prometheus_name for metric in schema.METRICS}
    used = set(re.findall(r"\b(?:otel_oom|oom)_[a-z_]+_total\b|\botel_oom_(?:up|spool_[a-z]+)\b", text))
    assert used - prometheus == set()
    names = (
        {item.name for item in schema.ATTRIBUTES} | {metric.name for metric in schema.METRICS} | set(schema.RESOURCE)
    )
    names |= {attribute for metric in schema.METRICS for attribute, _ in metric.attributes}
    names |= FORMER.get(name(path), set())
    dotted = set(re.findall(r"`((?:oom|otel_oom)\.[a-z_.]+[a-z])`", text))
    assert dotted - names == set()
