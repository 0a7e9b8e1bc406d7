"""Log lines of a command on stderr. The threads of `otel-oom run` never wait for the reader of stderr.

A pipe that nobody reads is full after 64 KiB: a journald without memory, `docker logs` in blocking mode. A terminal
stops at Ctrl-S. Then a write blocks without end. So `run` hands its lines to a thread that only writes.

Why not logging.handlers.QueueListener: its `stop` joins without a limit, and its queue's lock is not reentrant, so a
signal handler that logs could block itself.

Rules:
- At most 256 lines wait. While they wait, later lines are dropped and counted; the next line says how many.
- A write that fails (closed stderr, no reader, full disk) drops the line, and is no error.
- Every line passes the redaction (`redaction`) and is printable (`printable_text`). Only faulthandler and gRPC's C core
  write to stderr by themselves. The writing thread does both: a line costs the thread that logs about 50 µs.
- The form of a line is `log_format`'s, from `use_format` on; before it is text for people.
- A message is one line. The lines of a traceback follow it, indented. So no text in a message can begin a second one.
"""

from __future__ import annotations

import faulthandler
import logging
import os
import select
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from queue import SimpleQueue
from typing import Final, TextIO

from otel_oom.cli.log_format import Entry, FormatName, LineFormat, as_text, choose_format
from otel_oom.printable_text import printable_text

log = logging.getLogger(__name__)

_MAX_LINES: Final = 256
_MAX_CHARACTERS: Final = 16_000  # of one line; a traceback is one line here
_FORMATTER: Final = logging.Formatter()
_LAST_WRITES_S: Final = 0.1  # of the three seconds in which a stop is promised


class LogOutput(logging.Handler):
    """A context in which all loggers write to stderr. redact: removes secrets from a text."""

    def __init__(self, stderr: TextIO, redact: Callable[[str], str]) -> None:
        super().__init__()
        self._redact = redact
        self._stderr = stderr
        self._format: LineFormat = as_text
        self._lines: SimpleQueue[Entry | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._dropped = 0
        self._level_before = logging.WARNING
        self._hooks_before = (threading.excepthook, sys.unraisablehook)

    def __enter__(self) -> LogOutput:
        root = logging.getLogger()
        self._level_before = root.level
        root.setLevel(logging.INFO)
        root.addHandler(self)
        return self

    def __exit__(self, *_: object) -> None:
        root = logging.getLogger()
        root.removeHandler(self)
        root.setLevel(self._level_before)
        logging.captureWarnings(capture=False)
        threading.excepthook, sys.unraisablehook = self._hooks_before
        self.close()

    def use_format(self, name: FormatName, environment: Mapping[str, str]) -> None:
        """From now on the lines have this form, see `log_format`."""
        self._format = choose_format(name, self._stderr, environment)

    def write_in_background(self) -> None:
        """From now on a thread of its own writes. What Python itself would write to stderr is logged too."""
        thread = threading.Thread(target=self._write_queued, name="log-output", daemon=True)
        thread.start()
        self._thread = thread  # only now: where no thread can be started, the lines are still written
        logging.captureWarnings(capture=True)
        threading.excepthook = _log_thread_error
        sys.unraisablehook = _log_unraisable

    def close(self) -> None:
        """Write the lines that wait, for at most 0.1 s."""
        thread, self._thread = self._thread, None
        if thread is not None:
            self._lines.put(None)
            thread.join(_LAST_WRITES_S)
        super().close()

    def emit(self, record: logging.LogRecord) -> None:
        """Write or queue one record. It does not raise."""
        try:
            entry = _raw_entry(record)
            if len(entry.message) + len(entry.traceback) > _MAX_CHARACTERS:
                entry = self._clean(entry)  # cut only after the redaction, which finds whole secrets
        except Exception as error:  # noqa: BLE001 a library may log arguments that do not fit
            message = f"a log line of {record.name} cannot be formatted: {type(error).__name__}"
            entry = Entry(record.levelno, record.created, message)
        if self._thread is None:
            self._write(entry)
        elif self._dropped or self._lines.qsize() >= _MAX_LINES:
            self._dropped += 1  # until all waiting lines are written: so the number stands where lines are missing
        else:
            self._lines.put(entry)

    def _clean(self, entry: Entry) -> Entry:
        """The entry without secrets, of bounded length, with the message in one printable line."""
        message = printable_text(self._redact(entry.message).rstrip("\n"))[:_MAX_CHARACTERS]
        trace = "\n".join(map(printable_text, self._redact(entry.traceback).split("\n")))
        return replace(entry, message=message, traceback=trace[: _MAX_CHARACTERS - len(message)])

    def _write_queued(self) -> None:
        lost = 0
        while (entry := self._lines.get()) is not None:
            lost = self._say_lost(lost)
            lost += not self._write(entry)
            if self._lines.empty():
                lost = self._say_dropped(lost)
        self._say_dropped(lost)

    def _say_dropped(self, lost: int) -> int:
        """Log how many lines were dropped while others waited, and take new lines again.

        lost: lines that could not be written before. Returns how many lost lines are not reported yet.
        """
        with self.lock or threading.RLock():  # only its type allows a handler without a lock
            dropped, self._dropped = self._dropped, 0
        return self._say_lost(lost + dropped) if dropped else lost

    def _say_lost(self, lost: int) -> int:
        """Write how many lines are missing here. Returns how many lost lines are not reported yet."""
        text = f"{lost} log line(s) are missing here: stderr did not take them"
        return 0 if lost and self._write(Entry(logging.WARNING, time.time(), text)) else lost

    def _write(self, entry: Entry) -> bool:
        """Write an entry to stderr; returns whether it was written.

        It does not use Python's buffer: what the buffer holds after a failure would fail again at the exit.
        """
        try:
            line = self._format(self._clean(entry))
        except Exception:  # noqa: BLE001 no memory: the line is lost, and the thread goes on
            return False
        try:
            fd = self._stderr.fileno()
        except OSError:  # a text buffer without a descriptor, as in tests
            self._stderr.write(line)
            return True
        left = memoryview(line.encode(self._stderr.encoding or "utf-8", "backslashreplace"))
        while left:
            try:
                left = left[os.write(fd, left) :]
            except BlockingIOError:  # noqa: PERF203 another process made this file O_NONBLOCK
                poll = select.poll()
                poll.register(fd, select.POLLOUT)
                poll.poll()
            except OSError:
                return False
        return True


def _raw_entry(record: logging.LogRecord) -> Entry:
    trace = _FORMATTER.formatException(record.exc_info) if record.exc_info else ""
    return Entry(record.levelno, record.created, record.getMessage(), trace)


def trace_crashes() -> None:
    """Let the interpreter write a trace when a library in C ends the process. gRPC's C core writes no line itself.

    The trace goes to a second descriptor of stderr that does not block: the process must end although nobody reads
    stderr. A socket cannot be opened a second time, so there the write may block.
    """
    fd = 2
    with suppress(OSError):
        fd = os.open("/proc/self/fd/2", os.O_WRONLY | os.O_APPEND | os.O_NONBLOCK | os.O_NOCTTY)
    faulthandler.enable(file=fd)


def _log_thread_error(died: threading.ExceptHookArgs) -> None:
    name = died.thread.name if died.thread else "unknown"
    error = died.exc_value or died.exc_type()
    log.error("bug: the thread %s ended: %r", name, error, exc_info=(died.exc_type, error, died.exc_traceback))


def _log_unraisable(failed: object) -> None:
    if isinstance(getattr(failed, "exc_value", None), SystemExit):
        return  # a signal handler raised it, and `run` ends a little later
    log.error("bug: an error where none can be raised: %r", getattr(failed, "exc_value", failed))
