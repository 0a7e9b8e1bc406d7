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

from dataclasses import replace
from typing import Final

from otel_oom.kernel import cgroup_lines, oom_lines
from otel_oom.kernel.kill_facts import interpret, name
from otel_oom.kernel.kmsg_record import FACILITY_KERNEL, Record
from otel_oom.kernel.oom_group import EPISODE_US, Episode
from otel_oom.kernel.oom_kill import Finding, NoVictim, OomKill
from otel_oom.kernel.oom_report import Report

_RECORD: Final = 40_000
"""Characters of the longest line that a kernel prints: two paths of 4 KiB in escapes. Texts hold other lines too."""


class Assembler:
    """The state machine from records to kills.

    boot_id: of the boot that the records belong to (part of each uid); page_size: of that machine, bytes.
    """

    def __init__(self, boot_id: str, page_size: int) -> None:
        self._boot_id = boot_id
        self._page_size = page_size
        self._report: Report | None = None
        self._episode: Episode | None = None
        self._held: OomKill | None = None
        self.kill_lines = 0
        """Kill lines seen, repeats included: what the kernel's own counter counts."""

    @property
    def is_open(self) -> bool:
        """Whether records without an anchor matter now."""
        return self._report is not None

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
        if text.startswith(oom_lines.VERDICTS):
            if killed := oom_lines.killed(text):
                return self._kill(record, observed_ns, killed)
            if oom_lines.NO_KILLABLE.match(text):
                self._report = None
                released = self.settle()
                return (*released, NoVictim(record, observed_ns))
            if oom_lines.ALREADY_EXITING.fullmatch(text):
                self._report = None
                return ()
        if opener := oom_lines.opener(text):
            return self._open(record, opener)
        if self._report is None and oom_lines.GROUP.fullmatch(text) and self._near(record) is not None:
            return self._group()
        self._read(record)
        return ()

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
            if not (
                text.startswith(cgroup_lines.SUMMARY)
                or oom_lines.ANNOUNCE.fullmatch(text)
                or cgroup_lines.task_in(text)
            ):
                return
            # The opener is missing: overrun, or its name was unreadable. What follows still describes a kill.
            self._report = Report(record, self._page_size)
        self._report.read(record)

    def _near(self, record: Record) -> Episode | None:
        """The episode, if this record comes soon enough to be part of it, and in the same boot."""
        episode = self._episode
        if episode is None or abs(record.monotonic_us - episode.begin_us) > EPISODE_US:
            return None
        return episode

    def _group(self) -> tuple[OomKill, ...]:
        episode = self._episode
        if episode is not None:
            episode.is_group = True
            if self._held is not None:  # else the first victim was sent before its group line came, and lacks the id
                self._held = replace(self._held, group_id=self._held.uid)
        return self.settle()

    def _kill(self, record: Record, observed_ns: int, line: oom_lines.Killed) -> tuple[OomKill, ...]:
        report, self._report = self._report, None
        episode = self._near(record) if report is None else None  # the second line of a group has no report
        # Before 5.1 a line has no prefix, and of a group only the first is announced.
        facts = interpret(line, report, episode.first.scope if episode and episode.is_group else "system")
        # From here on nothing can fail: what is held, and the count, are not lost with a report that cannot be read.
        self.kill_lines += 1
        released = self.settle()
        if episode is not None and episode.first.scope != facts.scope:
            episode = None
        if episode is not None and line.pid in episode.pids and (episode.is_group or episode.lost):
            return released
        kill = OomKill(
            record=record,
            observed_ns=observed_ns,
            boot_id=self._boot_id,
            scope=facts.scope,
            pid=line.pid,
            comm=name(line.comm),
            context=facts.context,
            tgid=None if facts.selected_pid == line.pid else facts.selected_pid,
            real_user_id=facts.selected_uid if line.uid is None else line.uid,
            total_vm=line.total_vm,
            rss_anon=line.rss_anon,
            rss_file=line.rss_file,
            rss_shmem=line.rss_shmem,
            pgtables=line.pgtables,
            score_adj=line.score_adj,
            cgroup=facts.cgroup,
        )
        if episode is not None and episode.is_group:
            return (*released, replace(kill, context=episode.first.context, group_id=episode.first.uid))
        begin = record.sequence if report is None else report.opened.sequence
        self._episode = Episode(kill, frozenset({kill.pid, kill.tgid or kill.pid}), record.monotonic_us, begin)
        if episode is not None and episode.lost:  # this may be a member of a group whose line was lost
            self._episode.pids |= episode.pids
            self._episode.begin_us, self._episode.begin = episode.begin_us, episode.begin
            self._episode.lost = True
        self._held = kill
        return released
