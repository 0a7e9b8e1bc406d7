"""Links, pictures and paths in the documents lead to something that exists."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from support.documents import DOCUMENTS, PAGES, README, ROOT, anchors, code, links, name

README_BYTES = 8_192


@pytest.mark.parametrize("path", DOCUMENTS, ids=name)
def test_relative_links_and_their_anchors_exist(path: Path) -> None:
    broken = []
    for target in links(path.read_text()):
        url = urlsplit(target)
        if url.scheme:
            continue
        file = (path.parent / url.path).resolve() if url.path else path
        if not file.exists() or (url.fragment and url.fragment not in anchors(file.read_text())):
            broken.append(target)
    assert broken == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=name)
def test_links_to_other_servers_use_https(path: Path) -> None:
    assert [target for target in links(path.read_text()) if urlsplit(target).scheme not in {"", "https"}] == []


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_pages_link_inside_the_site_only(path: Path) -> None:
    """The site holds docs/ alone. Other files of the repository are named, not linked."""
    relative = [target for target in links(path.read_text()) if not urlsplit(target).scheme]
    site = ROOT / "docs"
    assert [target for target in relative if not (path.parent / target).resolve().is_relative_to(site)] == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=name)
def test_paths_of_the_repository_exist(path: Path) -> None:
    places = {entry.name for entry in ROOT.iterdir() if not entry.name.startswith(".") or entry.name == ".github"}
    places -= {"build", "dist"}
    paths = [
        text for text in code(path.read_text()) if "/" in text and text.split("/")[0] in places and "<" not in text
    ]
    assert [text for text in paths if not (list(ROOT.glob(text)) if "*" in text else (ROOT / text).exists())] == []


def test_every_invariant_names_tests() -> None:
    text = (ROOT / "docs" / "design.md").read_text().partition("## Invariants")[2].partition("\n## ")[0]
    invariants = re.findall(r"^\d+\. .*(?:\n(?!\d+\. ).*)*", text, re.MULTILINE)
    assert len(invariants) == 7
    assert [one for one in invariants if not any(path.startswith("tests/") for path in code(one))] == []


def test_the_readme_is_short() -> None:
    assert len(README.read_bytes()) <= README_BYTES
