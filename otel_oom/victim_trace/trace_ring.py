"""Reads the ring of a trace instance: one file for each processor, one page at a time. It never waits.

Rules:
- A read takes the events out of the ring. So one process reads an instance, and holds a lock on its directory.
- Only what is needed is read: each processor's ring up to the time of a kill line. The rest stays in the kernel.
- A processor whose file cannot be opened or read gives no events. That is no error: kills are reported without it.

Source: kernel/trace/trace.c (tracing_buffers_read).
"""

from __future__ import annotations

import fcntl
import os
import select
from contextlib import suppress
from io import FileIO
from pathlib import Path
from typing import Final, TypeAlias

from otel_oom.victim_trace.trace_event_format import EventFormat
from otel_oom.victim_trace.trace_ring_page import parse_page
from otel_oom.victim_trace.traced_line import TracedLine, lines_of
from otel_oom.victim_trace.traced_victim import TracedVictim, victims_of

_MAX_PAGES: Final = 1_024  # a ring that is filled faster than it is read must not hold the reader

_OVERRUN: Final = "overrun: "

Traced: TypeAlias = "TracedVictim | TracedLine"


class TraceRing:
    """The rings of all processors. Raises: OSError, BlockingIOError if another process reads them.

    directory: of the instance; page_bytes: of one page of the ring
    """

    def __init__(self, directory: Path, formats: tuple[EventFormat, ...], page_bytes: int) -> None:
        self._directory = directory
        self._lock = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._lock)
            raise
        self.has_missed = False
        """Whether events were overwritten before those of the last read."""
        self._filled = select.epoll()  # one call for all processors; an empty read of each one takes some 4 µs
        self._processors: dict[int, _ProcessorRing] = {}
        for file in map(_opened, sorted(directory.glob("per_cpu/cpu*/trace_pipe_raw"))):
            if file is not None:
                self._filled.register(file, select.EPOLLIN)
                self._processors[file.fileno()] = _ProcessorRing(file, formats, page_bytes)

    def read_until(self, time_ns: float) -> list[Traced]:
        """The events up to a time of the ring's clock, and some later ones. Raises nothing."""
        filled = [self._processors[file] for file, _ in self._filled.poll(0)]
        events = [event for one in filled for event in one.read_until(time_ns)]
        self.has_missed = any(one.has_missed for one in filled)
        return events

    def overwritten(self) -> int:
        """Events that were overwritten before they were read, since the instance was made: counted by the kernel."""
        count = 0
        for file in self._directory.glob("per_cpu/cpu*/stats"):
            with suppress(OSError, ValueError):
                # overrun: 12
                lines = file.read_text("ascii").splitlines()
                count += sum(int(line.removeprefix(_OVERRUN)) for line in lines if line.startswith(_OVERRUN))
        return count

    def close(self) -> None:
        """Close the files. The kernel keeps recording."""
        os.close(self._lock)
        self._filled.close()
        for one in self._processors.values():
            one.close()


class _ProcessorRing:
    def __init__(self, file: FileIO, formats: tuple[EventFormat, ...], page_bytes: int) -> None:
        self._file = file
        self._formats = formats
        self._page_bytes = page_bytes
        self._newest_ns = -1
        self.has_missed = False

    def read_until(self, time_ns: float) -> list[Traced]:
        found: list[Traced] = []
        self.has_missed = False
        for _ in range(_MAX_PAGES):
            if self._newest_ns > time_ns:
                break
            try:
                raw = self._file.read(self._page_bytes)
            except OSError:
                break
            if not raw:  # None: nothing is there
                break
            page = parse_page(raw)
            self.has_missed |= page.missed != 0
            if page.entries:
                self._newest_ns = page.entries[-1].time_ns
            found += victims_of(page.entries, self._formats)
            found += lines_of(page.entries, self._formats)
        return found

    def close(self) -> None:
        self._file.close()


def _opened(path: Path) -> FileIO | None:
    try:
        return FileIO(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb")
    except OSError:
        return None
