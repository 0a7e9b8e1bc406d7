"""The kernel log device: one record for each read(2). `otel-oom parse` does not use it, and reads a file instead.

Rules:
- THE STAMP IS THE WALL CLOCK RIGHT AFTER THE READ. The record's own time is never used for a stamp. That clock stands
  still while a virtual machine is suspended, and stays behind by the time slept until the next boot. To derive a stamp
  from it, for more precision, would bring back the error that this agent exists to prevent.
- Every loss is counted exactly, except before the first record. The sequence numbers of one boot have no gaps, so a gap
  is the number of records that were overwritten before the read (EPIPE), or too long (EINVAL consumes the record).
- Waiting is poll(2) on the device and on a pipe of this process. There is no polling by timer.
- A hang-up or an error is a result (`Closed`): the caller logs it and opens the device again.

Source: Documentation/ABI/testing/dev-kmsg, kernel/printk/printk.c (devkmsg_read, devkmsg_poll, devkmsg_llseek).
"""

from __future__ import annotations

import errno
import os
import select
import stat
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Protocol, TypeAlias

from otel_oom.errors import NoDeviceError, NoPermissionError
from otel_oom.kernel.kmsg_record import sequence_of

RECORD_BYTES: Final = 8192  # CONSOLE_EXT_LOG_MAX: the longest record that any kernel formats
_KMSG: Final = os.makedev(1, 11)  # Documentation/admin-guide/devices.txt: 1 char, 11 = /dev/kmsg

Clock: TypeAlias = Callable[[], int]
"""Wall clock in ns since the Unix epoch."""


@dataclass(frozen=True, slots=True)
class Item:
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


Reading: TypeAlias = Item | Lost | Closed | None
"""None: there is nothing to read at the moment."""


class Source(Protocol):
    """The agent's input: the device, or a recording of it."""

    @property
    def next_sequence(self) -> int | None:
        """Sequence of the record that `read` returns next. None: records have no numbers, or none was read yet."""

    def open(self) -> None:
        """Open it at the first record to read. Raises: NoPermissionError, NoDeviceError."""

    def read(self) -> Reading:
        """Return the next record, the loss before it, None if there is nothing to read, or `Closed`."""

    def wait(self, timeout_s: float) -> None:
        """Sleep until there is something to read, `wake` is called, or the time is over."""

    def wake(self) -> None:
        """End a `wait`, from any thread or signal handler."""

    @property
    def wake_fd(self) -> int:
        """A file descriptor: one byte written to it ends a `wait`. -1: there is none."""

    def close(self) -> None:
        """Release all file descriptors."""


class Device:
    """Reads /dev/kmsg from its end, from the oldest record in the ring (from_ring), or from a record on (resume_at).

    resume_at: sequence of that record. Records that were overwritten since then are reported as `Lost`. The same holds
    after a `Closed`: the device continues after the last record that was read. If the log ends before that place, the
    device continues at the log's end.
    """

    def __init__(
        self,
        path: str = "/dev/kmsg",
        *,
        from_ring: bool = False,
        resume_at: int | None = None,
        clock: Clock = time.time_ns,
    ) -> None:
        self._path = path
        self._from_ring = from_ring
        self._clock = clock
        self._fd = -1
        self._closed_reason = "it was not opened"
        self._next_sequence = resume_at
        self._end: int | None = None  # sequence after the last record that was read since `open`
        self._overrun = False
        self._after_lost: Item | None = None
        self._poll = select.poll()
        self._wake_read, self._wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._poll.register(self._wake_read, select.POLLIN)

    @property
    def next_sequence(self) -> int | None:  # noqa: D102 see Source
        if self._after_lost is not None and self._next_sequence is not None:
            return self._next_sequence - 1  # the record after a gap is read already, and returned next
        return self._next_sequence

    def open(self) -> None:  # noqa: D102 see Source
        try:
            self._fd = os.open(self._path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            self._check_device()
            os.lseek(self._fd, 0, os.SEEK_SET)
            self._end = None
            if self._next_sequence is None and not self._from_ring:
                self._skip_to_end()
        except PermissionError as error:
            self._close_device()
            raise NoPermissionError(
                f"no permission to read {self._path}",
                "run as root, or give the process CAP_SYSLOG (kernel.dmesg_restrict=1) and read access to the device",
            ) from error
        except OSError as error:
            self._close_device()
            raise NoDeviceError(
                f"cannot open {self._path}: {error.strerror}",
                "docker run --device=/dev/kmsg gives it to a container; OTEL_OOM_DEVICE or --device names another path",
            ) from error
        self._poll.register(self._fd, select.POLLIN)

    def read(self) -> Reading:  # noqa: D102 see Source
        if self._after_lost is not None:
            item, self._after_lost = self._after_lost, None
            return item
        if self._fd < 0:
            return Closed(self._closed_reason)  # each time: a caller that ignored the first one would wait for ever
        while True:
            try:
                raw = self._read_raw()
            except OSError as error:
                return self._closed(error.strerror or str(error))
            if raw is None:
                if self._end is not None and self._next_sequence is not None:
                    self._next_sequence = min(self._next_sequence, self._end)  # the place is beyond the log's end
                return None
            item = Item(raw, self._clock())
            if not raw:
                return self._closed("end of file: not a kernel log device")
            sequence = sequence_of(raw)
            if sequence is None:
                return item  # not a record: the parser reports it
            self._end = sequence + 1
            expected, overrun = self._next_sequence, self._overrun
            if expected is not None and sequence < expected:
                continue  # read before the device was opened again
            self._next_sequence, self._overrun = sequence + 1, False
            # Before the first record the number of lost ones is unknown: at least one.
            lost = int(overrun) if expected is None else sequence - expected
            if lost:
                self._after_lost = item
                return Lost(lost, item.observed_ns, expected)
            return item

    def wait(self, timeout_s: float) -> None:  # noqa: D102 see Source
        for fd, events in self._poll.poll(max(0, timeout_s) * 1000):
            if fd == self._wake_read:
                os.read(self._wake_read, 512)
            elif not events & select.POLLIN:  # an overrun is POLLERR too, but with POLLIN
                self._poll.unregister(fd)  # read() returns the reason; poll() would return at once each time

    def wake(self) -> None:  # noqa: D102 see Source
        if self._wake_write >= 0:  # after `close` the number may belong to another file: a second SIGTERM may come then
            with suppress(BlockingIOError):  # the pipe is full: `wait` ends anyway
                os.write(self._wake_write, b"\0")

    @property
    def wake_fd(self) -> int:  # noqa: D102 see Source
        return self._wake_write

    def close(self) -> None:
        """Release all file descriptors. Later calls do nothing."""
        self._close_device()
        ends = [fd for fd in (self._wake_write, self._wake_read) if fd >= 0]
        self._wake_write = self._wake_read = -1
        for fd in ends:
            os.close(fd)

    def _skip_to_end(self) -> None:
        """Read to the end. SEEK_END would not give the next sequence number, which a restart needs."""
        while raw := self._read_raw():
            if (sequence := sequence_of(raw)) is not None:
                self._next_sequence = sequence + 1
        self._overrun = False

    def _read_raw(self) -> bytes | None:
        """Return one record, or None if there is nothing to read at the moment. Raises: OSError."""
        while True:
            try:
                return os.read(self._fd, RECORD_BYTES)
            except BlockingIOError:  # noqa: PERF203 one try for each read
                return None
            except OSError as error:
                if error.errno not in {errno.EPIPE, errno.EINVAL}:
                    raise
                self._overrun = True  # the next record's sequence gives the number of lost records

    def _check_device(self) -> None:
        """Refuse other files. Containers may have /dev/null or /dev/console here, where no kill would ever be seen."""
        about = os.fstat(self._fd)
        if not stat.S_ISCHR(about.st_mode) or about.st_rdev != _KMSG:
            self._close_device()
            raise NoDeviceError(
                f"{self._path} is no kernel log device",
                "name the character device 1:11 with --device or OTEL_OOM_DEVICE",
            )

    def _closed(self, reason: str) -> Closed:
        self._close_device()
        self._closed_reason = reason
        return Closed(reason)

    def _close_device(self) -> None:
        if self._fd >= 0:
            with suppress(KeyError):
                self._poll.unregister(self._fd)
            os.close(self._fd)
            self._fd = -1
