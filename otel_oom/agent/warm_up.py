"""Rehearses one kill, so that the first real kill needs no memory that is not available then."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from otel_oom.kernel import kmsg_record
from otel_oom.kernel.device import Item
from otel_oom.kernel.kill_assembler import Assembler
from otel_oom.kernel.oom_kill import Finding, OomKill
from otel_oom.kernel.recorded_log import RecordedLog
from otel_oom.kernel.text_escapes import escape
from otel_oom.machine import victim_process
from otel_oom.machine.identity import MachineIdentity
from otel_oom.telemetry import kill_event
from otel_oom.telemetry.event import Event
from otel_oom.telemetry.kill_event import Sighting

_FAILED: Final = "the first kill was not rehearsed, and may need memory that is not there"


def warm_up(rehearse: Callable[[Sequence[Event]], None], machine: MachineIdentity) -> str | None:
    """Read the recorded kill, look at a process, and pass the event to `rehearse`, which sends nothing.

    Afterwards all modules and buffers that a kill needs are in memory. Returns None, or a warning with its remedy.
    """
    try:
        assembler = Assembler(machine.boot_id, machine.page_size)
        recording = RecordedLog()
        recording.play()
        findings: list[Finding] = []
        for item in iter(recording.read, None):
            if isinstance(item, Item) and isinstance(record := kmsg_record.parse(item.raw), kmsg_record.Record):
                findings += assembler.feed(record, item.observed_ns)
        findings += assembler.settle()
        for kill in findings:
            if isinstance(kill, OomKill):
                comm = escape(Path("/proc/self/comm").read_bytes().removesuffix(b"\n"))
                myself = replace(kill, line=replace(kill.line, pid=os.getpid(), comm=comm))
                process = victim_process.look_at_victim(myself, with_command_line=True)
                rehearse([kill_event.kill_event(kill, Sighting(skew_s=0.0, process=process))])
    except MemoryError:
        return f"{_FAILED}: not enough memory; give the agent more (its unit MemoryMax=), or free some on this machine"
    except Exception as error:  # noqa: BLE001 the agent works without a rehearsal as well
        return f"{_FAILED}: {error!r}; please report it"
    return None
