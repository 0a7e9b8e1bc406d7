"""memory.oom.group: several processes of one cgroup die in one kill, and the first victim is printed twice. No I/O.

Linux 4.19+ kills all processes of a cgroup whose memory.oom.group is 1, except those with oom_score_adj -1000. It first
kills the selected victim as usual, then prints the group line, then kills every process, the first victim included:

    Memory cgroup out of memory: Killed process 100 (vic) total-vm:13532kB, anon-rss:12288kB, …
    Tasks in /g are going to be killed due to memory.oom.group set
    Memory cgroup out of memory: Killed process 101 (sib) total-vm:13532kB, anon-rss:12288kB, …
    Memory cgroup out of memory: Killed process 100 (vic) total-vm:13532kB, anon-rss:0kB, …

Source: mm/oom_kill.c: oom_kill_process() calls __oom_kill_process() for the victim, then oom_kill_memcg_member() calls
it for each process of the cgroup. Each call prints a kill line and increments oom_kill in /proc/vmstat.

Rules:
- An episode is a kill line and the lines after it that may belong to its group.
- Inside an episode, a second kill line with the pid of the first line, or of its `oom-kill:` line, is the repeat. Its
  sizes and its name may differ: the memory is being freed, and the leader thread may have another name.
- An episode ends with the opener of another report, with a kill of another scope, or after 5 s.
- A repeat comes once: a later kill line with that pid is another process. Pids are used again.
- The group line may be lost in a gap. So after a gap, every earlier pid of the episode can be repeated.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from otel_oom.kernel import oom_lines
from otel_oom.kernel.chosen_text import has_foreign_words, has_mount_level
from otel_oom.kernel.kmsg_record import Record
from otel_oom.kernel.oom_kill import OomKill

_EPISODE_US: Final = 5_000_000
_BEGINNING: Final = oom_lines.GROUP_MARKER.decode()
_MAX_GROUP_LINE_CHARS: Final = 20_000  # an escaped path of 4 KiB, and the rest


@dataclass(frozen=True, slots=True)
class Episode:
    """A kill whose group, if it has one, may still be dying.

    pids: a kill line with one of these can be a repeat
    begin_us: the log's clock at the first kill line of the episode
    begin_sequence: sequence of the first record of the first kill's report
    is_group: the group line was read; has_gap: records are missing since the first kill line
    """

    first: OomKill
    pids: frozenset[int]
    begin_us: int
    begin_sequence: int
    is_group: bool = False
    has_gap: bool = False

    @classmethod
    def begin(cls, kill: OomKill, begin_sequence: int, earlier: Episode | None) -> Episode:
        """Return the episode of a kill that no group line names.

        earlier: the episode in which it came. After a gap the kill may be a member of that group, so its pids stay.
        """
        pids = frozenset({kill.pid, kill.tgid or kill.pid})
        if earlier is not None and earlier.has_gap:
            return replace(earlier, first=kill, pids=earlier.pids | pids)
        return cls(kill, pids, kill.record.monotonic_us, begin_sequence)

    def is_near(self, record: Record) -> bool:
        """Return whether a record comes soon enough to belong to the episode, and is of the same boot and thread."""
        is_soon = abs(record.monotonic_us - self.begin_us) <= _EPISODE_US
        return is_soon and record.caller == self.first.record.caller

    def is_repeat(self, pid: int) -> bool:
        """Return whether a kill line with this pid repeats an earlier line of the episode."""
        return pid in self.pids and (self.is_group or self.has_gap)

    def after_repeat(self, pid: int) -> Episode:
        """Return the episode after a repeat: another line with this pid is no repeat."""
        first = {self.first.pid, self.first.tgid}
        return replace(self, pids=self.pids - (first if pid in first else {pid}))

    def member(self, kill: OomKill) -> OomKill:
        """Return a kill as a member of the group: the report belongs to the first victim, and describes all."""
        return replace(kill, context=self.first.context, group_id=self.first.uid)


class GroupLine:
    """Recognises the group line. With a long path it comes in up to three records.

    The pieces are fragments. In texts they are lines of their own, so each next line of the same caller is tried.
    """

    def __init__(self) -> None:
        self._text = ""
        self._caller: str | None = None

    def read(self, record: Record) -> bool:
        """Take a record that no report contains; returns whether it completes a group line."""
        text = record.text
        if has_mount_level(record) or (has_foreign_words(text) and not oom_lines.GROUP.fullmatch(text)):
            return False
        is_beginning = text.startswith(_BEGINNING) and not record.is_fragment
        if not is_beginning:
            if not self._text or record.caller != self._caller:
                return False
            text = self._text + text
        is_whole = oom_lines.GROUP.fullmatch(text) is not None
        is_whole = is_whole or (is_beginning and oom_lines.GROUP_CUT.fullmatch(text) is not None)
        if is_whole:
            self._text = ""
        elif is_beginning or record.is_fragment or record.text.startswith("/"):
            self._text, self._caller = text[:_MAX_GROUP_LINE_CHARS], record.caller
        return is_whole
