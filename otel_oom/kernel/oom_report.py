"""One OOM report while it is being read: the facts of its lines. No I/O.

Rules:
- Each line is recognised by its own form, in any order. So other records between the lines do no harm.
- Memory is bounded for every input: a few lines are kept here, and sums in `memcg_statistics`, `mem_info` and
  `task_table`.
- After a gap all facts read before it are dropped: the next kill line may end another report.
- A report is given up after a time without a line of it, not after a length: a table of 50,000 tasks takes a minute on
  a serial console.
- Lines with several names in them are only stored here. `kill_facts` reads them when the kill line has come.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import Final

from otel_oom.kernel import cgroup_lines, oom_lines
from otel_oom.kernel.chosen_text import has_mount_level
from otel_oom.kernel.kmsg_record import Record
from otel_oom.kernel.mem_info import MemInfo
from otel_oom.kernel.memcg_statistics import MemcgStatistics
from otel_oom.kernel.memory_usage import MachineUsage, MemcgUsage
from otel_oom.kernel.oom_lines import Opener
from otel_oom.kernel.path_line import BEGINNINGS, CONTINUATIONS, PathLine
from otel_oom.kernel.task_table import TaskTable

_MAX_SILENT_RECORDS: Final = 5_000
_MAX_SILENT_US: Final = 10_000_000


@dataclass(slots=True)
class Report:
    """A report that is being read: the facts that a kill may need.

    first_record: its first record; last_us: the log's clock at the last record of this report, µs
    page_size: bytes; if the report prints another one, that counts
    """

    first_record: Record
    page_size: int
    last_us: int
    is_excerpt: bool = False
    """Whether it was read from a text, whose lines a person or a terminal may have cut."""
    silent_records: int = 0
    """Number of records since the last one of this report."""
    has_gap: bool = False
    opener: Opener | None = None
    trigger_pid: int | None = None
    is_trigger_doubtful: bool = False
    """Whether a mount may have printed its line."""
    heads: dict[str, PathLine] = field(default_factory=dict)
    """By first words: each line with a path."""
    open_line: PathLine | None = None
    """The last of these lines, or the opener: the next fragment continues it."""
    announced: str | None = None
    """The cause in the announcement of a kill (until 5.0)."""
    mems_allowed: str | None = None
    """NUMA nodes of the cpuset (until 4.20)."""
    memcg: MemcgStatistics = field(default_factory=MemcgStatistics)
    machine: MemInfo = field(init=False)
    doubtful_machine: MemInfo = field(init=False)
    """Of lines that a mount may have printed: they count if no other line has them."""
    table: TaskTable = field(default_factory=TaskTable)

    def __post_init__(self) -> None:
        self.machine, self.doubtful_machine = MemInfo(self.page_size), MemInfo(self.page_size)

    def count_record(self, now_us: int) -> bool:
        """Count a record, and return whether it is too late for this report, or of another boot."""
        self.silent_records += 1
        return self.silent_records > _MAX_SILENT_RECORDS or abs(now_us - self.last_us) > _MAX_SILENT_US

    def after_loss(self) -> Report:
        """Return this report without the facts that were read before a gap."""
        return Report(
            self.first_record, self.page_size, self.last_us, self.is_excerpt, self.silent_records, has_gap=True
        )

    def read(self, record: Record) -> None:
        """Take the facts of a line, or of a fragment of one. Other lines are ignored."""
        if self.is_of_same_caller(record) and self._read(record):
            self.silent_records, self.last_us = 0, record.monotonic_us

    def is_of_same_caller(self, record: Record) -> bool:
        """Return whether the thread that printed this report may have printed a record: most logs name no threads."""
        caller = self.first_record.caller
        return caller is None or record.caller is None or record.caller == caller

    def _read(self, record: Record) -> bool:
        """Return whether the line belongs to this report."""
        text = record.text
        if oom_lines.CPUSET in text and self.opener and text.startswith(f"{self.opener.comm}{oom_lines.CPUSET}"):
            # Until 4.20 this line begins with a process's name, which may look like any other line.
            if (line := oom_lines.MEMS_ALLOWED.fullmatch(text)) and not has_mount_level(record):
                self.mems_allowed = line["nodes"]
            return True
        if has_mount_level(record):
            return not record.is_fragment and (
                self._announce(text) or self._line_without_level(record, is_doubtful=True)
            )
        if text.startswith(BEGINNINGS) and (new := PathLine.begin(record)):
            return self._begin_line(new)
        if record.is_fragment or text.startswith(CONTINUATIONS):
            return self._continue(record)
        if text.startswith("["):
            return self.table.read(text, self.machine.page_size)
        return self.memcg.read(text) or self._line_without_level(record, is_doubtful=False) or self._announce(text)

    def _announce(self, text: str) -> bool:
        line = oom_lines.ANNOUNCE.fullmatch(text) if "ill process " in text else None
        if line is not None:
            self.announced = line["cause"]
        return line is not None

    def _begin_line(self, line: PathLine) -> bool:
        self._add_cgroup()
        self.open_line = line
        known = self.heads.get(line.head)
        # Another subsystem's line may begin with the same words: a later line replaces one that does not parse.
        # Statistics come for the cgroup, then for each descendant: only the first line counts, even truncated.
        if known is None or (line.head != cgroup_lines.STATS and not known.is_whole):
            self.heads[line.head] = line
        return True

    def _add_cgroup(self) -> None:
        if self.open_line is not None and self.open_line.head == cgroup_lines.STATS:
            self.memcg.add_cgroup(self.open_line.text)
            self.open_line = None

    def _continue(self, record: Record) -> bool:
        line = self.open_line
        if line is None or not line.append(record):
            return False
        if line.parts[0] == self.first_record.text and self.opener and self.opener.order is None:
            self.opener = oom_lines.parse_opener(line.text) or self.opener
        return True

    def _line_without_level(self, record: Record, *, is_doubtful: bool) -> bool:
        """Read a line that has the log's default level.

        is_doubtful: a mount may have printed it. The kernel's own line is there too if the whole report is.
        """
        if is_doubtful and self.opener is None:
            return False
        text = record.text
        if text.startswith(oom_lines.CURRENT_TASK_BEGINNINGS) and (line := oom_lines.CURRENT_TASK.fullmatch(text)):
            return self._trigger(line, is_doubtful=is_doubtful)
        return (self.doubtful_machine if is_doubtful else self.machine).read(text)

    def _trigger(self, line: re.Match[str], *, is_doubtful: bool) -> bool:
        if self.opener is None or (self.trigger_pid is not None and (is_doubtful or not self.is_trigger_doubtful)):
            return False
        comm = self.opener.comm
        if not line["rest"].startswith(comm) or not oom_lines.AFTER_CURRENT_COMM.match(line["rest"], len(comm)):
            return False
        self.trigger_pid, self.is_trigger_doubtful = int(line["pid"] or line["old_pid"]), is_doubtful
        if not is_doubtful:
            self.opener = replace(self.opener, comm=line["levels"] + comm)
        return True

    def summary(self, comm: str | None) -> cgroup_lines.Summary | None:
        """Return the `oom-kill:` line, joined. Fragments at its end that belong to other lines are left out.

        comm: the victim's name in the kill line, escaped, if known
        """
        line = self.heads.get(cgroup_lines.SUMMARY)
        if line is None:
            return None
        parts, memcg = line.parts, self.stats()
        for end in range(len(parts), 0, -1):
            if found := cgroup_lines.summary("".join(parts[:end]), comm=comm, oom_memcg=memcg):
                return found
        if self.opener is None and not self.is_excerpt:
            return None  # any user's text may stand in place of the end
        return cgroup_lines.summary_without_end(line.text, comm=comm)

    def nodes(self) -> tuple[str | None, str | None]:
        """Return (nodemask, mems_allowed), see `Context`."""
        if cgroup_lines.SUMMARY in self.heads:
            return cgroup_lines.nodes(self._whole(cgroup_lines.SUMMARY))
        return self.opener.nodemask if self.opener else None, self.mems_allowed

    def task_in(self) -> tuple[str, str] | None:
        """Return (task_memcg, oom_memcg) as kernels before 5.0 print them."""
        return cgroup_lines.task_in(self._whole(cgroup_lines.TASK_IN), oom_memcg=self.stats())

    def stats(self) -> str | None:
        """Return the path of the cgroup whose limit was hit, from the line above its statistics."""
        return cgroup_lines.stats(self._whole(cgroup_lines.STATS))

    @property
    def machine_sizes(self) -> dict[str, int | None]:
        """Sizes of the machine's memory and swap, by field of `Context`, bytes."""
        return {**self.doubtful_machine.sizes, **self.machine.sizes}

    def machine_usage(self) -> MachineUsage:
        """Return what filled the machine's memory."""
        mem_info = self.doubtful_machine if self.machine.is_empty else self.machine
        return mem_info.usage(self.opener.gfp_mask if self.opener else None)

    def memcg_usage(self) -> MemcgUsage:
        """Return what filled the cgroup whose limit was hit."""
        self._add_cgroup()
        return self.memcg.values()

    def _whole(self, head: str) -> str:
        line = self.heads.get(head)
        return "" if line is None else line.text

    @property
    def is_memcg(self) -> bool:
        """Whether a line was read that only the report of a memory cgroup has."""
        if self.memcg.has_usage or self.task_in() is not None:
            return True
        summary = self.summary(None)
        return summary is not None and summary.oom_memcg is not None
