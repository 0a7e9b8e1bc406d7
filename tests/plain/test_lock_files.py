"""The locked versions of images and packages: `make lock` writes them from pyproject.toml."""

from __future__ import annotations

import re

import pytest
from packaging.requirements import Requirement
from support.documents import ROOT

# The array of pyproject.toml that each file is made from. (tomllib is Python 3.11.)
ARRAYS = {"requirements.lock": "dependencies", "build.lock": "requires"}


def required(array: str) -> list[Requirement]:
    text = re.sub(r"#.*", "", (ROOT / "pyproject.toml").read_text())
    found = re.search(rf"^{array} = \[(.*?)\]", text, re.MULTILINE | re.DOTALL)
    return [Requirement(one) for one in re.findall(r'"([^"]+)"', found[1] if found else "")]


def locked_versions(name: str) -> dict[str, str]:
    text = (ROOT / "deploy" / name).read_text()
    return dict(re.findall(r"^([a-z0-9-]+)==(\S+)", text, re.MULTILINE))


@pytest.mark.parametrize(("name", "array"), ARRAYS.items())
def test_each_dependency_is_locked_within_its_range(name: str, array: str) -> None:
    versions = locked_versions(name)
    assert required(array)
    outside = [str(one) for one in required(array) if not one.specifier.contains(versions.get(one.name, "0"))]
    assert outside == [], "run: make lock"


@pytest.mark.parametrize("name", ARRAYS)
def test_each_locked_version_has_hashes(name: str) -> None:
    lines = (ROOT / "deploy" / name).read_text().splitlines()
    unhashed = [line for line in lines if line[0].isalnum() and not line.endswith("\\")]
    assert unhashed == []
    assert sum("--hash=sha256:" in line for line in lines) >= len(locked_versions(name))
