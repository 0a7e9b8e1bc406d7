"""The site builds without a warning and loads nothing from other servers; its pictures are whole."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from support.documents import PAGES, README, ROOT, name
from support.levels import missing

from otel_oom import schema

PICTURES = sorted((ROOT / "docs" / "images").glob("*.svg"))
LOADED = re.compile(r"<(?:script|img|iframe|source)[^>]* src=\"?(https?:[^\s\">]+)|<link ([^>]*)>")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(out)]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"}, capture_output=True, text=True, check=False
    )
    if "No module named mkdocs" in done.stderr:
        missing("plain", "mkdocs is not installed (pip install -e '.[docs]')")
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stdout + done.stderr
    return out


def test_every_page_is_there(site: Path) -> None:
    paths = [page.relative_to(ROOT / "docs").with_suffix("") for page in PAGES]
    expected = {str((path.parent if path.name == "index" else path) / "index.html") for path in paths}
    assert expected <= {str(path.relative_to(site)) for path in site.rglob("*.html")}


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_what_belongs_to_an_item_of_a_list_is_indented_by_four(page: Path) -> None:
    """With less, Python-Markdown ends the list: its numbers begin again at 1, and a table becomes a block of code."""
    assert re.findall(r"\n\n {1,3}\S.*", page.read_text()) == []


def test_pages_load_nothing_from_other_servers(site: Path) -> None:
    loaded = []
    for page in site.rglob("*.html"):
        for source, attributes in LOADED.findall(page.read_text()):
            if source or (
                re.search(r"rel=\"?(stylesheet|preconnect|preload|icon)", attributes) and "http" in attributes
            ):
                loaded.append(f"{page.relative_to(site)}: {source or attributes}")
    assert loaded == []


@pytest.mark.parametrize("picture", PICTURES, ids=name)
def test_a_picture_is_whole_and_stands_alone(picture: Path) -> None:
    tree = ET.fromstring(picture.read_text())
    title = tree.find("{http://www.w3.org/2000/svg}title")
    assert title is not None
    assert title.text
    assert re.findall(r"(?:href|src|url)\W+https?:|@import|<script", picture.read_text()) == []


def test_the_picture_of_the_demo_is_what_was_printed() -> None:
    printed = "first\n\n  severity      ERROR\n  oom.boot.id   b\n  process.parent_pid  1\n\n" + "long " * 30
    done = subprocess.run(
        [sys.executable, ROOT / "docs" / "images" / "render_demo.py"],
        input=printed,
        capture_output=True,
        text=True,
        check=True,
    )
    lines = ["".join(text.itertext()) for text in ET.fromstring(done.stdout).iter("{http://www.w3.org/2000/svg}text")]
    assert lines[:4] == ["$ make demo", "first", "  severity      ERROR", "  … 2 more attributes"]
    assert lines[4].startswith("long long")
    assert lines[4].endswith("…")


def test_the_picture_of_the_demo_shows_attributes_of_the_schema() -> None:
    text = (ROOT / "docs" / "images" / "demo.svg").read_text()
    shown = re.findall(r'class="name">\s*([\w.]+)', text)
    fields = {"timestamp", "severity"}
    attributes = set(shown) - fields
    assert len(attributes) > 8
    assert fields <= set(shown)
    assert attributes - {item.name for item in schema.ATTRIBUTES} == set()
    assert f"with {len(attributes)} of its attributes, timestamp and severity" in README.read_text()
