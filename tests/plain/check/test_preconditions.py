"""`otel-oom check` as a user runs it: all checks, the output for people and for programs, the exit code."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support.agents import environment
from support.otlp_receiver import OtlpReceiver

from otel_oom.check import preconditions
from otel_oom.check.finding import Finding
from otel_oom.cli.main import main

FOUND = (
    Finding("kernel log", "ok", "/dev/kmsg can be read"),
    Finding("log ring", "warning", "it is\nsmall", "boot with more"),
    Finding("spool", "failed", "\x1b]0;x cannot be written", "repair it"),
)
NAMES = [
    *("kernel log", "log ring", "kill counter", "pid namespace", "cgroup namespace", "cgroup filesystem", "spool"),
    *("logs", "metrics", "clock", "process limits", "OOM score", "locked memory"),
]
PLAYED = """
import sys
from otel_oom.check import kernel_log
from otel_oom.kernel.recorded_log import RecordedLog
kernel_log.Device = lambda *_, **__: RecordedLog()
from otel_oom.cli.main import main
sys.exit(main(["check", *sys.argv[1:]]))
"""


def run(*arguments: str, **variables: str) -> tuple[int, dict[str, Any]]:
    done = subprocess.run(
        [sys.executable, "-c", PLAYED, "--output", "json", *arguments],
        env=environment(**variables),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "canary" not in done.stdout + done.stderr
    return done.returncode, json.loads(done.stdout)


def test_a_machine_that_has_all(tmp_path: Path) -> None:
    with OtlpReceiver("http/protobuf") as receiver:
        code, found = run("--spool", str(tmp_path), **receiver.settings)
    assert (code, found["ok"], [one["name"] for one in found["checks"]]) == (0, True, NAMES)


def test_no_device_and_no_collector() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "otel_oom", "check", "--output", "json", "--device", "/nowhere"],
        env=environment(OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:1"),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    found = json.loads(done.stdout)
    failed = [one["name"] for one in found["checks"] if one["status"] == "failed"]
    assert (done.returncode, found["ok"], failed) == (1, False, ["kernel log", "logs", "metrics"])
    assert all(one["remedy"] for one in found["checks"] if one["status"] != "ok")


def test_a_setting_that_is_probably_wrong_is_a_warning() -> None:
    _, found = run(OTEL_OOM_SPOOOL="/a", OTEL_LOGS_EXPORTER="none", OTEL_METRICS_EXPORTER="none")
    assert [one["name"] for one in found["checks"]][:2] == ["settings", "settings"]


@pytest.mark.parametrize(("count", "code"), [(1, 0), (2, 0), (3, 1)])
def test_only_a_failed_check_fails(
    count: int, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(preconditions, "check_all", lambda _: iter(FOUND[:count]))
    assert main(["check"]) == code
    assert "\x1b" not in capsys.readouterr().out


def test_the_lines_for_people(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(preconditions, "check_all", lambda _: iter(FOUND))
    main(["check"])
    assert capsys.readouterr().out.splitlines() == [
        "ok       kernel log         /dev/kmsg can be read",
        "warning  log ring           it is small",
        "                            boot with more",
        "failed   spool              \\x1b]0;x cannot be written",
        "                            repair it",
        "3 checks: 1 failed, 1 warning(s)",
    ]


@pytest.mark.parametrize(
    ("variables", "is_coloured"), [({"TERM": "xterm"}, True), ({"TERM": "dumb"}, False), ({"NO_COLOR": "1"}, False)]
)
def test_colours_are_for_terminals(variables: dict[str, str], is_coloured: bool) -> None:  # noqa: FBT001 a column
    ours, theirs = pty.openpty()
    settings = {"TERM": "xterm", "OTEL_LOGS_EXPORTER": "none", "OTEL_METRICS_EXPORTER": "none", **variables}
    with subprocess.Popen([sys.executable, "-c", PLAYED], env=environment(**settings), stdout=theirs) as process:
        os.close(theirs)
        shown = b""
        try:
            while part := os.read(ours, 65536):
                shown += part
        except OSError:  # EIO: the other end is closed
            pass
        process.wait(60)
    os.close(ours)
    assert (b"\x1b[32mok " in shown) == is_coloured
    assert b"kernel log" in shown
