"""`otel-oom run` from its start to its stop, in a process of its own, with the recorded kill as its kernel log."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.agents import environment

from otel_oom.spool.sqlite_store import SqliteStore

_PLAYED = """
import functools, sys
from otel_oom.agent import start
from otel_oom.cli.main import main
from otel_oom.kernel.recorded_log import RecordedLog
recording = RecordedLog()
recording.play()
start.prepare = functools.partial(start.prepare, source=recording)
sys.exit(main(["run"]))
"""
_STOPPED_WHILE_IT_STARTS = """
import signal, sys
from otel_oom.agent import start
from otel_oom.cli.main import main
start.prepare = lambda config: signal.raise_signal(signal.{name})
sys.exit(main(["run"]))
"""
_SIGNALS = pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])


@contextmanager
def process(script: str, spool: str = "none") -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-c", script],
        env=environment(OTEL_LOGS_EXPORTER="console", OTEL_METRICS_EXPORTER="none", OTEL_OOM_SPOOL=spool),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as started:
        try:
            yield started
        finally:
            started.kill()


@_SIGNALS
def test_a_signal_stops_the_agent(number: signal.Signals, tmp_path: Path) -> None:
    with process(_PLAYED, str(tmp_path / "spool")) as run:
        assert run.stdout is not None
        assert run.stdout.readline() == "{\n", "the event of the recorded kill"
        assert run.stderr is not None
        run.send_signal(number)
        assert run.wait(30) == 0
        assert '"event.name": "system_oom_kill"' in run.stdout.read()
        stderr = run.stderr.read()
        assert "otel-oom: info: watching /dev/kmsg; logs go to console, metrics to none\n" in stderr
        assert stderr.endswith("otel-oom: info: stopped\n")
    store = SqliteStore(tmp_path / "spool")
    checkpoint = store.open().checkpoint
    store.close()
    assert checkpoint is not None
    assert (checkpoint.is_ended, checkpoint.totals.kills) == (True, {"cgroup": 1})


@_SIGNALS
def test_a_signal_during_the_start_ends_the_process(number: signal.Signals) -> None:
    with process(_STOPPED_WHILE_IT_STARTS.format(name=number.name)) as run:
        _, stderr = run.communicate(timeout=30)
        assert run.returncode == 0
        assert "Traceback" not in stderr
        assert "watching" not in stderr


def test_probable_mistakes_are_said_once_at_the_start() -> None:
    endpoint = "http://127.0.0.1:9/v1/logs"
    with subprocess.Popen(
        [sys.executable, "-c", _PLAYED],
        env=environment(OTEL_EXPORTER_OTLP_ENDPOINT=endpoint),
        stderr=subprocess.PIPE,
        text=True,
    ) as started:
        assert started.stderr is not None
        lines = []
        for line in started.stderr:
            lines.append(line)
            if "watching" in line:
                started.kill()
        warned = [line for line in lines if "ends in /v1/logs, and /v1/logs or /v1/metrics is added to it" in line]
        assert len(warned) == 1
        assert warned[0].startswith("otel-oom: warning: OTEL_EXPORTER_OTLP_ENDPOINT='http://127.0.0.1:9/v1/logs' ends")
