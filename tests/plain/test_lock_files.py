"""The locked versions of images and packages: `make lock` writes them from pyproject.toml."""

from __future__ import annotations

import re

import pytest
from support.documents import ROOT

# The array of pyproject.toml that each file is made from. (tomllib is Python 3.11.)
ARRAYS = {"requirements.lock": "dependencies", "build.lock": "requires"}


def required(array: str) -> dict[str, str]:
    """The ranges of versions by name. Sample: "h11>=0.16,<1"."""
    text = re.sub(r"#.*", "", (ROOT / "pyproject.toml").read_text())
    found = re.search(rf"^{array} = \[(.*?)\]", text, re.MULTILINE | re.DOTALL)
    return dict(re.findall(r'"([a-z0-9-]+)([<>=][^"]+)"', found[1] if found else ""))


def is_within(version: str, versions: str) -> bool:
    """Whether a version is in a range of `>=` and `<`."""
    least, below = versions.removeprefix(">=").split(",<")
    return numbers(least) <= numbers(version) < numbers(below)


def numbers(version: str) -> list[int]:
    return [int(part) for part in version.split(".")]


def locked_versions(name: str) -> dict[str, str]:
    text = (ROOT / "deploy" / name).read_text()
    return dict(re.findall(r"^([a-z0-9-]+)==(\S+)", text, re.MULTILINE))


@pytest.mark.parametrize(("file", "array"), ARRAYS.items())
def test_each_dependency_is_locked_within_its_range(file: str, array: str) -> None:
    versions = locked_versions(file)
    assert required(array)
    outside = [name for name, wanted in required(array).items() if not is_within(versions.get(name, "0"), wanted)]
    assert outside == [], "run: make lock"


@pytest.mark.parametrize("name", ARRAYS)
def test_each_locked_version_has_hashes(name: str) -> None:
    lines = (ROOT / "deploy" / name).read_text().splitlines()
    unhashed = [line for line in lines if line[0].isalnum() and not line.endswith("\\")]
    assert unhashed == []
    assert sum("--hash=sha256:" in line for line in lines) >= len(locked_versions(name))
