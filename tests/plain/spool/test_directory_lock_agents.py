"""Two real agents on one spool whose directory or lock is removed: they never share an instance id."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.agents import environment
from support.played_agent import PLAYED
from support.waiting import eventually


@contextmanager
def agent(spool: Path, stderr: Path) -> Iterator[tuple[int, str]]:
    """An agent that has delivered a kill: its pid, and the instance id of the kill."""
    settings = {"OTEL_LOGS_EXPORTER": "console", "OTEL_METRICS_EXPORTER": "none", "OTEL_OOM_SPOOL": str(spool)}
    with (
        stderr.open("w") as said,
        subprocess.Popen(
            [sys.executable, "-c", PLAYED],
            env=environment(**settings),
            stdout=subprocess.PIPE,
            stderr=said,
            text=True,
        ) as process,
    ):
        try:
            assert process.stdout
            ids = (re.search(r'"service\.instance\.id": "(.+)"', line) for line in process.stdout)
            yield process.pid, next(found[1] for found in ids if found)
        finally:
            process.kill()


@pytest.mark.parametrize(
    "remove",
    [
        pytest.param(shutil.rmtree, id="the directory"),
        pytest.param(lambda spool: (spool / "lock").unlink(), id="the lock"),
    ],
)
def test_the_second_agent_runs_from_memory_under_another_id(tmp_path: Path, remove: Callable[[Path], object]) -> None:
    spool = tmp_path / "spool"
    with agent(spool, tmp_path / "first") as (pid, first_id):
        remove(spool)
        with agent(spool, tmp_path / "second") as (_, second_id):
            assert second_id != first_id
            line = f"continuing in memory only: {spool}: process {pid} uses it, although the directory or its lock"
            assert eventually(lambda: line in (tmp_path / "second").read_text(), within_s=10)
    with agent(spool, tmp_path / "third") as (_, third_id):
        assert third_id == first_id, "the first one has ended"
