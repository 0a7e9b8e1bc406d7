"""No level of tests is left out: what pytest runs by itself is what `make test` runs in two parts."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_make_runs_every_level() -> None:
    listed = re.search(r"^testpaths = \[(.*?)\]", (ROOT / "pyproject.toml").read_text(), re.DOTALL | re.MULTILINE)
    others = re.search(r"^OTHERS := (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert listed
    assert others
    levels = set(re.findall(r'"tests/(\w+)"', listed[1]))
    assert levels == {*others[1].split(), "vm"}
    assert levels == {path.parent.name for path in (ROOT / "tests").glob("*/test_*.py")}
