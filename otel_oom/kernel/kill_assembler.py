"""Records of the kernel log to findings: `Assembler.feed(record, observed_ns)`. No I/O, no clock.

Rules:
- Each kill line is one kill, with or without a report around it: the kernel limits the rate of reports (ten in 5 s),
  not the rate of kill lines. The rest of a report adds facts. None: the kernel did not print it.
- One exception: memory.oom.group prints its first victim twice, see `oom_group`. The second line is a `Repeat`.
- A kill is held, because a group line may follow, which gives it its group_id. It is released by that line, by the next
  kill line, opener or no-killable line, or by `release_held()`.
- A kill line with an unknown cause is a kill only if the kernel's counter has it, which the caller finds out
  (`KillLine.has_known_cause`). In a text it is none.
- The next kill line ends a report. If their scopes differ, the report is dropped: it belongs to another kill. Their
  pids may differ: the leader thread may have exited.
- The log's clock is used for one decision only: whether two records are close enough to belong together.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from otel_oom.kernel import cgroup_lines, oom_lines
from otel_oom.kernel.chosen_text import has_mount_level
from otel_oom.kernel.kill_facts import interpret
from otel_oom.kernel.kill_line import KillLine, parse_kill_line, parse_unknown_cause
from otel_oom.kernel.kmsg_record import FACILITY_KERNEL, Record
from otel_oom.kernel.oom_group import Episode, GroupLine
from otel_oom.kernel.oom_kill import Finding, Forged, NoVictim, OomKill, Repeat
from otel_oom.kernel.oom_lines import Opener
from otel_oom.kernel.oom_report import Report
from otel_oom.kernel.path_line import PathLine

_MAX_TEXT_CHARS: Final = 40_000  # a kernel's longest line has two escaped paths of 4 KiB; texts hold longer lines


class Assembler:
    """The state machine from records to findings.

    boot_id: of the boot whose log it is, a part of each uid; page_size: of that machine, bytes
    is_excerpt: the records are those of a text, whose lines a person or a terminal may have cut
    """

    def __init__(self, boot_id: str, page_size: int, *, is_excerpt: bool = False) -> None:
        self._boot_id = boot_id
        self._page_size = page_size
        self._is_excerpt = is_excerpt
        self._report: Report | None = None
        self._episode: Episode | None = None
        self._group_line = GroupLine()
        self._held: OomKill | None = None

    @property
    def is_open(self) -> bool:
        """Whether a report is open: only then do records without an OOM marker matter."""
        return self._report is not None

    @property
    def report_us(self) -> int | None:
        """The log's clock at the last record of the open report, µs. None: no report is open."""
        return None if self._report is None else self._report.last_us

    @property
    def begin(self) -> int | None:
        """Sequence from which a restart must read: of the open report, or of the last episode. None: neither."""
        begins = [self._episode.begin_sequence] if self._episode else []
        begins += [self._report.first_record.sequence] if self._report else []
        return min(begins, default=None)

    def feed(self, record: Record, observed_ns: int) -> tuple[Finding, ...]:
        """Take the next record, and return the findings that no later record can change.

        observed_ns: wall clock right after the record was read. Records of user space are ignored.
        """
        if record.facility != FACILITY_KERNEL or len(record.text) > _MAX_TEXT_CHARS:
            return ()
        self._give_up_report(record.monotonic_us)
        if record.is_fragment:
            return self._fragment(record)
        if record.text.startswith(oom_lines.RESULT_LINE_BEGINNINGS):
            findings = self._result_line(record, observed_ns)
            if findings is not None:
                return findings
        elif "Killed process " in record.text and not self._is_excerpt and (line := parse_unknown_cause(record.text)):
            return self._kill(record, observed_ns, line)
        return self._report_line(record)

    def _fragment(self, record: Record) -> tuple[OomKill, ...]:
        r"""The rest of a line with a long path. Its text may look like any line, but does not begin one.

        A name that begins with `\x01c` makes a fragment of an opener; a path begins with `/`.
        """
        if self._report is not None:
            self._report.read(record)
            return ()
        if (opener := _opener(record)) and not record.text.startswith("/"):
            return self._open(record, opener)
        return self._group(record)

    def _result_line(self, record: Record, observed_ns: int) -> tuple[Finding, ...] | None:
        """A line that begins as one that states a result. None: it states none."""
        text = record.text
        if line := parse_kill_line(text):
            return self._kill(record, observed_ns, line)
        if not has_mount_level(record):
            if oom_lines.ALREADY_EXITING.fullmatch(text):
                self._report = None
                return ()
            if oom_lines.NO_KILLABLE.fullmatch(text):
                self._report = None
                return (*self.release_held(), NoVictim(record, observed_ns))
        return (Forged(record),) if "Killed process " in text or "no killable processes" in text else None

    def _report_line(self, record: Record) -> tuple[OomKill, ...]:
        if opener := _opener(record):
            return self._open(record, opener)
        self._read(record)
        return self._group(record) if self._report is None else ()

    def release_held(self) -> tuple[OomKill, ...]:
        """Return the kill that is held for a group line, if any: to be called when there is nothing more to read."""
        held, self._held = self._held, None
        return () if held is None else (held,)

    def lost(self) -> None:
        """Records are missing here: an open report stays partial, and a group line may be among them."""
        if self._report is not None:
            self._report = self._report.after_loss()
        if self._episode is not None:
            self._episode = replace(self._episode, has_gap=True)

    def _give_up_report(self, now_us: int) -> None:
        if self._report is not None and self._report.count_record(now_us):
            self._report = None

    def _open(self, record: Record, opener: Opener) -> tuple[OomKill, ...]:
        self._episode = None
        self._report = Report(
            record,
            self._page_size,
            record.monotonic_us,
            opener=opener,
            open_line=PathLine.of_opener(record),
        )
        return self.release_held()

    def _read(self, record: Record) -> None:
        if self._report is None:
            if not self._begins_report(record):
                return
            # The opener was lost or is unreadable. The following lines still describe a kill.
            self._report = Report(record, self._page_size, record.monotonic_us, is_excerpt=self._is_excerpt)
        self._report.read(record)

    def _begins_report(self, record: Record) -> bool:
        """Return whether a record that is no opener is a line of a report."""
        line = PathLine.begin(record)
        if line is None or line.head == cgroup_lines.STATS:
            episode = self._near_episode(record)  # a kernel whose kill lines name a cause prints no announcement
            has_announcements = episode is None or episode.first.line.cause is None
            return has_announcements and oom_lines.ANNOUNCE.fullmatch(record.text) is not None
        return line.is_whole or record.text.startswith(cgroup_lines.SUMMARY)

    def _near_episode(self, record: Record) -> Episode | None:
        return self._episode if self._episode is not None and self._episode.is_near(record) else None

    def _group(self, record: Record) -> tuple[OomKill, ...]:
        episode = self._near_episode(record)
        if episode is None or not self._group_line.read(record):
            return ()
        self._episode = replace(episode, is_group=True)
        if self._held is not None:  # else it was returned before its group line came, without a group_id
            self._held = replace(self._held, group_id=self._held.uid)
        return self.release_held()

    def _kill(self, record: Record, observed_ns: int, line: KillLine) -> tuple[Finding, ...]:
        report, self._report = self._report, None
        if report is not None and not report.is_of_same_caller(record):
            report = None  # one kill prints both: this report's kill has no line
        episode = self._near_episode(record) if report is None else None  # members of a group have no report
        # Before 5.1 a kill line names no scope, and only the first line of a group has an announcement.
        default_scope = episode.first.scope if episode and episode.is_group else "system"
        boot_id = self._boot_id
        kill = interpret(line, report, default_scope, record=record, observed_ns=observed_ns, boot_id=boot_id)
        # Nothing below can fail. If `interpret` fails on a report, the held kill is still held.
        released = self.release_held()
        if episode is not None and episode.first.scope != kill.scope:
            episode = None
        if episode is not None and episode.is_repeat(line.pid):
            self._episode = episode.after_repeat(line.pid)
            return (*released, Repeat(record))
        if episode is not None and episode.is_group:
            return (*released, episode.member(kill))
        begin_sequence = record.sequence if report is None else report.first_record.sequence
        self._episode = Episode.begin(kill, begin_sequence, earlier=episode)
        self._held = kill
        self._group_line = GroupLine()  # what stands before the kill line is not its group's
        return released


def _opener(record: Record) -> Opener | None:
    opener = oom_lines.parse_opener(record.text)
    return None if opener is None or has_mount_level(record) else opener
