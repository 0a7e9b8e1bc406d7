"""The project's addresses are one constant."""

from __future__ import annotations

import re

from support.documents import ROOT

import otel_oom


def test_the_package_metadata_and_the_site_use_the_url_of_the_package() -> None:
    text = (ROOT / "pyproject.toml").read_text().partition("[project.urls]")[2].partition("\n[")[0]
    assert dict(re.findall(r'^(\w+) = "(.*)"$', text, re.MULTILINE)) == {
        "Repository": otel_oom.URL,
        "Issues": f"{otel_oom.URL}/issues",
        "Documentation": f"{otel_oom.URL}/docs",
    }
    site = dict(re.findall(r"^(\w+_url): (\S+)", (ROOT / "mkdocs.yml").read_text(), re.MULTILINE))
    assert site == {"site_url": f"{otel_oom.URL}/docs/", "repo_url": otel_oom.URL}


def test_the_url_is_said_to_be_a_placeholder() -> None:
    """Remove this test when there is a repository, and set the constant."""
    assert otel_oom.URL.startswith("https://example.com/")
    source = (ROOT / "otel_oom" / "__init__.py").read_text()
    assert re.search(r"placeholder.*\nURL = ", source)
