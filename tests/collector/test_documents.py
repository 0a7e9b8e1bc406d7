"""The PromQL queries of the documents, by promtool's own judgement."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from support.documents import DOCUMENTS, blocks, name
from support.levels import missing

QUERIES = [(path, query) for path in DOCUMENTS for query in blocks(path.read_text(), "promql")]


@pytest.mark.parametrize(("path", "query"), QUERIES, ids=[f"{name(path)}: {query[:30]}" for path, query in QUERIES])
def test_a_query_is_valid(path: Path, query: str, tmp_path: Path) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        missing("collector", "promtool is not on PATH (it comes with Prometheus)")
    rules = tmp_path / "rules.yml"
    rules.write_text(f"groups: [{{name: documents, rules: [{{record: a, expr: {json.dumps(query)}}}]}}]\n")
    command = [promtool, "check", "rules", str(rules)]
    done = subprocess.run(command, check=False, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert done.returncode == 0, f"{name(path)}: {done.stdout}"


def test_there_are_queries() -> None:
    assert len(QUERIES) > 2
