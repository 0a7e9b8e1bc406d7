"""Records of the kernel log to kills: `Assembler.feed(record, observed_ns)`. No I/O, no clock.

Rules:
- The kill line counts. It is one kill with or without a report around it: the kernel limits the rate of reports,
  never that of kill lines. Everything else in a report is enrichment, and None is what the kernel did not say.
- One exception: `memory.oom.group` prints its first victim twice. Inside one episode a second line with the pid of
  the first line, or of its `oom-kill:` line, is the repeat, whatever its sizes or name. An episode ends with a line
  of another report, a kill of another scope, or after 5 s; behind a gap any kill may have been the first of one.
- A kill is held back until the next line, or `settle()`, shows whether a group line follows it.
- A report belongs to the next kill line of its scope, by order: pids may differ (the leader has exited).
- The envelope's clock is used for one thing: whether two lines of one log stand close enough to be one event.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from otel_oom import grammar, paths, schema
from otel_oom.account import name, understand
from otel_oom.kmsg import FACILITY_KERNEL, Record
from otel_oom.report import Context, Report
from otel_oom.schema import Scope
from otel_oom.uid import uuid5

UID_NAMESPACE: Final = uuid.UUID("52f665a9-96ae-56ec-afec-967961ace6df")
"""Namespace of `log.record.uid`: anyone can compute a kill's uid again from the kernel's log."""

_EPISODE_US: Final = 5_000_000
_RECORD: Final = 40_000
"""Characters of the longest line that a kernel prints: two paths of 4 KiB in escapes. Texts hold other lines too."""


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


@dataclass(slots=True)
class _Episode:
    """A kill whose group, if it has one, may still be dying.

    pids: whose second line is a repeat; begin_us: envelope time of the first kill that is remembered here
    begin: sequence of the first record of its report
    """

    first: OomKill
    pids: frozenset[int]
    begin_us: int
    begin: int
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
        self.kill_lines = 0
        """Kill lines seen, repeats included: what the kernel's own counter counts."""

    @property
    def is_open(self) -> bool:
        """Whether records without an anchor matter now."""
        return self._report is not None

    @property
    def opened(self) -> Record | None:
        """The first record of the open report; None if none is open."""
        return None if self._report is None else self._report.opened

    @property
    def last_us(self) -> int | None:
        """Time of the open report's last line; None if none is open."""
        report = self._report
        return None if report is None else report.opened.monotonic_us if report.last_us is None else report.last_us

    @property
    def begin(self) -> int | None:
        """Sequence of the first record of what is not over: a report, or a kill that may be the first of a group."""
        begins = [self._episode.begin] if self._episode else []
        begins += [self._report.opened.sequence] if self._report else []
        return min(begins, default=None)

    def feed(self, record: Record, observed_ns: int) -> tuple[Finding, ...]:
        """Take the next record; returns what is now certain. Records that the kernel did not write are passed over."""
        if record.facility != FACILITY_KERNEL or len(record.text) > _RECORD:
            return ()
        if self._report is not None and self._report.is_over(record.monotonic_us):
            self._report = None
        text = record.text
        if record.is_fragment:
            # A path too long for the line before it. Never the start of a line of its own, whatever it says.
            if self._report is not None:
                self._report.read(record)
            return ()
        if text.startswith(grammar.VERDICTS):
            if killed := grammar.killed(text):
                return self._kill(record, observed_ns, killed)
            if grammar.NO_KILLABLE.match(text):
                self._report = None
                released = self.settle()
                return (*released, NoVictim(record, observed_ns))
            if grammar.ALREADY_EXITING.fullmatch(text):
                self._report = None
                return ()
        if opener := grammar.opener(text):
            return self._open(record, opener)
        if self._report is None and grammar.GROUP.fullmatch(text) and self._near(record) is not None:
            return self._group()
        self._read(record)
        return ()

    def feed_lines(self, records: Iterable[Record]) -> None:
        """Take lines of a report that neither open one nor end it, nor continue another: for who knows that of them."""
        for record in records:
            if self._report is not None and self._report.is_over(record.monotonic_us):
                self._report = None
            if self._report is not None:
                self._report.read(record)

    def feed_rows(self, rows: Iterable[re.Match[bytes]], now_us: int) -> None:
        """Take rows of a task table (see `Report.read_rows`), all of one time: for who reads a table as a whole."""
        if self._report is not None and self._report.is_over(now_us):
            self._report = None
        if self._report is not None:
            self._report.read_rows(rows, now_us)

    def settle(self) -> tuple[OomKill, ...]:
        """Nothing more can be read now: release the kill that was held back for a group line."""
        held, self._held = self._held, None
        return () if held is None else (held,)

    def lost(self) -> None:
        """Records are missing here: an open report stays partial, and a repeat may come without its group line."""
        if self._report is not None:
            self._report = self._report.after_loss()
        if self._episode is not None:
            self._episode.lost = True

    def _open(self, record: Record, opener: dict[str, str | None]) -> tuple[OomKill, ...]:
        self._episode = None
        self._report = Report(record, self._page_size, opener=opener, line=[record.text], caller=record.caller)
        return self.settle()

    def _read(self, record: Record) -> None:
        text = record.text
        if self._report is None:
            if not (text.startswith(paths.SUMMARY) or grammar.ANNOUNCE.fullmatch(text) or paths.task_in(text)):
                return
            # The opener is missing: overrun, or its name was unreadable. What follows still describes a kill.
            self._report = Report(record, self._page_size)
        self._report.read(record)

    def _near(self, record: Record) -> _Episode | None:
        """The episode, if this record comes soon enough to be part of it, and in the same boot."""
        episode = self._episode
        if episode is None or abs(record.monotonic_us - episode.begin_us) > _EPISODE_US:
            return None
        return episode

    def _group(self) -> tuple[OomKill, ...]:
        episode = self._episode
        if episode is not None:
            episode.is_group = True
            if self._held is not None:  # else the first victim was sent before its group line came, and lacks the id
                self._held = replace(self._held, group_id=self._held.uid)
        return self.settle()

    def _kill(self, record: Record, observed_ns: int, line: grammar.Killed) -> tuple[OomKill, ...]:
        report, self._report = self._report, None
        episode = self._near(record) if report is None else None  # the second line of a group has no report
        # Before 5.1 a line has no prefix, and of a group only the first is announced.
        account = understand(line, report, episode.first.scope if episode and episode.is_group else "system")
        # From here on nothing can fail: what is held, and the count, are not lost with a report that cannot be read.
        self.kill_lines += 1
        released = self.settle()
        if episode is not None and episode.first.scope != account.scope:
            episode = None
        if episode is not None and line.pid in episode.pids and (episode.is_group or episode.lost):
            return released
        kill = OomKill(
            record=record,
            observed_ns=observed_ns,
            boot_id=self._boot_id,
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
        if episode is not None and episode.is_group:
            return (*released, replace(kill, context=episode.first.context, group_id=episode.first.uid))
        begin = record.sequence if report is None else report.opened.sequence
        self._episode = _Episode(kill, frozenset({kill.pid, kill.tgid or kill.pid}), record.monotonic_us, begin)
        if episode is not None and episode.lost:  # this may be a member of a group whose line was lost
            self._episode.pids |= episode.pids
            self._episode.begin_us, self._episode.begin = episode.begin_us, episode.begin
            self._episode.lost = True
        self._held = kill
        return released
