"""The search for a secret in the output of tests can fail: pytest runs tests that show it, each in its own way."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

_SHOWS = {
    "print": "print(CANARY)",
    "stderr": "print(CANARY, file=sys.stderr)",
    "log": "logging.getLogger('a').warning('key %s', CANARY)",
    "part": "print(CANARY[:10])",
    "subprocess": "subprocess.run(['echo', CANARY], capture_output=True)",
    "text_of_subprocess": "subprocess.run(['echo', CANARY], capture_output=True, text=True)",
    "captured": "print(CANARY); capsys.readouterr()",
    "agent": "look_at(f'otel-oom: error: {CANARY}', 'the log lines of an agent')",
}
_BEGIN = """
import logging, subprocess, sys
from support.canary import CANARY, look_at
"""


def test_a_test_that_shows_a_secret_fails(tmp_path: Path) -> None:
    file = tmp_path / "test_shown.py"
    cases = {**_SHOWS, "nothing": "print('nothing')"}
    tests = [f"def test_{name}(capsys): {code}" for name, code in cases.items()]
    file.write_text("\n".join([_BEGIN, *tests]))
    command = [sys.executable, "-m", "pytest", "-v", "--show-capture=no", "-p", "support.canary", str(file)]
    support = Path(__file__).resolve().parents[1]
    done = subprocess.run(
        [*command, "--rootdir", str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(support)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    results = dict(re.findall(r"::test_(\w+) (PASSED|FAILED|ERROR)", done.stdout))
    assert results == {**dict.fromkeys(_SHOWS, "FAILED"), "nothing": "PASSED"}, done.stdout


def test_this_process_looks_for_it(request: pytest.FixtureRequest) -> None:
    assert request.config.pluginmanager.has_plugin("support.canary")
