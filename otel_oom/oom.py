"""Records of the kernel log to kills: `Assembler.feed(record, observed_ns)`. No I/O, no clock.

Rules:
- The kill line counts. It is one kill with or without a report around it: the kernel limits the rate of reports,
  never that of kill lines. Everything else in a report is enrichment, and None is what the kernel did not say.
- One exception: `memory.oom.group` prints its first victim twice. Inside one episode a second line with the pid of
  the first line, or of its `oom-kill:` line, is the repeat, whatever its sizes or name.
- A kill is held back until the next line, or `settle()`, shows whether a group line follows it.
- A report belongs to the next kill line of its scope, by order: pids may differ (the leader has exited).
- The envelope's clock is used for one thing: whether two lines of one log stand close enough to be one event.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, replace
from typing import Final

from otel_oom import grammar, schema
from otel_oom.kmsg import FACILITY_KERNEL, Record
from otel_oom.report import Context, Report, Scope, name, understand

UID_NAMESPACE: Final = uuid.UUID("52f665a9-96ae-56ec-afec-967961ace6df")
"""Namespace of `log.record.uid`: anyone can compute a kill's uid again from the kernel's log."""

_EPISODE_US: Final = 5_000_000
_FRAGMENTS: Final = 16  # a path of 4 KiB comes in 5


@dataclass(frozen=True, slots=True)
class OomKill:
    """One process that the kernel's OOM killer ended. Sizes are bytes; None: the kernel did not say.

    record: the kill line; observed_ns: wall clock right after it was read (ns since the Unix epoch)
    uid: id by which a repeat of this event can be dropped
    tgid: the thread group's leader where the kill line names another thread
    group_id: the uid of the first victim where memory.oom.group killed several
    """

    record: Record
    observed_ns: int
    uid: str
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
    return str(uuid.uuid5(UID_NAMESPACE, "\0".join(parts)))


@dataclass(slots=True)
class _Episode:
    """A kill whose group, if it has one, may still be dying."""

    first: OomKill
    pids: frozenset[int]
    is_group: bool = False
    lost: bool = False


class Assembler:
    """The state machine from records to kills.

    boot_id: of the boot that the records belong to (part of each uid); page_size: of that machine, bytes.
    """

    def __init__(self, boot_id: str, page_size: int) -> None:
        self._boot_id = boot_id
        self._page_size = page_size
        self._report: Report | None = None
        self._episode: _Episode | None = None
        self._held: OomKill | None = None
        self._fragments: list[str] | None = None
        self.kill_lines = 0
        """Kill lines seen, repeats included: what the kernel's own counter counts."""

    @property
    def is_open(self) -> bool:
        """Whether records without an anchor matter now."""
        return self._report is not None or self._fragments is not None

    def feed(self, record: Record, observed_ns: int) -> tuple[Finding, ...]:
        """Take the next record; returns what is now certain. Records that the kernel did not write are passed over."""
        if record.facility != FACILITY_KERNEL:
            return ()
        text = record.text
        if record.is_fragment:
            # A path too long for the line before it. Never the start of a line of its own, whatever it says.
            if self._fragments is not None and len(self._fragments) < _FRAGMENTS:
                self._fragments.append(text)
            return ()
        if killed := grammar.killed(text):
            return self._kill(record, observed_ns, killed)
        if text.startswith(grammar.GROUP) and self._episode is not None and self._near(record):
            self._fragments = None
            return self._group()
        if opener := grammar.OPENER.match(text):
            return self._open(record, opener.groupdict())
        if text.startswith(grammar.NO_KILLABLE):
            released = self.settle()
            self._close()
            return (*released, NoVictim(record, observed_ns))
        if grammar.ALREADY_EXITING.fullmatch(text):
            self._close()
        elif self._report is not None:
            self._continue(self._report, record)
        elif text.startswith(grammar.SUMMARY) or grammar.ANNOUNCE.fullmatch(text):
            # The opener is missing: overrun, or its name was unreadable. What follows still describes a kill.
            self._report = Report(record, self._page_size)
            self._fragments = self._report.read(text)
        return ()

    def settle(self) -> tuple[OomKill, ...]:
        """Nothing more can be read now: release the kill that was held back for a group line."""
        held, self._held = self._held, None
        return () if held is None else (held,)

    def lost(self) -> None:
        """Records are missing here: an open report stays partial, and a repeat may come without its group line."""
        if self._report is not None:
            self._report.lost = True
        if self._episode is not None:
            self._episode.lost = True
        self._fragments = None

    def _open(self, record: Record, opener: dict[str, str]) -> tuple[OomKill, ...]:
        self._close()
        self._episode = None
        self._report = Report(record, self._page_size, opener=opener)
        return self.settle()

    def _close(self) -> None:
        self._report = None
        self._fragments = None

    def _continue(self, report: Report, record: Record) -> None:
        if report.is_over(record):
            self._close()
        else:
            self._fragments = report.read(record.text) or self._fragments

    def _near(self, record: Record) -> bool:
        first = self._episode.first.record if self._episode else record
        return record.monotonic_us - first.monotonic_us <= _EPISODE_US

    def _group(self) -> tuple[OomKill, ...]:
        episode = self._episode
        if episode is not None:
            episode.is_group = True
            if self._held is not None:  # else the first victim was sent before its group line came, and lacks the id
                self._held = replace(self._held, group_id=self._held.uid)
        return self.settle()

    def _kill(self, record: Record, observed_ns: int, line: grammar.Killed) -> tuple[OomKill, ...]:
        self.kill_lines += 1
        released = self.settle()
        report = self._report
        self._close()
        account = understand(line, report)
        episode = self._episode
        if episode is not None and (episode.first.scope != account.scope or not self._near(record)):
            episode = None
        if episode is not None and line.pid in episode.pids and (episode.is_group or episode.lost):
            return released
        kill = OomKill(
            record=record,
            observed_ns=observed_ns,
            uid=event_uid(schema.OOM_KILL, self._boot_id, record),
            scope=account.scope,
            pid=line.pid,
            comm=name(line.comm),
            context=account.context,
            tgid=None if account.selected_pid == line.pid else account.selected_pid,
            real_user_id=account.selected_uid if line.uid is None else line.uid,
            total_vm=line.total_vm,
            rss_anon=line.rss_anon,
            rss_file=line.rss_file,
            rss_shmem=line.rss_shmem,
            pgtables=line.pgtables,
            score_adj=line.score_adj,
            cgroup=account.cgroup,
        )
        if episode is not None and episode.is_group and report is None:
            return (*released, replace(kill, context=episode.first.context, group_id=episode.first.uid))
        self._episode = _Episode(kill, frozenset({kill.pid, kill.tgid or kill.pid}))
        self._held = kill
        return released
