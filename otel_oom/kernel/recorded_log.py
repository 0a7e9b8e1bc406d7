"""A recorded kill as a `Source`: for the demo without access to the kernel log, and for the warm-up."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from otel_oom.kernel.log_source import Item, Reading

_CAPTURE: Final = Path(__file__).with_name("recorded.kmsg")  # importlib.resources would take 0.4 MiB


class RecordedLog:
    """Returns nothing until `play`, then one record for each read. It can be played several times."""

    def __init__(self) -> None:
        self._report = [line + b"\n" for line in _CAPTURE.read_bytes().splitlines()]
        self._unread: deque[bytes] = deque()
        self._awake = threading.Event()

    def play(self) -> None:
        """Make all records of the kill readable."""
        self._unread.extend(self._report)
        self.wake()

    @property
    def next_sequence(self) -> None:
        """None: reading cannot be resumed here."""

    @property
    def wake_fd(self) -> int:
        """-1: there is none."""
        return -1

    def open(self) -> None:
        """Do nothing."""

    def read(self, words: Sequence[bytes] = ()) -> Reading:  # noqa: ARG002 no record is skipped
        """Return the next record, None if all are read. Its stamp is the wall clock."""
        return Item(self._unread.popleft(), time.time_ns()) if self._unread else None

    def wait(self, timeout_s: float) -> None:
        """Sleep until `play` or `wake` is called, or the time is over."""
        self._awake.wait(timeout_s)
        self._awake.clear()

    def wake(self) -> None:
        """End a `wait`."""
        self._awake.set()

    def close(self) -> None:
        """Do nothing."""
