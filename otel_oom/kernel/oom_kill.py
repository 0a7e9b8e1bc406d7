"""The assembler's findings: a kill, a repeated kill line, an OOM without a victim, a forged line. Values, no I/O."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Final

from otel_oom import schema
from otel_oom.kernel.kill_context import Context
from otel_oom.kernel.kill_line import KillLine
from otel_oom.kernel.kmsg_record import Record
from otel_oom.kernel.text_escapes import printable
from otel_oom.schema import Scope
from otel_oom.uuid5 import uuid5

UID_NAMESPACE: Final = uuid.UUID("52f665a9-96ae-56ec-afec-967961ace6df")
"""Namespace of `log.record.uid`. It is public: every reader of the kernel log can compute the same uid."""


@dataclass(frozen=True, slots=True)
class OomKill:
    """One process that the kernel's OOM killer ended. None: the kernel did not print it.

    record: the kill line as read; line: the same, parsed
    observed_ns: wall clock right after the read, ns since the Unix epoch
    boot_id: of the boot whose log it is
    tgid: pid of the thread group's leader, if the kill line names another thread
    cgroup: the victim's cgroup, printable
    group_id: uid of the first victim, if memory.oom.group killed several
    """

    record: Record
    observed_ns: int
    boot_id: str
    line: KillLine
    scope: Scope
    context: Context
    tgid: int | None = None
    real_user_id: int | None = None
    cgroup: str | None = None
    group_id: str | None = None

    @property
    def pid(self) -> int:
        """The victim's pid, in the initial pid namespace."""
        return self.line.pid

    @property
    def comm(self) -> str | None:
        """The victim's name, printable."""
        return None if self.line.comm is None else printable(self.line.comm)

    @property
    def rss(self) -> int | None:
        """Resident memory in bytes: anonymous, file and shared pages together."""
        parts = [part for part in (self.line.rss_anon, self.line.rss_file, self.line.rss_shmem) if part is not None]
        return sum(parts) if parts else None

    @property
    def share_of_limit(self) -> float | None:
        """The victim's `rss` divided by the limit of the cgroup. It is above 1 if other cgroups pay for a part of it.

        None: an OOM of the machine, or the report does not give both.
        """
        limit = self.context.memcg_limit
        return self.rss / limit if self.scope == "cgroup" and self.rss is not None and limit else None

    @property
    def uid(self) -> str:
        """Unique id of this event. Equal for every delivery and every reader, see `event_uid`."""
        return event_uid(schema.OOM_KILL, self.boot_id, self.record)

    @property
    def is_first(self) -> bool:
        """Whether it is the only victim, or the first one of its group."""
        return self.group_id is None or self.group_id == self.uid


@dataclass(frozen=True, slots=True)
class Repeat:
    """A second kill line of one victim, see `oom_group`. It is no kill, but the kernel's own counter counts it."""

    record: Record


@dataclass(frozen=True, slots=True)
class NoVictim:
    """The OOM killer found no process that it may kill. The kernel prints it at each try, up to hundreds a second."""

    record: Record
    observed_ns: int


@dataclass(frozen=True, slots=True)
class Forged:
    """A line of facility 0 that begins like a kill line, but does not end like one: user space chose its text."""

    record: Record


Finding = OomKill | Repeat | NoVictim | Forged


def event_uid(event_name: str, boot_id: str, record: Record) -> str:
    """Return a UUIDv5 over event name, boot id, sequence, the log's clock in µs and the record's text, joined by NUL.

    It is equal for every reader of one kernel log. Two forks of one machine differ in the µs.
    """
    parts = (event_name, boot_id, str(record.sequence), str(record.monotonic_us), record.text)
    return uuid5(UID_NAMESPACE, "\0".join(parts))
