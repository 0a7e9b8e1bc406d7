"""A scripted source: readings that a test hands to the agent when it likes."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Sequence

from otel_oom.kernel.kmsg_record import sequence_of
from otel_oom.kernel.log_source import Item, Reading


class Script:
    """Gives what was put into it, one reading a read."""

    def __init__(self) -> None:
        self._readings: deque[Reading] = deque()
        self._awake = threading.Event()
        self.opened = 0
        self.next_sequence: int | None = None
        self.wake_fd = -1

    def put(self, *readings: Reading | bytes) -> None:
        """Hand over readings; bytes are stamped now."""
        self._readings.extend(Item(one, time.time_ns()) if isinstance(one, bytes) else one for one in readings)
        self.wake()

    def open(self) -> None:
        self.opened += 1

    def read(self, words: Sequence[bytes] = ()) -> Reading:  # noqa: ARG002 no record is skipped
        reading = self._readings.popleft() if self._readings else None
        sequence = sequence_of(reading.raw) if isinstance(reading, Item) else None
        if sequence is not None:
            self.next_sequence = sequence + 1
        return reading

    def wait(self, timeout_s: float) -> None:
        self._awake.wait(timeout_s)
        self._awake.clear()

    def wake(self) -> None:
        self._awake.set()

    def close(self) -> None:
        pass
