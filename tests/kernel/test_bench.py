"""Each measure of `make bench` still runs: a few kills, and figures that mean nothing."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.kernel_log import require_device
from support.levels import missing

from benchmarks import measured, report

ROOT = Path(__file__).resolve().parents[2]
IN_A_GUEST = "time_truth"  # tests/vm/test_bench.py


@pytest.mark.parametrize("name", [name for name in measured.TITLES if name != IN_A_GUEST])
def test_a_measure_runs(name: str, tmp_path: Path) -> None:
    require_device()
    if not (shutil.which("go") or shutil.which("/usr/local/go/bin/go")):
        missing("kernel", "the programs that are measured beside otel-oom need Go")
    ended = subprocess.run(
        [sys.executable, "-m", f"benchmarks.{name}", "--short", "--results", str(tmp_path)],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}"},
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr[-3000:]
    result = report.results(tmp_path)[name]
    assert result.figures
    assert result.about["is_short"]
