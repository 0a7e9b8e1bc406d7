"""What `otel-oom run` says of a kill, of its spool and of its deliveries, in a process of its own."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from support.agents import environment
from support.otlp_receiver import OtlpReceiver
from support.otlp_servers import Answer
from support.played_agent import PLAYED, command, has_arrived, started
from support.waiting import eventually

from otel_oom.kernel.recorded_log import RecordedLog

KILL = r"\S+ \(pid \d+\) was OOM-killed: .*"


def said(directory: Path) -> list[str]:
    return (directory / "stderr").read_text().splitlines()


def words(lines: list[str], level: str = "info") -> list[str]:
    """The lines of a level, without those that depend on this machine."""
    begin = f"otel-oom: {level}: "
    machine = ("kills without a report", "SIGTERM", "watching", "otel-oom ")
    texts = [line.removeprefix(begin) for line in lines if line.startswith(begin)]
    return [text for text in texts if not text.startswith(machine)]


def run(receiver: OtlpReceiver, directory: Path, **variables: str) -> list[str]:
    """Stop the agent when the kill and its count have arrived."""
    with started(receiver, directory, **variables) as process:
        assert eventually(lambda: has_arrived(receiver), within_s=30)
        process.terminate()
        assert process.wait(10) == 0
    return said(directory)


def test_a_run_from_its_start_to_its_stop(tmp_path: Path) -> None:
    with OtlpReceiver("http/protobuf") as receiver:
        lines = run(receiver, tmp_path)
        where = f"http://127.0.0.1:{receiver.port} (http/protobuf)"
    begin = next(number for number, line in enumerate(lines) if line.startswith("otel-oom: info: otel-oom "))
    assert re.fullmatch(r"otel-oom: info: otel-oom \S+, pid \d+, Linux \S+, Python \S+", lines[begin])
    spool = f"spool {tmp_path / 'spool'}; 0 undelivered event(s), counting begins at 0 kills"
    assert lines[begin + 1] == f"otel-oom: info: {spool}"
    assert "watching" in lines[begin + 2]
    in_any_order = words(lines[begin + 3 :])
    assert sorted(line for line in in_any_order if "first export" in line) == [
        f"the first export of {signal} was accepted by {where}" for signal in ("logs", "metrics")
    ]
    (kill,) = [line for line in in_any_order if "OOM-killed" in line]
    assert re.fullmatch(KILL, kill)
    assert in_any_order[-2:] == ["delivered 1 event(s) since the start; nothing is left", "stopped"]
    assert words(lines, "error") == []


def test_what_a_dead_collector_did_not_take_is_kept_and_delivered_later(tmp_path: Path) -> None:
    with OtlpReceiver("http/protobuf") as receiver:
        receiver.script.otherwise = Answer(503)
        with started(receiver, tmp_path) as process:
            assert eventually(lambda: any("cannot deliver logs" in line for line in said(tmp_path)), within_s=30)
            process.terminate()
            assert process.wait(10) == 0
        kept = f"stay in the spool {tmp_path / 'spool'} for the next start"
        assert words(said(tmp_path))[-3:] == [
            "delivered 0 event(s) since the start",
            f"1 undelivered event(s) and the newest counts (1 kill(s) in all) {kept}",
            "stopped",
        ]
        receiver.script.otherwise = Answer()
        lines = words(run(receiver, tmp_path))
    assert f"spool {tmp_path / 'spool'}; 1 undelivered event(s), counting goes on from 1 kill(s)" in lines
    assert any(line.startswith("delivered 1 event(s) that had waited, the oldest for ") for line in lines)


def test_what_ends_with_the_process_is_said(tmp_path: Path) -> None:
    with OtlpReceiver("http/protobuf") as receiver:
        receiver.script.otherwise = Answer(503)
        with started(receiver, tmp_path, OTEL_OOM_SPOOL="none") as process:
            assert eventually(lambda: any("cannot deliver logs" in line for line in said(tmp_path)), within_s=30)
            process.terminate()
            assert process.wait(10) == 0
    lines = said(tmp_path)
    no_spool = "no spool: undelivered events and counts end with this process"
    assert words(lines)[0] == f"{no_spool}; 0 undelivered event(s), counting begins at 0 kills"
    assert words(lines)[-2:] == ["delivered 0 event(s) since the start", "stopped"]
    (given_up,) = words(lines, "error")
    assert given_up.startswith("gave up 1 undelivered event(s) and the newest counts (1 kill(s) in all): they were in ")


@pytest.mark.parametrize(("variables", "is_shown"), [({}, True), ({"OTEL_OOM_LOG_KILLS": "false"}, False)])
def test_the_lines_of_kills_can_be_left_out(variables: dict[str, str], tmp_path: Path, *, is_shown: bool) -> None:
    with OtlpReceiver("http/protobuf") as receiver:
        lines = run(receiver, tmp_path, **variables)
    assert any("OOM-killed" in line for line in lines) is is_shown


def test_every_line_is_json_for_containers(tmp_path: Path) -> None:
    began = datetime.now(timezone.utc) - timedelta(seconds=1)
    with OtlpReceiver("http/protobuf") as receiver:
        lines = [json.loads(line) for line in run(receiver, tmp_path, OTEL_OOM_LOG_FORMAT="json")]
    assert {tuple(line) for line in lines} == {("time", "level", "message")}
    assert {line["level"] for line in lines} <= {"info", "warning"}
    assert all(line["time"].endswith("Z") for line in lines)
    times = [datetime.fromisoformat(line["time"].replace("Z", "+00:00")) for line in lines]
    assert began < times[0] <= times[-1] < datetime.now(timezone.utc)
    assert any(re.fullmatch(KILL, line["message"]) for line in lines)
    assert lines[-1]["message"] == "stopped"


@contextmanager
def _journal(directory: Path, **variables: str) -> Iterator[subprocess.Popen[bytes]]:
    """The standard error is a file that the environment calls the journal."""
    with (directory / "stderr").open("wb") as stderr:
        status = os.fstat(stderr.fileno())
        stream = {"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"}
        settings = environment(OTEL_LOGS_EXPORTER="none", OTEL_METRICS_EXPORTER="none", **stream, **variables)
        with subprocess.Popen(command("", PLAYED), env=settings, stderr=stderr) as process:
            try:
                yield process
            finally:
                process.kill()


def test_the_lines_have_priorities_in_the_journal(tmp_path: Path) -> None:
    with _journal(tmp_path) as process:
        assert eventually(lambda: any("OOM-killed" in line for line in said(tmp_path)), within_s=30)
        process.terminate()
        assert process.wait(10) == 0
    lines = said(tmp_path)
    assert [line for line in lines if not re.match("<[46]>[^<]", line)] == []
    assert any(re.fullmatch(f"<6>{KILL}", line) for line in lines)
    assert any(line.startswith("<4>no kill is reported to anybody, because both exporters are") for line in lines)


def test_a_start_that_fails_has_a_priority_in_the_journal(tmp_path: Path) -> None:
    with _journal(tmp_path, OTEL_OOM_SCORE_ADJ="low") as process:
        assert process.wait(30) == 2
    assert [line[:32] for line in said(tmp_path)] == ["<3>OTEL_OOM_SCORE_ADJ='low' is n"]


def test_the_recording_has_one_kill() -> None:
    """The tests here count on it."""
    recording = RecordedLog()
    recording.play()
    assert sum(b"Killed process" in getattr(item, "raw", b"") for item in iter(recording.read, None)) == 1
