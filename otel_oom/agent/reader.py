"""Turns a source's readings into findings, and knows which records were read.

It does no I/O of its own: `source` reads the log, and `look` reads /proc.

Rules:
- Read until nothing is left, then pass on: all victims of a group are known before the first one is delivered.
- A restart reads again from before an open report or group. Records that were counted before the restart are context
  only: they are neither counted nor delivered again, and their loss is not counted either.
- Reading stops after the line that reports a fork of the virtual machine. What was read before the fork is passed on
  first, because the machine may have another identity after it.
- The victim's cgroup is read from /proc as soon as a kill line without a report was read: see `victim_cgroup`.
- No record ends the reading. What cannot be handled (a bug, no memory) is counted and logged.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Final, Literal

from otel_oom.agent.read_batch import BurstEnd, Drained, More, ReadBatch
from otel_oom.health import Health
from otel_oom.kernel import kmsg_record, oom_lines, vm_fork_line
from otel_oom.kernel.kill_assembler import Assembler
from otel_oom.kernel.log_source import Item, Lost, Reading, Skipped, Source
from otel_oom.kernel.oom_kill import Finding, Forged, OomKill, Repeat
from otel_oom.machine.identity import MachineIdentity
from otel_oom.machine.victim_cgroup import Look, no_glance

_VM_FORK: Final = vm_fork_line.VM_FORK.encode()
_WORDS: Final = (*oom_lines.WORDS_OF_MARKERS, _VM_FORK)
"""A record without any of these matters only while a report is open."""
_BURST: Final = 1_000  # records: in a flood that never ends, findings are passed on after each burst


class Reader:
    """Reads bursts of records, and gathers a batch from them.

    first_uncounted: sequence of the first record that was not counted before a restart
    until: sequence of the first record that is left to another reader
    look: reads the cgroup of a victim from /proc
    """

    def __init__(
        self,
        source: Source,
        health: Health,
        machine: MachineIdentity,
        *,
        first_uncounted: int = 0,
        until: float = math.inf,
        look: Look = no_glance,
    ) -> None:
        self._source = source
        self._health = health
        self._machine = machine
        self._first_uncounted = first_uncounted
        self._until = until
        self._look = look
        self._assembler = Assembler(machine.boot_id, machine.page_size)
        self._ahead: Reading = None
        self.batch = ReadBatch()
        """What reading brought since the last `clear_batch`."""
        self.kill_lines = 0
        """Kill lines counted since the start, repeats included: what the kernel's own counter counts."""

    def clear_batch(self) -> None:
        """The batch was passed on: begin an empty one."""
        self.batch = ReadBatch()

    def settle_claims(self, *, is_confirmed: bool) -> None:
        """Take the claims of the batch as kills, or refuse them."""
        claims, self.batch = self.batch.claims, replace(self.batch, claims=[])
        if is_confirmed:
            self.kill_lines += len(claims)
            self.batch.findings.extend(claims)
        else:
            for claim in claims:
                self._health.record_refused(claim.record)

    @property
    def next_sequence(self) -> int | None:
        """Sequence of the first record that was not read yet, None where records are not numbered."""
        if isinstance(self._ahead, Item):
            return kmsg_record.sequence_of(self._ahead.raw)
        if isinstance(self._ahead, Lost):
            return self._ahead.first
        return self._source.next_sequence

    @property
    def cursor(self) -> int | None:
        """Sequence of the record from which a restart must read to understand the records that follow."""
        ahead, begin = self.next_sequence, self._assembler.begin
        return ahead if ahead is None or begin is None else min(ahead, begin)

    @property
    def first_uncounted(self) -> int:
        """Sequence of the first record that no total contains. Reading again after a restart does not move it."""
        return max(self._first_uncounted, self.next_sequence or 0)

    def find_gap(self) -> Literal["lost", "set back"] | None:
        """Read ahead; return whether uncounted records are missing before the first one. Call it once, after `open`.

        set back: the log ends before them: the virtual machine was set back to a snapshot, but its spool was not. Then
        all records that follow are uncounted.
        """
        self._ahead = self._source.read()
        end = self.next_sequence
        if self._ahead is None and end is not None and end < self._first_uncounted:
            self._health.log_ends_too_early(self._first_uncounted - end)
            self._first_uncounted = 0
            return "set back"
        return "lost" if isinstance(self._ahead, Lost) and self._uncounted_in(self._ahead) > 0 else None

    def burst(self) -> BurstEnd:
        """Read what is there, up to `_BURST` records or a fork, into the batch; returns what ended the reading."""
        if self.batch.is_forked:  # not passed on yet
            return More()
        try:
            left = _BURST
            while left > 0:
                left -= 1
                ahead, self._ahead = self._ahead, None
                reading = ahead or self._source.read(self._words)
                if isinstance(reading, Skipped):
                    self._health.records["read"] += reading.count
                    left -= reading.count
                elif isinstance(reading, Item):
                    if self._until < math.inf and (kmsg_record.sequence_of(reading.raw) or 0) >= self._until:
                        return Drained()
                    self._health.records["read"] += 1
                    self._feed(reading)
                    if _VM_FORK in reading.raw and self._is_fork(reading):
                        self.batch = replace(self.batch, is_forked=True)
                        return More()
                elif isinstance(reading, Lost):
                    self._lose(reading)
                else:
                    return reading or Drained()
            return More()
        finally:
            self._add(self._assembler.release_held())

    def read_all(self) -> None:
        """Open the source, read what it holds into the batch, and close it. Forks in it change nothing.

        Raises: NoDeviceError, NoPermissionError.
        """
        self._source.open()
        try:
            while isinstance(self.burst(), More):
                self.batch = replace(self.batch, is_forked=False)
        finally:
            self._source.close()

    @property
    def _words(self) -> Sequence[bytes]:
        """The words without which the source may skip a record. Where reading has an end, each record is looked at."""
        return () if self._assembler.is_open or self._until < math.inf else _WORDS

    def _lose(self, lost: Lost) -> None:
        self._assembler.lost()
        if count := self._uncounted_in(lost):
            self._health.records_lost(count)
            self.batch = replace(self.batch, lost=self.batch.lost + count, lost_ns=lost.observed_ns)

    def _uncounted_in(self, lost: Lost) -> int:
        if lost.first is None:
            return lost.count
        return int(max(0, min(lost.first + lost.count, self._until) - max(lost.first, self._first_uncounted)))

    def _is_fork(self, item: Item) -> bool:
        record = kmsg_record.parse(item.raw)
        if not isinstance(record, kmsg_record.Record) or record.sequence < self._first_uncounted:
            return False
        return vm_fork_line.is_vm_fork(record)

    def _feed(self, item: Item) -> None:
        if not self._assembler.is_open and not self._begins_something(item.raw):
            return
        try:
            findings = self._interpret(item)
        except Exception as error:  # noqa: BLE001 the next record is read
            self._health.record_failed(item.raw, error)
            findings = self._interpret_alone(item)
        self._add(findings)

    def _begins_something(self, raw: bytes) -> bool:
        """Whether a record matters while no report is open. A victim's cgroup is read at once."""
        sequence = kmsg_record.sequence_of(raw)
        if sequence is None:
            return True  # it is malformed, and counted as such
        if oom_lines.OOM_MARKER.search(raw) is None:
            return False
        if killed := oom_lines.KILLED_PID.search(raw):
            self._note_victim(sequence, int(killed[1]))
        return True

    def _note_victim(self, sequence: int, pid: int) -> None:
        try:
            if (glance := self._look(pid)) is not None:
                self.batch.glances[sequence] = glance
        except Exception as error:  # noqa: BLE001 the kill is delivered without the cgroup
            self._health.bug("the look at a victim in /proc", error)

    def _interpret_alone(self, item: Item) -> tuple[Finding, ...]:
        """Interpret a record again, without the report before it: the failure may lie in the report."""
        held = self._assembler.release_held()
        self._assembler = Assembler(self._machine.boot_id, self._machine.page_size)
        try:
            return (*held, *self._interpret(item))
        except Exception as error:  # noqa: BLE001 the record is counted already; the reconciliation shows a missed kill
            self._health.bug("the reading of a kill line", error)
            return held

    def _interpret(self, item: Item) -> tuple[Finding, ...]:
        record = kmsg_record.parse(item.raw)
        if isinstance(record, kmsg_record.Malformed):
            self._health.record_malformed(record)
            return ()
        if record.facility != kmsg_record.FACILITY_KERNEL:
            if record.sequence >= self._first_uncounted and oom_lines.OOM_MARKER.search(item.raw):
                self._health.record_refused(record)
            return ()
        return self._assembler.feed(record, item.observed_ns)

    def _add(self, findings: tuple[Finding, ...]) -> None:
        """Count kill lines. Adds the findings without repeats and without those counted before a restart."""
        for finding in findings:
            if finding.record.sequence < self._first_uncounted:
                continue
            if isinstance(finding, Forged):
                self._health.record_refused(finding.record)
            elif isinstance(finding, OomKill) and not finding.line.has_known_cause:
                self.batch.claims.append(finding)
            else:
                self.kill_lines += isinstance(finding, OomKill | Repeat)
                if not isinstance(finding, Repeat):
                    self.batch.findings.append(finding)
