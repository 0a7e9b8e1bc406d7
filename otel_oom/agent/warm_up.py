"""Processes one recorded kill at the start, so that all memory for a real kill is allocated before."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from otel_oom.kernel import kmsg_record
from otel_oom.kernel.kill_assembler import Assembler
from otel_oom.kernel.log_source import Item
from otel_oom.kernel.oom_kill import Finding, OomKill
from otel_oom.kernel.recorded_log import RecordedLog
from otel_oom.kernel.text_escapes import escape
from otel_oom.machine import victim_process
from otel_oom.machine.identity import MachineIdentity
from otel_oom.telemetry import kill_event
from otel_oom.telemetry.event import Event
from otel_oom.telemetry.kill_event import LiveFacts

_FAILED: Final = "the warm-up failed, so the first kill may need memory that is not there"


def warm_up(build_request: Callable[[Sequence[Event]], None], machine: MachineIdentity) -> str | None:
    """Read the recorded kill, look at a process, and pass the event to `build_request`, which sends nothing.

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
        findings += assembler.release_held()
        for kill in findings:
            if isinstance(kill, OomKill):
                comm = escape(Path("/proc/self/comm").read_bytes().removesuffix(b"\n"))
                myself = replace(kill, line=replace(kill.line, pid=os.getpid(), comm=comm))
                process = victim_process.look_at_victim(myself, with_command_line=True)
                build_request([kill_event.kill_event(kill, LiveFacts(skew_s=0.0, process=process))])
    except MemoryError:
        return f"{_FAILED}: not enough memory; give the agent more (its unit MemoryMax=), or free some on this machine"
    except OSError as error:
        return f"{_FAILED}: {error}; mount /proc"
    except Exception as error:  # noqa: BLE001 the agent works without a warm-up as well
        return f"{_FAILED}: {error!r}; please report it"
    return None
