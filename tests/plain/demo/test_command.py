"""`otel-oom demo` with the recorded kill: it needs neither root nor a cgroup."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from support.agents import environment
from support.hostile_text import HOSTILE, left_in

from otel_oom.demo import command
from otel_oom.demo.kill_sandbox import NoSandboxError
from otel_oom.demo.otlp_receiver import Received
from otel_oom.errors import NoPermissionError
from otel_oom.kernel.recorded_log import RecordedLog

#: The demo with the recorded kill. Before the kill is played, another process posts to the port: a kill, and counts.
_ATTACKED = """
import http.client, socket, sys
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from support.hostile_text import HOSTILE
from urllib.parse import urlsplit
from otel_oom.cli.main import main
from otel_oom.demo import command
from otel_oom.errors import NoPermissionError
from otel_oom.kernel.recorded_log import RecordedLog
TEXT = "forged" + HOSTILE[:-2]
logs, metrics = ExportLogsServiceRequest(), ExportMetricsServiceRequest()
record = logs.resource_logs.add().scope_logs.add().log_records.add(event_name=TEXT, severity_text=TEXT)
record.body.string_value = TEXT
record.attributes.add(key=TEXT).value.string_value = TEXT
metric = metrics.resource_metrics.add().scope_metrics.add().metrics.add(name="oom.kills")
metric.sum.data_points.add(as_int=4242)
kept, endpoints = [], []
def load_config(variables, load=command.load_config, **flags):
    endpoints.append(urlsplit(variables["OTEL_EXPORTER_OTLP_ENDPOINT"]))
    return load(variables, **flags)
def attack(address):
    for path, message in (("/v1/logs", logs), ("/v1/metrics", metrics)):
        connection = http.client.HTTPConnection(address.hostname, address.port, timeout=5)
        connection.request("POST", path, message.SerializeToString())
        connection.getresponse().read()
        connection.close()
    for _ in range(100):  # and 100 that send nothing
        kept.append(socket.create_connection((address.hostname, address.port), timeout=5))
def attacked(self, play=RecordedLog.play):
    if not kept:
        attack(endpoints[0])
    play(self)
def refuse():
    raise NoPermissionError("may not read /dev/kmsg" + HOSTILE, "run as root")
command._try_device, command.load_config = refuse, load_config
RecordedLog.play = attacked
sys.argv = ["./bin/otel-oom" + HOSTILE, "demo"]
sys.exit(main(["demo"]))
"""


@pytest.fixture(autouse=True)
def no_device(monkeypatch: pytest.MonkeyPatch) -> None:
    """The demo may not read the kernel log, and the user's shell exports to another place."""

    def refuse() -> None:
        raise NoPermissionError("may not read /dev/kmsg: Operation not permitted", "run as root")

    monkeypatch.setattr(command, "_try_device", refuse)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", "http://localhost:1")
    monkeypatch.setattr(sys, "argv", ["./bin/otel-oom", "demo"])


def screen(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().out.splitlines()


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_a_kill_is_shown_at_the_width_of_the_terminal(
    columns: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    assert command.run() == 0
    lines = screen(capsys)
    assert [line for line in lines[:-1] if len(line) > columns] == []
    text = " ".join(" ".join(lines).split())
    assert text.startswith(
        "No real kill here: may not read /dev/kmsg: Operation not permitted. A RECORDED one is played instead. An OTLP"
    )
    assert re.search(r"system_oom_kill received -?\d+\.\d ms after it was observed: \S+ \(pid \d+\) was OOM-kill", text)
    assert "oom.kills: 0 -> 1" in text
    original = next(line for line in lines if "log.record.original" in line)
    assert len(original) == columns
    assert original.endswith("…")


def test_the_last_line_is_a_command(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """It runs the program that was started, by the path that leads to it from the same directory."""
    assert command.run() == 0
    line = screen(capsys)[-1]
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "otel-oom"
    program.write_text('#!/bin/sh\necho "$OTEL_EXPORTER_OTLP_ENDPOINT" "$@"')
    program.chmod(0o755)
    done = subprocess.run(["sh", "-c", line], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == "http://localhost:4318 run\n"


@pytest.mark.parametrize(
    ("argv0", "path", "program"),
    [
        ("/opt/o/bin/otel-oom", "/opt/o/bin", "otel-oom"),
        ("/opt/o/bin/otel-oom", "/usr/bin", "/opt/o/bin/otel-oom"),
        ("my tools/otel-oom", "/usr/bin", "'my tools/otel-oom'"),
        ("/a/otel_oom/__main__.py", "/usr/bin", f"{sys.executable} -m otel_oom"),
    ],
)
def test_the_program_is_named_as_the_shell_finds_it(
    argv0: str, path: str, program: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", [argv0])
    monkeypatch.setenv("PATH", path)
    monkeypatch.setattr("shutil.which", lambda name: f"/opt/o/bin/{name}" if path == "/opt/o/bin" else None)
    assert command._program() == program


def test_the_variables_of_the_user_are_put_back(capsys: pytest.CaptureFixture[str]) -> None:
    before = dict(os.environ)
    assert command.run() == 0
    assert dict(os.environ) == before
    assert "oom.kills: 0 -> 1" in capsys.readouterr().out


@pytest.mark.parametrize(
    "variables",
    [
        {"HTTP_PROXY": "http://127.0.0.1:1", "HTTPS_PROXY": "http://127.0.0.1:1"},
        {"http_proxy": "http://127.0.0.1:1", "all_proxy": "socks5://127.0.0.1:1", "no_proxy": "nowhere"},
        {"ALL_PROXY": "http://127.0.0.1:1", "grpc_proxy": "http://127.0.0.1:1"},
        {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_EXPORTER_OTLP_ENDPOINT": "https://127.0.0.1:1"},
        {"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "not an endpoint", "OTEL_EXPORTER_OTLP_CLIENT_KEY": "/no/such/file"},
        {"OTEL_LOGS_EXPORTER": "none", "OTEL_METRICS_EXPORTER": "none", "OTEL_SDK_DISABLED": "true"},
        {"OTEL_EXPORTER_OTLP_HEADERS": "no header", "OTEL_METRIC_EXPORT_INTERVAL": "often"},
    ],
    ids=" ".join,
)
def test_no_variable_of_the_user_changes_the_way_to_the_receiver(
    variables: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert command.run() == 0
    assert "oom.kills: 0 -> 1" in capsys.readouterr().out


def test_a_kill_that_does_not_arrive_is_reported(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(RecordedLog, "play", lambda _: monkeypatch.setattr(command, "_PATIENCE_S", 0.2))
    assert command.run() == 1
    assert screen(capsys)[-1] == "Nothing arrived within 0 s."


def test_a_machine_without_a_cgroup_plays_the_recorded_kill(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def no_sandbox(*_: object) -> None:
        raise NoSandboxError("no cgroup file system is mounted")

    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setattr(command, "_try_device", lambda: None)
    monkeypatch.setattr(command, "Sandbox", no_sandbox)
    assert command.run() == 0
    assert screen(capsys)[0] == "No real kill here: no cgroup file system is mounted. A RECORDED one is played instead."


def test_what_others_post_to_the_port_is_not_shown() -> None:
    tests = str(Path(__file__).resolve().parents[2])
    done = subprocess.run(
        [sys.executable, "-c", _ATTACKED],
        env=environment(PYTHONPATH=tests, PYTHONUTF8="1"),
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert left_in(done.stdout + done.stderr) == []
    assert b"4242" not in done.stdout
    assert b"oom.kills: 0 -> 1" in done.stdout
    assert b"OOM-kill" in done.stdout
    assert done.stdout.count(b"forged") == 2, "in the reason and in the name of the program, both escaped"
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_record_is_shown_printable(capsys: pytest.CaptureFixture[str]) -> None:
    request = ExportLogsServiceRequest()
    record = request.resource_logs.add().scope_logs.add().log_records.add()
    text = HOSTILE[:-2]  # protobuf has no lone surrogates
    record.event_name = record.severity_text = record.body.string_value = text
    record.attributes.add(key=text).value.array_value.values.add().string_value = text
    command._show(Received(request, 0), 0, 1)
    assert left_in(capsys.readouterr().out.encode()) == []
