"""What the assembler returns: one kill, or that there was no process to kill. Values: no I/O."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Final

from otel_oom import schema
from otel_oom.kernel.kmsg_record import Record
from otel_oom.kernel.oom_report import Context
from otel_oom.schema import Scope
from otel_oom.uuid5 import uuid5

UID_NAMESPACE: Final = uuid.UUID("52f665a9-96ae-56ec-afec-967961ace6df")
"""Namespace of `log.record.uid`: anyone can compute a kill's uid again from the kernel's log."""


@dataclass(frozen=True, slots=True)
class OomKill:
    """One process that the kernel's OOM killer ended. Sizes are bytes; None: the kernel did not say.

    record: the kill line; observed_ns: wall clock right after it was read (ns since the Unix epoch)
    boot_id: of the boot whose log it is
    tgid: the thread group's leader where the kill line names another thread
    group_id: the uid of the first victim where memory.oom.group killed several
    """

    record: Record
    observed_ns: int
    boot_id: str
    scope: Scope
    pid: int
    comm: str | None
    context: Context
    tgid: int | None = None
    real_user_id: int | None = None
    total_vm: int | None = None
    rss_anon: int | None = None
    rss_file: int | None = None
    rss_shmem: int | None = None
    pgtables: int | None = None
    score_adj: int | None = None
    cgroup: str | None = None
    group_id: str | None = None

    @property
    def uid(self) -> str:
        """Id by which a repeat of this event can be dropped."""
        return event_uid(schema.OOM_KILL, self.boot_id, self.record)

    @property
    def is_first(self) -> bool:
        """Whether it is no member of a group but its first victim, or of none."""
        return self.group_id is None or self.group_id == self.uid

    @property
    def rss(self) -> int | None:
        """Resident memory: anonymous, file and shared pages together."""
        parts = [part for part in (self.rss_anon, self.rss_file, self.rss_shmem) if part is not None]
        return sum(parts) if parts else None


@dataclass(frozen=True, slots=True)
class NoVictim:
    """The OOM killer found nothing that it may kill. The kernel says so as often as it tries: hundreds a second."""

    record: Record
    observed_ns: int


Finding = OomKill | NoVictim


def event_uid(event_name: str, boot_id: str, record: Record) -> str:
    """UUIDv5 over event name, boot id, sequence, envelope µs and the record's text, joined by NUL.

    Equal for every reader of one kernel log; two forks of one machine differ in the µs.
    """
    parts = (event_name, boot_id, str(record.sequence), str(record.monotonic_us), record.text)
    return uuid5(UID_NAMESPACE, "\0".join(parts))
