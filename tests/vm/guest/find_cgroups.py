"""Finds the cgroup of each kill, as the agent does, and prints one line of JSON for each. Ends after a number of kills.

usage: find_cgroups.py KILLS    reads the kernel log from its end
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

from otel_oom.kernel.device import Device
from otel_oom.kernel.kill_assembler import Assembler
from otel_oom.kernel.kmsg_record import Record, parse
from otel_oom.kernel.log_source import Item
from otel_oom.kernel.oom_kill import OomKill
from otel_oom.victim_trace.trace_ring import Traced
from otel_oom.victim_trace.traced_victim import TracedVictim
from otel_oom.victim_trace.tracefs_setup import Unavailable
from otel_oom.victim_trace.victim_trace import VictimTrace, open_victim_trace


def rss_kib() -> int:
    (line,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmRSS")]
    return int(line.split()[1])


def say(**values: object) -> None:
    print(json.dumps(values), flush=True)  # noqa: T201


class WatchedRing:
    """The ring, which keeps the times of the victims of the last read."""

    def __init__(self, trace: VictimTrace) -> None:
        self.ring: Any = trace._ring
        self.times: dict[tuple[int, bool], int] = {}

    @property
    def has_missed(self) -> bool:
        return bool(self.ring.has_missed)

    def overwritten(self) -> int:
        return int(self.ring.overwritten())

    def read_until(self, time_ns: float) -> list[Traced]:
        events: list[Traced] = self.ring.read_until(time_ns)
        victims = [one for one in events if isinstance(one, TracedVictim)]
        self.times.update({(one.pid, one.cgroup_id is None): one.time_ns for one in victims})
        return events


def follow(trace: VictimTrace, kills: int, rss_before: int) -> None:
    watched = WatchedRing(trace)
    trace._ring = watched
    log = Device()
    log.open()
    assembler = Assembler("boot", 4096)
    say(ready=True, rss_opened_kib=rss_kib() - rss_before)
    seen = 0
    while seen < kills:
        log.wait(60)
        findings: list[object] = []
        while isinstance(item := log.read(), Item):
            record = parse(item.raw)
            if isinstance(record, Record) and record.facility == 0:
                findings += assembler.feed(record, item.observed_ns)
        findings += assembler.release_held()
        for kill in findings:
            if isinstance(kill, OomKill):
                seen += 1
                began_ns = time.perf_counter_ns()
                found = trace.find(kill)
                took_ns = time.perf_counter_ns() - began_ns
                line_ns = kill.record.monotonic_us * 1000
                say(
                    pid=kill.pid,
                    comm=kill.comm,
                    report=kill.context.completeness,
                    printed=kill.cgroup,
                    path=found and found.path,
                    names=found and found.names,
                    took_us=took_ns / 1000,
                    before_us=[(line_ns - ns) / 1000 for (pid, _), ns in watched.times.items() if pid == kill.pid],
                )
    say(rss_kib=rss_kib() - rss_before, overwritten=watched.ring.overwritten())


def main() -> None:
    rss_before = rss_kib()
    trace = open_victim_trace()
    if isinstance(trace, Unavailable):
        say(unavailable=trace.reason)
        return
    follow(trace, int(sys.argv[1]), rss_before)


main()
