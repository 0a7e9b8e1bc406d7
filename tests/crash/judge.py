"""What really happened, known without the agent: the kernel log, the kernel's counter, the ids of all kills.

Rules:
- The log is read without a pause, so that what overruns the agent does not overrun the judge. If it is overrun
  nevertheless, its read fails (EPIPE), and so does the test.
- Nothing of the package is used: the id of a kill is computed here from the formula that anybody may use.
"""

from __future__ import annotations

import os
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from crash.background import repeating
from support import kernel
from support.kernel import KernelLog, RawRecord

_READ_EVERY_S = 0.02
_NAMESPACE = uuid.UUID("52f665a9-96ae-56ec-afec-967961ace6df")
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def uid_of(line: RawRecord, boot_id: str | None = None) -> str:
    """`log.record.uid` of a kill line: UUIDv5 over what names it once and for all, joined by NUL.

    boot_id: of the boot that it comes from, None for this machine's
    """
    boot_id = boot_id or _BOOT_ID.read_text().strip()
    parts = ("system_oom_kill", boot_id, str(line.sequence), str(line.timestamp_us), line.text)
    return str(uuid.uuid5(_NAMESPACE, "\0".join(parts)))


class Judge:
    """A reader of its own, from the moment when `judging` began."""

    def __init__(self, log: KernelLog) -> None:
        self._log = log
        self._one_at_a_time = threading.Lock()
        self._counted = kernel.oom_kill()

    def drain(self) -> None:
        """Read all records up to now."""
        with self._one_at_a_time:
            self._log.read()

    def step(self, ended: threading.Event) -> None:
        self.drain()
        ended.wait(_READ_EVERY_S)

    @property
    def last_sequence(self) -> int:
        """Of the newest record of the log. There must be one."""
        with self._one_at_a_time:
            return self._log.read()[-1].sequence

    @property
    def kills(self) -> list[RawRecord]:
        """The kernel's own kill lines."""
        with self._one_at_a_time:
            return self._log.kill_lines()

    @property
    def uids(self) -> set[str]:
        """Ids of all kills."""
        return {uid_of(line) for line in self.kills}

    @property
    def counted(self) -> int:
        """By how much the kernel's own counter has moved."""
        return kernel.oom_kill() - self._counted


@contextmanager
def judging() -> Iterator[Judge]:
    with KernelLog() as log:
        judge = Judge(log)
        with repeating(judge.step):
            yield judge


def first_sequence() -> int:
    """Of the oldest record that the ring still holds: where a reader that starts now would begin."""
    fd = os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK)
    try:
        return int(os.read(fd, 8192).split(b",")[1])
    finally:
        os.close(fd)


def write_line(text: str) -> None:
    """One line of user space into the kernel log. The rate limit is per open file: a new one each time."""
    fd = os.open("/dev/kmsg", os.O_WRONLY)
    try:
        os.write(fd, text.encode() + b"\n")
    finally:
        os.close(fd)
