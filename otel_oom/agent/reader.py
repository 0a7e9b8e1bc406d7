"""From a source's readings to findings, and where reading stands.

Rules:
- Read until nothing is left, then pass on: so the victims of one group are known before the first of them goes out.
- A restart reads again from before an open report or group. Records that were counted before the restart are context
  only: they are neither counted nor shipped again, and their loss is none.
- Behind the line of a virtual machine's fork this machine may be another one: what came before it is passed on first.
- Nothing that arrives ends the reading: what cannot be handled (a bug, no memory) is counted and said.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Final

from otel_oom.health import Health
from otel_oom.kernel import kmsg_record, oom_lines, vm_fork_line
from otel_oom.kernel.device import Closed, Item, Lost, Reading, Source
from otel_oom.kernel.kill_assembler import Assembler
from otel_oom.kernel.oom_kill import Finding, NoVictim, OomKill, Repeat
from otel_oom.machine.identity import MachineIdentity

_VM_FORK: Final = vm_fork_line.VM_FORK.encode()
_BURST: Final = 1_000  # records read before what was found goes out, in a flood that never ends


@dataclass(slots=True)
class ReadBatch:
    """What reading brought. lost_ns: when the last loss was seen; is_forked: the last record tells of a fork."""

    findings: list[OomKill | NoVictim] = field(default_factory=list)
    lost: int = 0
    lost_ns: int = 0
    is_forked: bool = False


class Reader:
    """Reads bursts of records.

    first_uncounted: sequence of the first record that was not counted before a restart
    until: sequence of the first record that is another reader's
    """

    def __init__(
        self,
        source: Source,
        health: Health,
        machine: MachineIdentity,
        *,
        first_uncounted: int = 0,
        until: float = math.inf,
    ) -> None:
        self._source = source
        self._health = health
        self._machine = machine
        self._first_uncounted = first_uncounted
        self._until = until
        self._assembler = Assembler(machine.boot_id, machine.page_size)
        self._ahead: Reading = None
        self.found = ReadBatch()
        """What reading brought since its taker last emptied it."""
        self.kill_lines = 0
        """Kill lines counted since the start, repeats included: what the kernel's own counter counts."""

    @property
    def next_sequence(self) -> int | None:
        """Of the first record that was not read yet, where records are numbered."""
        if isinstance(self._ahead, Item):
            return kmsg_record.sequence_of(self._ahead.raw)
        if isinstance(self._ahead, Lost):
            return self._ahead.first
        return self._source.next_sequence

    @property
    def cursor(self) -> int | None:
        """Of the record at which a restart must begin to understand what comes next."""
        ahead, begin = self.next_sequence, self._assembler.begin
        return ahead if ahead is None or begin is None else min(ahead, begin)

    @property
    def first_uncounted(self) -> int:
        """Sequence of the first record that no total holds yet. What is read again after a restart does not move it."""
        return max(self._first_uncounted, self.next_sequence or 0)

    def has_gap(self) -> bool:
        """After the opening: whether records that were never counted are missing before the first one."""
        self._ahead = self._source.read()
        return isinstance(self._ahead, Lost) and self._uncounted_in(self._ahead) > 0

    def burst(self) -> tuple[bool, Closed | None]:
        """Read what is there, up to a burst or a fork; returns whether that was all, and why if reading ended."""
        if self.found.is_forked:  # not passed on yet
            return False, None
        try:
            for _ in range(_BURST):
                ahead, self._ahead = self._ahead, None
                reading = ahead or self._source.read()
                if isinstance(reading, Item):
                    if (kmsg_record.sequence_of(reading.raw) or 0) >= self._until:
                        return True, None
                    self._health.records["read"] += 1
                    self.found.findings += self._feed(reading)
                    if _VM_FORK in reading.raw and self._is_fork(reading):
                        self.found.is_forked = True
                        return False, None
                elif isinstance(reading, Lost):
                    self._lose(reading)
                else:
                    return True, reading
            return False, None
        finally:
            self.found.findings += self._counted(self._assembler.settle())

    def read_all(self) -> None:
        """Open the source, read what it holds, and close it. Raises: NoDeviceError, NoPermissionError."""
        self._source.open()
        try:
            while not self.burst()[0]:
                pass
        finally:
            self._source.close()

    def _lose(self, lost: Lost) -> None:
        self._assembler.lost()
        if count := self._uncounted_in(lost):
            self._health.records_lost(count)
            self.found.lost += count
            self.found.lost_ns = lost.observed_ns

    def _uncounted_in(self, lost: Lost) -> int:
        if lost.first is None:
            return lost.count
        return int(max(0, min(lost.first + lost.count, self._until) - max(lost.first, self._first_uncounted)))

    def _is_fork(self, item: Item) -> bool:
        record = kmsg_record.parse(item.raw)
        if not isinstance(record, kmsg_record.Record) or record.sequence < self._first_uncounted:
            return False
        return vm_fork_line.is_vm_fork(record)

    def _feed(self, item: Item) -> list[OomKill | NoVictim]:
        sequence = kmsg_record.sequence_of(item.raw)
        is_anchor = oom_lines.OOM_MARKER.search(item.raw) is not None
        if not is_anchor and not self._assembler.is_open and sequence is not None:
            return []
        try:
            found = self._understand(item, is_anchor=is_anchor)
        except Exception as error:  # noqa: BLE001 whatever a record does, the next one is read
            self._health.record_failed(item.raw, error)
            found = self._understand_alone(item, is_anchor=is_anchor)
        return self._counted(found)

    def _understand_alone(self, item: Item, *, is_anchor: bool) -> tuple[Finding, ...]:
        """Once more, without what came before it: the report around a kill line may be at fault, not the line."""
        held = self._assembler.settle()
        self._assembler = Assembler(self._machine.boot_id, self._machine.page_size)
        try:
            return (*held, *self._understand(item, is_anchor=is_anchor))
        except Exception:  # noqa: BLE001 it was said; a kill line that was not counted here shows in the reconciliation
            return held

    def _understand(self, item: Item, *, is_anchor: bool) -> tuple[Finding, ...]:
        record = kmsg_record.parse(item.raw)
        if isinstance(record, kmsg_record.Malformed):
            self._health.record_malformed(record)
            return ()
        if record.facility != kmsg_record.FACILITY_KERNEL:
            if is_anchor and record.sequence >= self._first_uncounted:
                self._health.record_refused(record)
            return ()
        return self._assembler.feed(record, item.observed_ns)

    def _counted(self, findings: tuple[Finding, ...]) -> list[OomKill | NoVictim]:
        """Count kill lines. Returns the findings without repeats and without those counted before a restart."""
        new = [finding for finding in findings if finding.record.sequence >= self._first_uncounted]
        self.kill_lines += sum(isinstance(finding, OomKill | Repeat) for finding in new)
        return [finding for finding in new if not isinstance(finding, Repeat)]
