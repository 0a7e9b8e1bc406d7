"""The commands as a person meets them: what is wrong is one line with its mend, and the exit code says which."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from support.agents import environment

from otel_oom import __version__, schema


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
        (("run", "--sppol"), {}, 2, "unrecognized arguments: --sppol; see otel-oom --help"),
        (("fly",), {}, 2, "argument COMMAND: invalid choice: 'fly'"),
        ((), {}, 2, "the following arguments are required: COMMAND; see otel-oom --help"),
        (
            ("run", "--device", "/no/such/kmsg"),
            {},
            69,
            "cannot open /no/such/kmsg: No such file or directory; give the",
        ),
        (("run", "--device", "/dev/zero"), {}, 69, "/dev/zero is no kernel log device; name it with --device"),
        (
            ("run",),
            {"OTEL_EXPORTER_OTLP_PROTOCOL": "http/json"},
            2,
            "OTEL_EXPORTER_OTLP_PROTOCOL='http/json' is not supported; use one of: grpc, http/protobuf",
        ),
        (
            ("run",),
            {"OTEL_EXPORTER_OTLP_ENDPOINT": "collector:4318"},
            2,
            "'collector:4318' is no endpoint for http/protobuf; write it as http://HOST:4318",
        ),
        (
            ("run",),
            {"OTEL_EXPORTER_OTLP_TIMEOUT": "5s"},
            2,
            "OTEL_EXPORTER_OTLP_TIMEOUT='5s' is no duration; give whole milliseconds above 0, such as 5000",
        ),
        (("run",), {"OTEL_METRICS_EXPORTER": "prometheus"}, 2, "use one of: otlp, console, none"),
        (("run",), {"OTEL_OOM_FROM_RING": "yes"}, 2, "OTEL_OOM_FROM_RING='yes' is neither true nor false"),
        (
            ("run", "--spool", "here"),
            {},
            2,
            "--spool 'here' is neither `none` nor an absolute path; write --spool /a/dir",
        ),
        (("run", "--spool-required"), {}, 2, "the spool is required, and it is `none`; give one of the two up"),
        (
            ("run", "--spool", "/proc/nowhere", "--spool-required"),
            {},
            73,
            "cannot open the spool /proc/nowhere: [Errno 2] No such file or directory: '/proc/nowhere'; mend the",
        ),
        (("run", "--oom-score-adj", "-1001"), {}, 2, "--oom-score-adj '-1001' is no such number; give one from -1000"),
        (("run",), {"OTEL_OOM_SCORE_ADJ": "low"}, 2, "--oom-score-adj 'low' is no such number"),
        (("run",), {"OTEL_ATTRIBUTE_COUNT_LIMIT": "many"}, 2, "OpenTelemetry refuses its settings: "),
    ],
)
def test_what_is_wrong_is_one_line_with_its_mend(
    arguments: tuple[str, ...], variables: dict[str, str], code: int, line: str
) -> None:
    done = run(*arguments, **variables)
    assert done.returncode == code, done.stderr
    assert done.stderr.startswith("otel-oom: error: ")
    assert line in done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""


def test_the_version_is_said() -> None:
    assert run("--version").stdout == f"otel-oom {__version__}\n"


def test_the_contract_is_printed_for_programs() -> None:
    contract = json.loads(run("schema", "--output", "json").stdout)
    assert [item["name"] for item in contract["attributes"]] == [item.name for item in schema.ATTRIBUTES]
    assert [metric["name"] for metric in contract["metrics"]] == [metric.name for metric in schema.METRICS]


def test_the_contract_is_printed_for_people() -> None:
    done = run("schema")
    assert done.returncode == 0
    assert "| `oom.victim.comm` | string |" in done.stdout


def test_a_pipe_that_closes_is_no_error() -> None:
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", f"{sys.executable} -m otel_oom schema | head -1"],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
