"""The alerting rules, checked by promtool: they are valid, and their test cases pass."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from support.levels import missing

PROMETHEUS = Path(__file__).resolve().parents[2] / "deploy" / "prometheus"


@pytest.fixture(scope="module")
def promtool() -> str:
    found = shutil.which("promtool")
    if found is None:
        missing("collector", "promtool is not on PATH (it comes with Prometheus)")
    return found


@pytest.mark.parametrize(
    "command",
    [
        ["check", "rules", "--lint-fatal", "otel-oom.rules.yml"],
        ["test", "rules", "otel-oom.rules.test.yml"],
        ["check", "config", "prometheus.yml"],
    ],
    ids=" ".join,
)
def test_promtool_accepts(promtool: str, command: list[str]) -> None:
    done = subprocess.run(
        [promtool, *command], check=False, cwd=PROMETHEUS, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    assert done.returncode == 0, done.stdout
