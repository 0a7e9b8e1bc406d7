"""A recorded kill as a source, for where the kernel log may not be read."""

from __future__ import annotations

import threading
import time
from collections import deque
from importlib import resources

from otel_oom.kernel.device import Item, Reading


class RecordedLog:
    """A recorded kill as a source: nothing until `play`, then one record a read. It can be played again."""

    def __init__(self) -> None:
        capture = resources.files("otel_oom.kernel").joinpath("recorded.kmsg").read_bytes()
        self._report = [line + b"\n" for line in capture.splitlines()]
        self._left: deque[bytes] = deque()
        self._awake = threading.Event()

    def play(self) -> None:
        """Let the kill happen."""
        self._left.extend(self._report)
        self.wake()

    @property
    def next_sequence(self) -> None:
        """It is no place to come back to."""

    @property
    def wake_fd(self) -> int:
        """There is none."""
        return -1

    def open(self) -> None:
        """There is nothing to open."""

    def read(self) -> Reading:
        """The next record once it plays."""
        return Item(self._left.popleft(), time.time_ns()) if self._left else None

    def wait(self, timeout_s: float) -> None:
        """Sleep until it plays."""
        self._awake.wait(timeout_s)
        self._awake.clear()

    def wake(self) -> None:
        """End a `wait`."""
        self._awake.set()

    def close(self) -> None:
        """There is nothing to close."""
