"""The true kills, known without the agent: from the kernel log, from the kernel's counter, and their ids.

Rules:
- A thread reads the log all the time, so that it is not overrun when the agent is. If the ring overruns it
  nevertheless, its read fails (EPIPE), and the test fails.
- Nothing of the package is used. The id of a kill is computed here from the published formula.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from support import real_kills
from support.kernel_log import KernelLog, RawRecord
from support.repeating_thread import repeating

_READ_EVERY_S = 0.02
_NAMESPACE = uuid.UUID("52f665a9-96ae-56ec-afec-967961ace6df")
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def kill_uid(line: RawRecord, boot_id: str | None = None) -> str:
    """`log.record.uid` of a kill line: UUIDv5 over its unique name, whose parts are joined by NUL.

    boot_id: the boot that printed the line; None: the current boot of this machine
    """
    boot_id = boot_id or _BOOT_ID.read_text().strip()
    parts = ("system_oom_kill", boot_id, str(line.sequence), str(line.timestamp_us), line.text)
    return str(uuid.uuid5(_NAMESPACE, "\0".join(parts)))


class Judge:
    """An independent reader of the log, from the moment when `judging` began."""

    def __init__(self, log: KernelLog) -> None:
        self._log = log
        self._one_at_a_time = threading.Lock()
        self._count_before = real_kills.oom_kill_count()

    def drain(self) -> None:
        """Read all records up to now."""
        with self._one_at_a_time:
            self._log.read()

    def step(self, ended: threading.Event) -> None:
        """One step of the thread that reads."""
        self.drain()
        ended.wait(_READ_EVERY_S)

    @property
    def last_sequence(self) -> int:
        """The sequence number of the newest record since the beginning. There must be one."""
        with self._one_at_a_time:
            return self._log.read()[-1].sequence

    @property
    def kills(self) -> list[RawRecord]:
        """The kernel's own kill lines, in order."""
        with self._one_at_a_time:
            return self._log.kill_lines()

    @property
    def uids(self) -> set[str]:
        """The ids of all kills."""
        return {kill_uid(line) for line in self.kills}

    @property
    def counted(self) -> int:
        """The increase of the kernel's own counter since the beginning."""
        return real_kills.oom_kill_count() - self._count_before


@contextmanager
def judging() -> Iterator[Judge]:
    """A judge that reads while the context lasts."""
    with KernelLog() as log:
        judge = Judge(log)
        with repeating(judge.step):
            yield judge
