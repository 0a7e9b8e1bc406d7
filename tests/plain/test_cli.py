"""The command line as a user sees it: help, and for each failure one line with its remedy and an exit code."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from support.agents import environment

from otel_oom import URL, __version__, schema
from otel_oom.cli.main import main
from otel_oom.config.options import OWN
from otel_oom.config.standard_variables import STANDARD
from otel_oom.schema import render

COMMANDS = ("run", "check", "demo", "parse", "schema")


def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "otel_oom", *arguments],
        env=environment(**variables),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


@pytest.mark.parametrize(
    ("arguments", "variables", "code", "line"),
    [
        (("run", "--sppol"), {}, 2, "unrecognized arguments: --sppol; see otel-oom run --help"),
        (("parse", "--sppol"), {}, 2, "unrecognized arguments: --sppol; see otel-oom parse --help"),
        (("parse", "--output", "xml"), {}, 2, "argument --output: invalid choice: 'xml' (choose from"),
        (("run", "--spool"), {}, 2, "argument --spool: expected one argument; see otel-oom run --help"),
        (("--sppol",), {}, 2, "unrecognized arguments: --sppol; see otel-oom --help"),
        (("run", "--header", "x-key=secret"), {}, 2, "unrecognized arguments: --header; see otel-oom run --help"),
        (("run", "--header=x-key=secret"), {}, 2, "unrecognized arguments: --header; see otel-oom run --help"),
        (("run", "fly"), {}, 2, "unrecognized arguments: fly; see otel-oom run --help"),
        (("fly",), {}, 2, "argument COMMAND: invalid choice: 'fly'"),
        (
            ("run", "--device", "/no/such/kmsg"),
            {},
            69,
            "cannot open /no/such/kmsg: No such file or directory; docker run",
        ),
        (("run", "--device", "/dev/zero"), {}, 69, "/dev/zero is no kernel log device; name the character device 1:11"),
        (
            ("run",),
            {"OTEL_CONFIG_FILE": "/etc/otel.yaml", "OTEL_LOGS_EXPORTER": "none"},
            2,
            "OTEL_CONFIG_FILE is set, and otel-oom reads no configuration file; unset it for otel-oom",
        ),
        (
            ("run",),
            {"OTEL_EXPORTER_OTLP_ENDPOINT": "collector:4318"},
            2,
            "'collector:4318' is not an endpoint for http/protobuf; write it as http://HOST:4318",
        ),
        (("run",), {"OTEL_OOM_FROM_RING": "yes"}, 2, "OTEL_OOM_FROM_RING='yes' is neither true nor false"),
        (
            ("run", "--spool", "here"),
            {},
            2,
            "--spool 'here' is neither `none` nor an absolute path; write it as /a/directory",
        ),
        (
            ("run", "--spool-required"),
            {},
            2,
            "--spool-required and OTEL_OOM_SPOOL='none' contradict each other; name a directory with --spool or OTEL",
        ),
        (
            ("run", "--spool", "/proc/nowhere", "--spool-required"),
            {},
            73,
            "cannot open the spool /proc/nowhere: [Errno 2] No such file or directory: '/proc/nowhere'; repair the",
        ),
        (
            ("run", "--oom-score-adj", "-1001"),
            {},
            2,
            "--oom-score-adj '-1001' is not a score; give -1000",
        ),
        (("run",), {"OTEL_OOM_SCORE_ADJ": "low"}, 2, "OTEL_OOM_SCORE_ADJ='low' is not a score"),
        (
            ("run",),
            {"OTEL_EXPORTER_OTLP_HEADERS": "x-key=a%0Ab"},
            2,
            "HEADERS: 'x-key' is no header that HTTP",
        ),
    ],
)
def test_a_failure_is_one_line_with_its_remedy(
    arguments: tuple[str, ...], variables: dict[str, str], code: int, line: str
) -> None:
    done = run(*arguments, **variables)
    assert done.returncode == code, done.stderr
    assert done.stderr.startswith("otel-oom: error: ")
    assert line in done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""


def test_the_version_is_printed() -> None:
    assert run("--version").stdout == f"otel-oom {__version__}\n"


@pytest.mark.parametrize("variable", ["OTEL_EXPORTER_OTLP_HEADERS", "OTEL_EXPORTER_OTLP_LOGS_HEADERS"])
@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])
def test_a_malformed_header_is_not_shown(protocol: str, variable: str) -> None:
    """It may be a key. The other setting ends the agent at its start."""
    done = run(
        "run",
        OTEL_EXPORTER_OTLP_PROTOCOL=protocol,
        **{variable: "authorization Bearer secret"},
        OTEL_EXPORTER_OTLP_ENDPOINT="https://localhost:1",
        OTEL_PYTHON_EXPORTER_OTLP_HTTP_METRICS_CREDENTIAL_PROVIDER="no-such",
        OTEL_PYTHON_EXPORTER_OTLP_GRPC_CREDENTIAL_PROVIDER="no-such",
    )
    assert done.returncode == 2
    assert done.stderr.count(f"warning: {variable}: a header is left out because it is malformed") == 1
    assert "secret" not in done.stderr


def test_without_a_command_the_help_is_shown() -> None:
    done = run()
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == run("--help").stdout
    assert "Documentation: docs/ in the source\n" in done.stdout
    assert all(f"\n    {command} " in done.stdout for command in COMMANDS)


def test_the_help_of_run_names_every_setting() -> None:
    shown = run("run", "--help").stdout
    assert [item.variable for item in (*OWN, *STANDARD) if item.variable not in shown] == []
    assert [item.flag for item in OWN if f"\n  {item.flag}" not in shown] == []
    assert "\n  OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4318 otel-oom run\n" in shown


@pytest.mark.parametrize("columns", [60, 80, 120])
@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_a_help_fits_the_terminal(
    command: str, columns: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A word may be longer because it must not be broken; so may an example where fewer than 80 columns are left."""
    monkeypatch.setenv("COLUMNS", str(columns))
    with pytest.raises(SystemExit):
        main([*filter(None, [command]), "--help"])
    shown = capsys.readouterr().out.splitlines()
    too_long = [line for line in shown if len(line) > columns and len(line.split()) > 1]
    assert [line for line in too_long if columns >= 80 or " otel-oom " not in line] == []
    assert max(map(len, shown)) > columns / 2


def test_a_help_is_printed_in_any_encoding() -> None:
    done = run("run", "--help", PYTHONIOENCODING="ascii", PYTHONUTF8="0")
    assert (done.returncode, done.stderr) == (0, "")
    assert "x-honeycomb-team=\\u2026" in done.stdout


def test_the_schema_is_printed_as_json() -> None:
    telemetry = json.loads(run("schema", "--output", "json").stdout)
    assert [item["name"] for item in telemetry["attributes"]] == [item.name for item in schema.ATTRIBUTES]
    assert [metric["name"] for metric in telemetry["metrics"]] == [metric.name for metric in schema.METRICS]


def test_the_schema_is_printed_as_tables() -> None:
    done = run("schema")
    assert done.returncode == 0
    assert "| `oom.victim.comm` | string |" in done.stdout


SYSLOG = "Jan 1 00:00:00 host kernel: Out of memory: Killed process 7 (victim) total-vm:4kB\n"


@pytest.mark.parametrize(
    "arguments", ["schema", "", "--help", "run --help", "--version", "parse -", "demo", "check", "check --live"]
)
@pytest.mark.parametrize("stdout", [">/dev/full", ">&-"])
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_an_output_that_cannot_be_written_is_one_line(arguments: str, stdout: str, unbuffered: str) -> None:
    done = subprocess.run(
        ["sh", "-c", f"{sys.executable} -m otel_oom {arguments} {stdout}"],
        env=environment(PYTHONUNBUFFERED=unbuffered),
        input=SYSLOG,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    why = "No space left on device" if "full" in stdout else "Bad file descriptor"
    line = f"otel-oom: error: stdout cannot be written: {why}; write to another place\n"
    assert (done.returncode, done.stderr) == (74, line)


@pytest.mark.parametrize("stderr", ["2>/dev/full", "2>&-"])
@pytest.mark.parametrize(
    ("arguments", "code"), [("schema", 0), ("fly", 2), ("parse /nowhere", 66), ("parse /dev/null", 0)]
)
def test_a_stderr_that_cannot_be_written_changes_nothing(arguments: str, code: int, stderr: str) -> None:
    command = ["sh", "-c", f"{sys.executable} -m otel_oom {arguments} {stderr}"]
    assert subprocess.run(command, env=environment(), capture_output=True, timeout=30, check=False).returncode == code


@pytest.mark.parametrize(
    ("arguments", "line"), [("parse", "no file is named"), ("parse -", "standard input is closed")]
)
def test_a_closed_stdin_is_one_line(arguments: str, line: str) -> None:
    done = subprocess.run(
        ["sh", "-c", f"{sys.executable} -m otel_oom {arguments} <&-"],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith(f"otel-oom: error: {line}; ")
    assert done.stderr.count("\n") == 1


def test_a_closed_pipe_is_not_an_error() -> None:
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", f"{sys.executable} -m otel_oom schema | head -1"],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


class TestInThisProcess:
    """The same program without a process of its own, where its exit code alone counts."""

    def test_a_command_returns_its_exit_code(self, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
        empty = tmp_path / "empty.log"
        empty.touch()
        assert main(["schema"]) == 0
        assert main(["parse", str(empty)]) == 0
        assert main(["parse", str(tmp_path / "no such file")]) == 66
        assert main(["fly"]) == 2
        assert main(["run", "--fly"]) == 2
        assert main([]) == 0
        assert capsys.readouterr().out.count("usage: otel-oom") == 1

    @pytest.mark.parametrize(
        ("error", "code", "line"),
        [
            (KeyboardInterrupt(), 130, ""),
            (
                ZeroDivisionError("why"),
                70,
                f"a bug in otel-oom {__version__}; please report it at {URL}/issues with the lines below",
            ),
        ],
    )
    def test_a_command_that_fails_has_an_exit_code(
        self,
        error: BaseException,
        code: int,
        line: str,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        def fail() -> str:
            raise error

        monkeypatch.setattr(render, "markdown", fail)
        assert main(["schema"]) == code
        assert caplog.messages == ([line] if line else [])

    def test_the_demo_is_a_command(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("otel_oom.demo.command.run", lambda: 1)
        assert main(["demo"]) == 1
