"""docs/design.md: three walkthroughs name functions that exist, none of them twice; each package has a section."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from types import ModuleType

import pytest
from support.documents import CONTRIBUTING, ROOT, code

WALKS = ("One kill", "One total", "One restart")
MAX_STOPS = 12


def walks() -> dict[str, list[str]]:
    """Stops by the title of the walk: the first name in backticks of each numbered line."""
    text = (ROOT / "docs" / "design.md").read_text().partition("## Walkthroughs")[2].partition("\n## ")[0]
    _, *parts = re.split(r"^### (.*)$", text, flags=re.MULTILINE)
    titles, bodies = parts[::2], parts[1::2]
    return {
        title: re.findall(r"^\d+\. `([\w.]+)`", body, re.MULTILINE) for title, body in zip(titles, bodies, strict=True)
    }


def resolve(stop: str) -> object:
    """What the name stands for. Raises: ImportError, AttributeError."""
    parts = stop.split(".")
    found: object = importlib.import_module("otel_oom")
    for number, part in enumerate(parts, start=1):
        if isinstance(found, ModuleType) and not hasattr(found, part):
            importlib.import_module(f"otel_oom.{'.'.join(parts[:number])}")
        found = getattr(found, part)
    return found


def test_there_are_three_walks() -> None:
    assert tuple(walks()) == WALKS


@pytest.mark.parametrize("walk", WALKS)
def test_a_walk_is_short(walk: str) -> None:
    assert 0 < len(walks()[walk]) <= MAX_STOPS
    text = (ROOT / "docs" / "design.md").read_text().partition(f"### {walk}\n")[2].partition("\n#")[0]
    assert len(re.findall(r"^\d+\. ", text, re.MULTILINE)) == len(walks()[walk]), "each stop begins with a name"


@pytest.mark.parametrize("walk", WALKS)
def test_every_stop_is_a_function(walk: str) -> None:
    assert [stop for stop in walks()[walk] if not callable(resolve(stop))] == []


def test_no_stop_is_visited_twice() -> None:
    stops = [stop for walk in walks().values() for stop in walk]
    assert sorted(set(stops)) == sorted(stops)


def sections() -> dict[str, str]:
    """Text by the title of the section, below "Packages"."""
    text = (ROOT / "docs" / "design.md").read_text().partition("## Packages")[2].partition("\n## ")[0]
    _, *parts = re.split(r"^### (.*)$", text, flags=re.MULTILINE)
    return dict(zip(parts[::2], parts[1::2], strict=True))


def test_every_package_has_a_section() -> None:
    packages = {path.parent.name for path in (ROOT / "otel_oom").glob("*/__init__.py")}
    assert packages == set(sections()) - {"Modules between the packages"}
    assert packages <= {path.name for path in map(Path, code(CONTRIBUTING.read_text()))}


@pytest.mark.parametrize("title", sections())
def test_modules_of_a_section_exist(title: str) -> None:
    """A name in lower case is a module; one in CamelCase is a class of the package."""
    package = ROOT / "otel_oom" / (title if title in {path.name for path in (ROOT / "otel_oom").iterdir()} else "")
    modules = {path.stem for path in package.glob("*.py")}
    source = "\n".join(path.read_text() for path in package.glob("*.py"))
    words = [word for word in code(sections()[title]) if re.fullmatch(r"\w+", word)]
    known = {word for word in words if word in modules or re.search(rf"\b{word}\b", source)}
    assert set(words) - known - {"kernel"} == set()
    assert {word for word in words if word.islower()} - modules - {"kernel"} == set()


def test_every_module_between_the_packages_is_named() -> None:
    modules = {path.stem for path in (ROOT / "otel_oom").glob("*.py")} - {"__init__", "__main__"}
    assert set(code(sections()["Modules between the packages"])) == modules
