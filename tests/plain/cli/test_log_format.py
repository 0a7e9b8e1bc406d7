"""The form of a log line: for people, for the journal, and as JSON."""

from __future__ import annotations

import io
import json
import logging
import os
from pathlib import Path

import pytest
from support.hostile_text import HOSTILE, left_in

from otel_oom.cli.log_format import Entry, LineFormat, as_journal, as_json, as_text, choose_format

AT_S = 1_772_366_400.2509
"""2026-03-01 12:00:00.2509 UTC."""
BUG = "Traceback (most recent call last):\n  File x\nValueError: why"


@pytest.mark.parametrize(
    ("level", "word", "priority"),
    [
        (logging.CRITICAL, "critical", 2),
        (logging.ERROR, "error", 3),
        (logging.WARNING, "warning", 4),
        (logging.INFO, "info", 6),
        (logging.DEBUG, "debug", 7),
    ],
)
def test_each_level_in_each_form(level: int, word: str, priority: int) -> None:
    entry = Entry(level, AT_S, "stopped")
    assert as_text(entry) == f"otel-oom: {word}: stopped\n"
    assert as_journal(entry) == f"<{priority}>stopped\n"
    assert as_json(entry) == f'{{"time":"2026-03-01T12:00:00.250Z","level":"{word}","message":"stopped"}}\n'


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        (as_text, "otel-oom: error: a bug\n  Traceback (most recent call last):\n    File x\n  ValueError: why\n"),
        (as_journal, "<3>a bug\n<3>  Traceback (most recent call last):\n<3>    File x\n<3>  ValueError: why\n"),
    ],
)
def test_a_traceback_stands_below_its_message(form: LineFormat, expected: str) -> None:
    assert form(Entry(logging.ERROR, AT_S, "a bug", BUG)) == expected


def test_a_traceback_in_json_is_a_field() -> None:
    line = as_json(Entry(logging.ERROR, AT_S, "a bug", BUG))
    assert line.count("\n") == 1
    assert json.loads(line) == {
        "time": "2026-03-01T12:00:00.250Z",
        "level": "error",
        "message": "a bug",
        "traceback": BUG,
    }


@pytest.mark.parametrize("message", ['a "quoted" \\ path', "caf\u00e9 \u6f22", 'x","level":"none', HOSTILE])
def test_no_message_breaks_a_line_of_json(message: str) -> None:
    line = as_json(Entry(logging.INFO, AT_S, message))
    assert json.loads(line)["message"] == message
    assert json.loads(line)["level"] == "info"
    assert left_in(line.encode("ascii")) == []


@pytest.mark.parametrize(
    ("name", "stream", "expected"),
    [
        pytest.param("auto", "{device}:{inode}", as_journal, id="the journal"),
        pytest.param("auto", "{device}:1", as_text, id="redirected to another inode"),
        pytest.param("auto", "1:{inode}", as_text, id="redirected to another device"),
        pytest.param("auto", "", as_text, id="no journal"),
        pytest.param("auto", "x", as_text, id="no stream"),
        pytest.param("text", "{device}:{inode}", as_text, id="text in the journal"),
        pytest.param("json", "{device}:{inode}", as_json, id="JSON in the journal"),
        pytest.param("json", "", as_json, id="JSON"),
    ],
)
def test_the_journal_is_known_by_its_device_and_inode(
    name: str, stream: str, expected: LineFormat, tmp_path: Path
) -> None:
    with (tmp_path / "stderr").open("w") as stderr:
        status = os.fstat(stderr.fileno())
        environment = {"JOURNAL_STREAM": stream.format(device=status.st_dev, inode=status.st_ino)} if stream else {}
        assert choose_format(name, stderr, environment) is expected  # type: ignore[arg-type]


def test_a_stderr_without_a_file_is_no_journal() -> None:
    closed = open(os.devnull, "w")  # noqa: PTH123, SIM115 closed below
    closed.close()
    for stderr in (io.StringIO(), closed):
        assert choose_format("auto", stderr, {"JOURNAL_STREAM": "1:1"}) is as_text
