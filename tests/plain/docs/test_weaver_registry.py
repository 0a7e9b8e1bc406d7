"""The generated registry for Weaver: each file is up to date, and has the form that Weaver's documents ask for.

Source of the form: schemas/semconv-syntax.md and schemas/semconv.schema.json of open-telemetry/weaver (0.26).
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import yaml
from support import weaver_registry
from support.documents import ROOT

from otel_oom import schema

DIRECTORY = ROOT / "deploy" / "weaver"
FILES = weaver_registry.files()
GROUPS: list[dict[str, Any]] = yaml.safe_load(FILES["otel-oom.yaml"])["groups"]

COMMON = {"id", "type", "brief", "note", "stability", "attributes"}
#: group's type: keys that it must have, keys that it may have
KEYS = {
    "attribute_group": ({"id", "type", "brief", "attributes"}, COMMON),
    "event": ({"id", "type", "brief", "stability", "name"}, COMMON | {"name"}),
    "metric": (
        {"id", "type", "brief", "stability", "metric_name", "instrument", "unit"},
        COMMON | {"metric_name", "instrument", "unit"},
    ),
    "entity": ({"id", "type", "brief", "stability", "name", "attributes"}, COMMON | {"name"}),
}
TYPES = {"string", "int", "double", "boolean", "any", *(f"{one}[]" for one in ("string", "int", "double", "boolean"))}
DEFINED: list[dict[str, Any]] = next(group for group in GROUPS if group["type"] == "attribute_group")["attributes"]
SIGNALS = [group for group in GROUPS if group["type"] != "attribute_group"]


@pytest.mark.parametrize("name", FILES)
def test_the_registry_is_up_to_date(name: str) -> None:
    path: Path = DIRECTORY / name
    if os.environ.get("OTEL_OOM_TABLES") == "write":
        path.parent.mkdir(exist_ok=True)
        path.write_text(FILES[name], "utf-8")
    elif not path.exists() or path.read_text("utf-8") != FILES[name]:
        pytest.fail(f"deploy/weaver/{name} is out of date: run `make tables`", pytrace=False)


def test_no_other_file_is_in_the_registry() -> None:
    assert {path.name for path in DIRECTORY.iterdir()} == set(FILES)


def test_the_manifest_names_both_registries_with_a_version() -> None:
    manifest = yaml.safe_load(FILES["manifest.yaml"])
    assert set(manifest) == {"name", "description", "schema_url", "dependencies"}
    (conventions,) = manifest["dependencies"]
    assert set(conventions) == {"schema_url", "registry_path"}
    assert conventions["schema_url"] == schema.SCHEMA_URL
    version = schema.SCHEMA_URL.rpartition("/")[2]
    assert conventions["registry_path"].endswith(f"semantic-conventions@v{version}[model]")


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: group["id"])
def test_a_group_has_the_keys_of_its_type(group: dict[str, Any]) -> None:
    required, allowed = KEYS[group["type"]]
    assert required <= set(group) <= allowed
    assert group.get("stability", "development") == "development"
    if group["type"] == "metric":
        assert group["instrument"] in {"counter", "gauge", "histogram", "updowncounter"}


@pytest.mark.parametrize("attribute", DEFINED, ids=lambda attribute: attribute["id"])
def test_a_definition_has_a_type_and_an_example(attribute: dict[str, Any]) -> None:
    assert {"id", "type", "brief", "stability"} <= set(attribute) <= {"id", "type", "brief", "stability", "examples"}
    if isinstance(attribute["type"], dict):
        assert set(attribute["type"]) == {"members"}
        assert [set(member) for member in attribute["type"]["members"]] == [
            {"id", "value", "brief", "stability"} for _ in attribute["type"]["members"]
        ]
    else:
        assert attribute["type"] in TYPES
        assert (attribute["type"] == "string") == bool(attribute.get("examples")), "Weaver warns without an example"


@pytest.mark.parametrize("group", SIGNALS, ids=lambda group: group["id"])
def test_a_signal_refers_to_definitions_here_or_to_the_conventions(group: dict[str, Any]) -> None:
    own = {attribute["id"] for attribute in DEFINED}
    for attribute in group.get("attributes", ()):
        assert set(attribute) in ({"ref", "requirement_level"}, {"ref", "role"})
        assert attribute.get("requirement_level", "required") in {"required", "recommended", "opt_in"}
        assert attribute.get("role", "descriptive") in {"identifying", "descriptive"}
        assert (attribute["ref"] in own) == attribute["ref"].startswith(weaver_registry.OWN)


def test_the_registry_has_all_that_the_schema_has_once() -> None:
    ids = [group["id"] for group in GROUPS]
    assert len(ids) == len(set(ids))
    names = [attribute["id"] for attribute in DEFINED]
    assert len(names) == len(set(names))
    assert [group["name"] for group in GROUPS if group["type"] == "event"] == list(schema.EVENTS)
    assert [group["metric_name"] for group in GROUPS if group["type"] == "metric"] == [
        metric.name for metric in schema.METRICS
    ]
    used = {attribute["ref"] for group in SIGNALS for attribute in group.get("attributes", ())}
    assert {name for name in used if name.startswith(weaver_registry.OWN)} == set(names)
    assert {one["value"] for one in next(item["type"] for item in DEFINED if item["id"] == "oom.scope")["members"]} == {
        *schema.SCOPES
    }
