"""What the agent reads: the readings of a kernel log, and the protocol of a source of them.

The sources are `device.Device` and `recorded_log.RecordedLog`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol, TypeAlias

Clock: TypeAlias = Callable[[], int]
"""Wall clock in ns since the Unix epoch."""


class Item(NamedTuple):
    """One record as read. observed_ns: wall clock right after the read."""

    raw: bytes
    observed_ns: int


@dataclass(frozen=True, slots=True)
class Lost:
    """`count` records were overwritten before the read, or too long for the buffer.

    observed_ns: wall clock when the gap was read; first: sequence of the first lost record, None if unknown
    """

    count: int
    observed_ns: int
    first: int | None = None


@dataclass(frozen=True, slots=True)
class Closed:
    """The device cannot be read any more. reason: for a log line."""

    reason: str


@dataclass(frozen=True, slots=True)
class Skipped:
    """Records without any of the words that the caller asked for. count: how many."""

    count: int


Reading: TypeAlias = Item | Skipped | Lost | Closed | None
"""None: there is nothing to read at the moment."""


class Asked(Protocol):
    """Somebody asks whether the log is read. The wait for the log gives the answer, because only it can be trusted."""

    def fileno(self) -> int:
        """The file descriptor that poll(2) reports as readable when a question has come."""

    def answer(self, reason: str | None) -> None:
        """Answer the questions that have come. Never waits, raises nothing. reason: None, or why the log is closed."""

    def close(self) -> None:
        """Take no more questions."""


class Source(Protocol):
    """The agent's input: the device, or a recording of it."""

    @property
    def next_sequence(self) -> int | None:
        """Sequence of the record that `read` returns next. None: records have no numbers, or none was read yet."""

    def open(self) -> None:
        """Open it at the first record to read. Raises: NoPermissionError, NoDeviceError."""

    def read(self, words: Sequence[bytes] = ()) -> Reading:
        """Return the next record, the loss before it, None if there is nothing to read, or `Closed`.

        words: a source may return `Skipped` for records that hold none of them; empty: it returns each record
        """

    def wait(self, timeout_s: float) -> None:
        """Sleep until there is something to read, `wake` is called, or the time is over."""

    def wake(self) -> None:
        """End a `wait`, from any thread or signal handler."""

    @property
    def wake_fd(self) -> int:
        """A file descriptor: one byte written to it ends a `wait`. -1: there is none."""

    def close(self) -> None:
        """Release all file descriptors."""
