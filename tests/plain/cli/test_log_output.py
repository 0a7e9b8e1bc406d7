"""Log lines to a stderr that stands still, that fails, and that is read again."""

from __future__ import annotations

import errno
import io
import json
import logging
import os
import re
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import suppress

import pytest
from support.hostile_text import HOSTILE, left_in

from otel_oom.cli.log_format import FormatName
from otel_oom.cli.log_output import LogOutput

log = logging.getLogger("a.library")
MANY = 3000
"""Lines that fill a pipe of 64 KiB and the queue."""


class Stderr:
    """A pipe in the place of stderr."""

    def __init__(self) -> None:
        self.read_end, self.write_end = os.pipe()
        self.file = os.fdopen(self.write_end, "w", encoding="utf-8", closefd=False)
        self._seen = b""

    def read_until(self, words: str) -> list[str]:
        """Every line so far, when one of them has these words."""
        while words.encode() not in self._seen or not self._seen.endswith(b"\n"):
            self._seen += os.read(self.read_end, 65536)
        return self._seen.decode().splitlines()

    def close(self) -> None:
        for fd in (self.read_end, self.write_end):
            with suppress(OSError):
                os.close(fd)


@pytest.fixture
def stderr() -> Iterator[Stderr]:
    made = Stderr()
    yield made
    made.close()


@pytest.fixture
def output(stderr: Stderr) -> Iterator[LogOutput]:
    with LogOutput(stderr.file, lambda text: text.replace("secret", "[redacted]")) as made:
        made.write_in_background()
        yield made


@pytest.mark.parametrize("is_blocking", [True, False])
@pytest.mark.usefixtures("output")
def test_lines_that_nobody_reads_are_counted(stderr: Stderr, *, is_blocking: bool) -> None:
    os.set_blocking(stderr.write_end, is_blocking)
    for number in range(MANY):
        log.warning("line %d", number)
        time.sleep(0)  # so that the writer keeps pace until the pipe is full
    stderr.read_until("missing here")
    log.warning("the next")
    *written, missing, last = stderr.read_until("the next")
    assert last == "otel-oom: warning: the next"
    assert written == [f"otel-oom: warning: line {number}" for number in range(len(written))], "in order"
    count = re.fullmatch(r"otel-oom: warning: (\d+) log line\(s\) are missing here: stderr did not take them", missing)
    assert count is not None
    assert int(count[1]) + len(written) == MANY
    assert len(written) > 256


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, errno.EPIPE, errno.EBADF])
@pytest.mark.usefixtures("output")
def test_a_write_that_fails_drops_its_line(code: int, stderr: Stderr, monkeypatch: pytest.MonkeyPatch) -> None:
    tried = threading.Semaphore(0)

    def fail(*_: object) -> int:
        tried.release()
        raise OSError(code, "why")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", fail)
        for _ in range(2):
            log.warning("lost")
        assert tried.acquire(timeout=10)
        assert tried.acquire(timeout=10)
        assert tried.acquire(timeout=10), "the second line, after a first attempt to say what is missing"
    log.warning("the next")
    assert stderr.read_until("the next") == [
        "otel-oom: warning: 2 log line(s) are missing here: stderr did not take them",
        "otel-oom: warning: the next",
    ]


def test_the_last_lines_are_written(stderr: Stderr) -> None:
    with LogOutput(stderr.file, str) as output:
        output.write_in_background()
        for number in range(200):
            log.error("line %d", number)
    assert len(stderr.read_until("line 199")) == 200
    assert "log-output" not in {thread.name for thread in threading.enumerate()}


def test_a_full_pipe_does_not_hold_the_end(stderr: Stderr) -> None:
    with LogOutput(stderr.file, str) as output:
        output.write_in_background()
        for _ in range(MANY):
            log.error("x" * 1000)
            time.sleep(0)
    (thread,) = [thread for thread in threading.enumerate() if thread.name == "log-output"]
    os.close(stderr.read_end)  # the write fails now
    thread.join(10)
    assert not thread.is_alive()


@pytest.mark.usefixtures("output")
def test_each_line_is_bounded_and_redacted(stderr: Stderr) -> None:
    log.error("x" * 100_000)
    log.error("a %s, a lone surrogate \udc80", "secret")
    assert len(stderr.read_until("surrogate")[0]) == len("otel-oom: error: ") + 16_000
    assert stderr.read_until("surrogate")[1] == "otel-oom: error: a [redacted], a lone surrogate \\x80"


def test_a_line_that_cannot_be_formatted_is_said(stderr: Stderr, output: LogOutput) -> None:
    output.handle(logging.LogRecord("a.library", logging.ERROR, "", 0, "%d", ("no number",), None))
    assert stderr.read_until("log line") == ["otel-oom: error: a log line of a.library cannot be formatted: TypeError"]


@pytest.mark.usefixtures("output")
def test_no_text_can_begin_a_second_line(stderr: Stderr) -> None:
    """A message is one line. The lines of its traceback are indented, also those that an error's own text begins."""
    hostile = f"a secret{HOSTILE}\n"
    log.error("%s", hostile)
    log.error("%s", hostile, exc_info=ValueError(hostile))
    log.error("the end")
    lines = stderr.read_until("the end")
    assert left_in("\n".join(lines).encode()) == []
    assert [line[:17] for line in lines if not line.startswith("  ")] == ["otel-oom: error: "] * 3
    assert "  otel-oom: error: forged" in "\n".join(lines)
    assert all(r"a [redacted]\x1b]52;c;" in line for line in lines[:2])


def test_no_text_can_break_a_line_of_json(stderr: Stderr, output: LogOutput) -> None:
    output.use_format("json", {})
    hostile = f'a secret"}}{HOSTILE}\n'
    log.error("%s", hostile, exc_info=ValueError(hostile))
    log.error("the end")
    shown, end = (json.loads(line) for line in stderr.read_until("the end"))
    assert left_in(json.dumps(shown).encode()) == []
    assert shown["message"].startswith('a [redacted]"}')
    assert "[redacted]" in shown["traceback"]
    assert "secret" not in str(shown)
    assert (set(end), end["message"]) == ({"time", "level", "message"}, "the end")


@pytest.mark.parametrize(
    ("name", "expected"),
    [("auto", "<4>2 log line(s) are missing"), ("json", '"message":"2 log line(s) are')],
)
def test_the_line_about_missing_lines_has_the_same_form(
    name: FormatName, expected: str, stderr: Stderr, monkeypatch: pytest.MonkeyPatch
) -> None:
    status = os.fstat(stderr.write_end)
    with LogOutput(stderr.file, str) as output:
        output.use_format(name, {"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"})
        write = os.write
        failures = [OSError(errno.ENOSPC, "full")] * 3

        def fail(fd: int, data: bytes) -> int:
            if failures:
                raise failures.pop()
            return write(fd, data)

        monkeypatch.setattr(os, "write", fail)
        output.write_in_background()
        for text in ("lost", "lost", "the next"):
            log.warning(text)
        assert expected in stderr.read_until("the next")[0]


def test_an_error_in_the_redaction_loses_the_line_alone(stderr: Stderr) -> None:
    def redact(text: str) -> str:
        if "one" in text:
            raise MemoryError
        return text

    with LogOutput(stderr.file, redact) as output:
        output.write_in_background()
        log.warning("one")
        log.warning("two")
    assert stderr.read_until("two") == [
        "otel-oom: warning: 1 log line(s) are missing here: stderr did not take them",
        "otel-oom: warning: two",
    ]


def test_a_line_is_redacted_by_the_thread_that_writes(stderr: Stderr) -> None:
    """The reader of the kernel log logs each kill. What is dear, the redaction, is done by the thread that writes."""
    redacted_by: set[str] = set()

    def redact(text: str) -> str:
        redacted_by.add(threading.current_thread().name)
        return text

    with LogOutput(stderr.file, redact) as output:
        output.write_in_background()
        log.info("java (pid 4711) was OOM-killed")
    assert redacted_by == {"log-output"}


@pytest.mark.usefixtures("output")
def test_what_python_writes_itself_is_logged(stderr: Stderr) -> None:
    def fail() -> None:
        raise ValueError("secret")

    class Fails:
        def __del__(self) -> None:
            raise ValueError("secret")

    thread = threading.Thread(target=fail, name="worker")
    thread.start()
    thread.join()
    del_fails = Fails()
    del del_fails
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("a secret", stacklevel=1)
    text = "\n".join(stderr.read_until("UserWarning"))
    assert "otel-oom: error: bug: the thread worker ended: ValueError('[redacted]')\n  Traceback" in text
    assert "otel-oom: error: bug: an error where none can be raised: ValueError('[redacted]')" in text
    assert "UserWarning: a [redacted]" in text
    assert "secret" not in text


def test_without_a_file_descriptor_lines_go_to_the_object() -> None:
    stream = io.StringIO()
    with LogOutput(stream, str):
        log.error("said")
    assert stream.getvalue() == "otel-oom: error: said\n"


def test_the_loggers_are_as_before_at_the_end(stderr: Stderr) -> None:
    root = logging.getLogger()
    before = (root.level, list(root.handlers), threading.excepthook, sys.unraisablehook)
    with LogOutput(stderr.file, str) as output:
        output.write_in_background()
        assert root.level == logging.INFO
    assert (root.level, list(root.handlers), threading.excepthook, sys.unraisablehook) == before
