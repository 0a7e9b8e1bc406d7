"""`otel-oom run` from its start to its stop, in a process of its own, with the recorded kill as its kernel log."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.agents import environment
from support.full_pipe import full_pipe
from support.played_agent import PLAYED

from otel_oom.spool.sqlite_store import SqliteStore

_STOPPED_WHILE_IT_STARTS = """
import signal, sys
from otel_oom.agent import start
from otel_oom.cli.main import main
start.prepare = lambda config, **_: signal.raise_signal(signal.{name})
sys.exit(main(["run"]))
"""
_STOPPED_IN_A_FINALIZER = """
import functools, signal, sys
from otel_oom.agent import start
from otel_oom.cli.main import main
from otel_oom.kernel.recorded_log import RecordedLog
class Stops:
    def __del__(self):
        signal.raise_signal(signal.SIGTERM)
def prepare(config, prepare=functools.partial(start.prepare, source=RecordedLog()), **_):
    Stops()
    return prepare(config)
start.prepare = prepare
sys.exit(main(["run"]))
"""
_SENDS_UNTIL_THE_END = """
import atexit
from otel_oom.otlp.sender import Sender
atexit.register(print, "the libraries are cleaned up")
Sender.stop = lambda *_: None
"""
_ABORTS_INSIDE_GRPC = """
import sys
from otel_oom.agent import start
from otel_oom.cli.main import main
def abort(config, **_):
    import otel_oom.otlp.grpc_exporter, grpc
    grpc.secure_channel("localhost:9", grpc.ssl_channel_credentials(private_key=b"a key"))
start.prepare = abort
sys.exit(main(["run"]))
"""
_SIGNALS = pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])


@contextmanager
def process(
    script: str, spool: str = "none", stderr: int = subprocess.PIPE, before: str = "", **variables: str
) -> Iterator[subprocess.Popen[str]]:
    """before: shell commands before the program, which replaces the shell."""
    settings = {"OTEL_LOGS_EXPORTER": "console", "OTEL_METRICS_EXPORTER": "none", "OTEL_OOM_SPOOL": spool, **variables}
    with subprocess.Popen(
        ["sh", "-c", f'{before} exec "$0" -c "$1"', sys.executable, script],
        env=environment(**settings),
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),  # noqa: PLW1509 the tests may run under nohup
    ) as started:
        try:
            yield started
        finally:
            started.kill()


@_SIGNALS
def test_a_signal_stops_the_agent(number: signal.Signals, tmp_path: Path) -> None:
    with process(PLAYED, str(tmp_path / "spool")) as run:
        assert run.stdout is not None
        assert run.stdout.readline() == "{\n", "the event of the recorded kill"
        assert run.stderr is not None
        run.send_signal(number)
        assert run.wait(30) == 0
        assert '"event.name": "system_oom_kill"' in run.stdout.read()
        stderr = run.stderr.read()
        assert "otel-oom: info: watching /dev/kmsg; logs go to console, metrics to none\n" in stderr
        assert f"otel-oom: info: {number.name}: delivers what is left, for 3 s at most; another SIGINT" in stderr
        assert stderr.endswith("otel-oom: info: stopped\n")
    store = SqliteStore(tmp_path / "spool")
    checkpoint = store.open().checkpoint
    store.close()
    assert checkpoint is not None
    assert (checkpoint.is_ended, checkpoint.totals.kills) == (True, {"cgroup": 1})


def test_a_signal_during_the_start_is_not_lost_where_nothing_can_be_raised() -> None:
    with process(_STOPPED_IN_A_FINALIZER) as run:
        _, stderr = run.communicate(timeout=30)
    assert run.returncode == 0
    assert "bug" not in stderr
    assert "watching" not in stderr


def test_a_sender_that_still_runs_is_not_disturbed_by_the_exit(tmp_path: Path) -> None:
    """OpenSSL frees its tables at a usual exit, and a thread that used them ended the process with SIGSEGV."""
    with process(_SENDS_UNTIL_THE_END + PLAYED, str(tmp_path / "spool")) as run:
        assert run.stdout is not None
        assert run.stdout.readline() == "{\n", "the event of the recorded kill"
        run.terminate()
        stdout, stderr = run.communicate(timeout=30)
    assert run.returncode == 0
    assert stderr.endswith("otel-oom: info: stopped\n")
    assert "cleaned up" not in stdout


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
        [sys.executable, "-c", PLAYED],
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


def test_an_ignored_hangup_is_ignored() -> None:
    """By nohup(1)."""
    with process(PLAYED, before="trap '' HUP;") as run:
        assert run.stdout is not None
        assert run.stdout.readline() == "{\n"
        run.send_signal(signal.SIGHUP)
        with pytest.raises(subprocess.TimeoutExpired):
            run.wait(1.0)
        run.terminate()
        assert run.wait(3.0) == 0


@pytest.mark.parametrize("first", [signal.SIGTERM, signal.SIGINT])
def test_an_interrupt_during_the_stop_ends_at_once(first: signal.Signals) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:  # accepts connections and never answers: a stop takes 2 s
        endpoint = f"http://127.0.0.1:{server.getsockname()[1]}"
        with process(PLAYED, OTEL_LOGS_EXPORTER="otlp", OTEL_EXPORTER_OTLP_ENDPOINT=endpoint) as run:
            assert run.stderr is not None
            assert any("watching" in line for line in run.stderr)
            run.send_signal(first)
            assert any("another SIGINT (Ctrl-C) ends at once" in line for line in run.stderr)
            run.send_signal(signal.SIGINT)
            assert run.wait(1.0) == -signal.SIGINT
            assert "stopped" not in run.stderr.read()


def test_a_stderr_that_nobody_reads_stops_nothing() -> None:
    with full_pipe() as pipe, process(PLAYED, stderr=pipe.write_end) as run:
        assert run.stdout is not None
        assert run.stdout.readline() == "{\n", "the event of the recorded kill"
        run.terminate()
        assert run.wait(3.0) == 0


def test_a_start_that_fails_ends_although_nobody_reads_stderr() -> None:
    with full_pipe() as pipe, process(PLAYED, stderr=pipe.write_end, OTEL_OOM_SCORE_ADJ="low") as run:
        assert run.wait(10.0) == 2


def test_an_abort_inside_grpc_says_where_it_was(tmp_path: Path) -> None:
    """Its own line is hidden (GRPC_VERBOSITY=NONE)."""
    file = tmp_path / "stderr"
    with file.open("w") as stderr, process(_ABORTS_INSIDE_GRPC, stderr=stderr.fileno()) as run:
        assert run.wait(30.0) == -signal.SIGABRT
    assert "Fatal Python error: Aborted" in file.read_text()


def test_an_abort_ends_the_process_although_nobody_reads_stderr() -> None:
    with full_pipe() as pipe, process(_ABORTS_INSIDE_GRPC, stderr=pipe.write_end) as run:
        assert run.wait(30.0) == -signal.SIGABRT


@pytest.mark.parametrize("stderr", ["2>/dev/full", "2>&-"])
@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
def test_a_stderr_that_cannot_be_written_stops_nothing(protocol: str, stderr: str, tmp_path: Path) -> None:
    """A closed one in particular: the spool's file must not get its number, and faulthandler needs one."""
    with process(
        PLAYED,
        str(tmp_path / "spool"),
        before=f"exec {stderr};",
        OTEL_METRICS_EXPORTER="otlp",
        OTEL_EXPORTER_OTLP_PROTOCOL=protocol,
        OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9",
    ) as run:
        assert run.stdout is not None
        assert run.stdout.readline() == "{\n"
        run.terminate()
        assert run.wait(10.0) == 0
    store = SqliteStore(tmp_path / "spool")
    assert store.open().checkpoint is not None
    store.close()
