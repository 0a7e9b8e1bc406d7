"""The kernel log device: one record for each read(2). `otel-oom parse` does not use it, and reads a file instead.

Rules:
- THE STAMP IS THE WALL CLOCK RIGHT AFTER THE READ. The record's own time is never used for a stamp. That clock stands
  still while a virtual machine is suspended, and stays behind by the time slept until the next boot. To derive a stamp
  from it, for more precision, would bring back the error that this agent exists to prevent.
- Every loss is counted exactly, except before the first record. The sequence numbers of one boot have no gaps, so a gap
  is the number of records that were overwritten before the read (EPIPE), or too long (EINVAL consumes the record).
- Records without any of the caller's words are skipped in one loop, at little more than the time of their reads. The
  loop reads up to 16 records before it looks at them, so a record among others is stamped up to 20 µs after its read.
- Waiting is poll(2) on the device and on a pipe of this process. There is no polling by timer.
- A hang-up or an error is a result (`Closed`): the caller logs it and opens the device again.
- `/dev/stdin` is the log that a service manager opened: it needs no permission. All its readers share one position.

Source: Documentation/ABI/testing/dev-kmsg, kernel/printk/printk.c (devkmsg_read, devkmsg_poll, devkmsg_llseek).
"""

from __future__ import annotations

import errno
import os
import select
import stat
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from otel_oom import surroundings
from otel_oom.errors import NoDeviceError
from otel_oom.kernel.kmsg_record import sequence_of
from otel_oom.kernel.log_source import Asked, Clock, Closed, Item, Lost, Reading, Skipped
from otel_oom.kernel.refused_open import permission_error

RECORD_BYTES: Final = 8192  # CONSOLE_EXT_LOG_MAX: the longest record that any kernel formats
_MAX_SKIPPED: Final = 1_000  # in a flood that never ends, the caller has its turn after each thousand
_AT_ONCE: Final = 16  # records are stamped at most some 20 µs after their read
_LOSSES: Final = frozenset({errno.EPIPE, errno.EINVAL})
_STDIN: Final = "/dev/stdin"
_KMSG: Final = os.makedev(1, 11)  # Documentation/admin-guide/devices.txt: 1 char, 11 = /dev/kmsg


class Device:
    """Reads /dev/kmsg from its end, from the oldest record in the ring (from_ring), or from a record on (resume_at).

    resume_at: sequence of that record. Records that were overwritten since then are reported as `Lost`. The same holds
    after a `Closed`: the device continues after the last record that was read. If the log ends before that place, the
    device continues at the log's end.
    asked: `wait` answers it, whether the device is open or not
    """

    def __init__(
        self,
        path: str = "/dev/kmsg",
        *,
        from_ring: bool = False,
        resume_at: int | None = None,
        clock: Clock = time.time_ns,
        asked: Asked | None = None,
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
        self._unchecked: deque[Item] = deque()
        """Records that were read and not returned yet, and whose sequence was not looked at."""
        self._poll = select.poll()
        self._wake_read, self._wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._poll.register(self._wake_read, select.POLLIN)
        self._asked = asked
        if asked is not None:
            self._poll.register(asked.fileno(), select.POLLIN)

    @property
    def next_sequence(self) -> int | None:  # noqa: D102 see Source
        if self._after_lost is not None and self._next_sequence is not None:
            return self._next_sequence - 1  # the record after a gap is read already, and returned next
        return self._next_sequence

    def open(self) -> None:  # noqa: D102 see Source
        try:
            self._fd = self._open_file()
            self._check_device()
            os.lseek(self._fd, 0, os.SEEK_SET)
            self._end = None
            if self._next_sequence is None and not self._from_ring:
                self._skip_to_end()
        except PermissionError as error:
            self._close_device()
            raise permission_error(self._path, error) from error
        except OSError as error:
            self._close_device()
            raise NoDeviceError(f"cannot open {self._path}: {error.strerror}", surroundings.NO_DEVICE.here()) from error
        self._poll.register(self._fd, select.POLLIN)

    def read(self, words: Sequence[bytes] = ()) -> Reading:  # noqa: D102 see Source
        if self._after_lost is not None:
            after_lost, self._after_lost = self._after_lost, None
            return after_lost
        while True:
            is_unchecked = bool(self._unchecked)
            item = self._unchecked.popleft() if is_unchecked else self._read_item()
            if not isinstance(item, Item):
                return item
            sequence = sequence_of(item.raw)
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
            if not words or is_unchecked or any(word in item.raw for word in words):
                return item
            return self._skip(words, sequence)

    def wait(self, timeout_s: float) -> None:  # noqa: D102 see Source
        for fd, events in self._poll.poll(max(0, timeout_s) * 1000):
            if fd == self._wake_read:
                os.read(self._wake_read, 512)
            elif self._asked is not None and fd == self._asked.fileno():
                self._asked.answer(None if self._fd >= 0 else self._closed_reason)
            elif not events & select.POLLIN:  # an overrun is POLLERR too, but with POLLIN
                self._poll.unregister(fd)  # read() returns the reason; poll() would return at once each time

    def wake(self) -> None:  # noqa: D102 see Source
        if self._wake_write >= 0:  # after `close` the number may belong to another file: a second SIGTERM may come then
            with suppress(OSError):  # the pipe is full, or another thread closes it now: `wait` ends anyway
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
        if self._asked is not None:
            self._asked.close()

    def _skip_to_end(self) -> None:
        """Read to the end. SEEK_END would not give the next sequence number, which a restart needs."""
        while raw := self._read_raw():
            if (sequence := sequence_of(raw)) is not None:
                self._next_sequence = sequence + 1
        self._overrun = False

    def _skip(self, words: Sequence[bytes], sequence: int) -> Skipped:
        """Skip the record that was read last, and those after it as long as none holds a word."""
        read, fd = os.read, self._fd
        count, last = 1, b""
        while count < _MAX_SKIPPED and not self._unchecked and self._fd >= 0:
            raws: list[bytes] = []
            try:
                while len(raws) < _AT_ONCE:
                    raws.append(read(fd, RECORD_BYTES))
            except BlockingIOError:
                pass
            except OSError as error:
                if error.errno in _LOSSES:
                    self._overrun = True
                else:
                    self._closed(error.strerror or str(error))  # the next `read` returns the reason
            now_ns = self._clock()
            text = b"".join(raws)
            if any(word in text for word in words):
                self._unchecked.extend(Item(raw, now_ns) for raw in raws)
            elif raws:
                count, last = count + len(raws), raws[-1]
            if len(raws) < _AT_ONCE:
                break
        if last:
            # A gap without an error is found at the next record: as many are missing as the numbers went further.
            last_sequence = sequence_of(last)
            self._end = None if last_sequence is None else last_sequence + 1
            self._next_sequence = None if self._end is None else min(self._end, sequence + count)
        return Skipped(count)

    def _read_item(self) -> Item | Closed | None:
        if self._fd < 0:
            return Closed(self._closed_reason)  # each time: a caller that ignored the first one would wait for ever
        try:
            raw = self._read_raw()
        except OSError as error:
            return self._closed(error.strerror or str(error))
        if raw is None:
            if self._end is not None and self._next_sequence is not None:
                self._next_sequence = min(self._next_sequence, self._end)  # the place is beyond the log's end
            return None
        item = Item(raw, self._clock())
        return item if raw else self._closed("end of file: not a kernel log device")

    def _read_raw(self) -> bytes | None:
        """Return one record, or None if there is nothing to read at the moment. Raises: OSError."""
        while True:
            try:
                return os.read(self._fd, RECORD_BYTES)
            except BlockingIOError:  # noqa: PERF203 one try for each read
                return None
            except OSError as error:
                if error.errno not in _LOSSES:
                    raise
                self._overrun = True  # the next record's sequence gives the number of lost records

    def _open_file(self) -> int:
        if self._path != _STDIN:
            return os.open(self._path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        fd = os.dup(0)  # not open(2): that checks the permission again
        os.set_blocking(fd, False)
        return fd

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
            if self._path == _STDIN:
                with suppress(OSError):
                    os.lseek(self._fd, 0, os.SEEK_SET)  # another reader of it misses nothing: it skips what it has read
            os.close(self._fd)
            self._fd = -1
