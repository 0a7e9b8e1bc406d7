"""What becomes dearer when something grows: rows in the spool's file, cgroups on the machine, rows in a report.

- The spool: one commit that adds an event and one that removes it again, while the file has many refused or undelivered
  rows. The agent itself keeps at most 1,000 refused and 10,000 undelivered ones: more of them are written past it.
- Cgroups: the delay of a real kill, and the agent's memory, beside many empty memory cgroups.
- A report: processor time and peak memory of `otel-oom parse` for one kill, by the rows of its task table.
"""

from __future__ import annotations

import os
import sqlite3
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

from support.otlp_receiver import OtlpReceiver

from benchmarks import latency, parse
from benchmarks.footprint import usage_of
from benchmarks.measured import Measure, program, progress
from benchmarks.pod_storm import remove_tree
from otel_oom import schema
from otel_oom.cgroupfs.cgroup_mounts import mounts_of_this_process
from otel_oom.demo.kill_sandbox import Sandbox
from otel_oom.spool.checkpoint import Checkpoint
from otel_oom.spool.spool import Commit
from otel_oom.spool.sqlite_store import FILE, SqliteStore
from otel_oom.telemetry.event import Event
from otel_oom.totals import ResourceIdentity, Totals

_COMMITS: Final = 20
_IDENTITY: Final = ResourceIdentity("benchmark")
_CHECKPOINT: Final = Checkpoint("boot", _IDENTITY, Totals(1))
_EVENT: Final = Event(
    schema.OOM_KILL,
    1,
    "python3 (pid 2110) was OOM-killed",
    {schema.RECORD_UID.name: "uid", **{f"oom.attribute.number{n}": "some twenty characters" for n in range(32)}},
    _IDENTITY,
)


def commit(*added: int, removed: tuple[int, ...] = (), replaces_all: bool = False) -> Commit:
    """A commit of events with these numbers."""
    events = tuple((number, _EVENT) for number in added)
    return Commit(events, removed, (), checkpoint=_CHECKPOINT, replaces_all=replaces_all, number=1)


def with_refused(directory: Path, rows: int) -> None:
    """Write so many small refused rows into the file of a store, past the agent."""
    database = sqlite3.connect(directory / FILE)
    row = "INSERT INTO refused (uid, why, event) VALUES (?, 'refused', '{}')"
    with database:
        database.executemany(row, ((f"{number:036}",) for number in range(rows)))
    database.close()


def spool(measure: Measure) -> None:
    """Commits beside many rows."""
    for kind, counts in {"undelivered": (0, 10_000), "refused": (0, 10_000, 1_000_000)}.items():
        for rows in (one // 1000 if measure.is_short else one for one in counts):
            with tempfile.TemporaryDirectory() as place:
                directory = Path(place) / "spool"
                store = SqliteStore(directory)
                store.open()
                store.commit(commit(*range(1, rows + 1 if kind == "undelivered" else 1), replaces_all=True))
                store.close()
                if kind == "refused":
                    with_refused(directory, rows)
                store = SqliteStore(directory)
                began_s = time.perf_counter()
                store.open()
                opened_s = time.perf_counter() - began_s
                took_ms = []
                for number in range(rows + 1, rows + 1 + _COMMITS):
                    began_s = time.perf_counter()
                    store.commit(commit(number))
                    store.commit(commit(removed=(number,)))
                    took_ms.append((time.perf_counter() - began_s) * 1e3)
                store.close()
            scenario = "rows in the spool's file"
            measure.add(scenario, f"{rows:,} {kind}", "commits of a kill", "ms", took_ms)
            measure.add(scenario, f"{rows:,} {kind}", "opening the file", "ms", [opened_s * 1e3])
            progress(f"{scenario}: {rows:,} {kind}")


@contextmanager
def empty_cgroups(count: int) -> Iterator[None]:
    """So many empty memory cgroups under one of ours, removed at the end."""
    memory = mounts_of_this_process().memory
    assert memory
    top = Path(memory.mount) / f"otel-oom-bench-{os.getpid()}-many"
    top.mkdir()
    try:
        for number in range(count):
            (top / f"docker-{number:064x}.scope").mkdir()
        yield
    finally:
        remove_tree(top, within_s=60.0)


def cgroups(measure: Measure) -> None:
    """Real kills beside many cgroups. The kills come so fast that most of them have no report."""
    way = replace(latency.WAYS[0], name="otel-oom")
    for count in (0, 10) if measure.is_short else (0, 1_000, 10_000):
        with (
            tempfile.TemporaryDirectory() as directory,
            OtlpReceiver(way.protocol) as receiver,
            Sandbox(f"otel-oom-bench-{os.getpid()}", 8) as victims,
            Sandbox(f"otel-oom-bench-{os.getpid()}-way", 1024) as cgroup,
            empty_cgroups(count),
            latency.running(way, cgroup, receiver, Path(directory)) as pid,
        ):
            took_ms = [latency.one_kill(victims, receiver, number) for number in range(3 if measure.is_short else 40)]
            memory_kib = usage_of(pid).rss
        scenario = "memory cgroups on the machine"
        measure.add(scenario, f"{count:,} more", "kill line to receiver", "ms", took_ms[1:])
        measure.add(scenario, f"{count:,} more", "resident memory", "MiB", [memory_kib / 1024])
        progress(f"{scenario}: {count:,} more")


def reports(measure: Measure) -> None:
    """Reports with long task tables."""
    for rows in (100, 1_000) if measure.is_short else (10_000, 100_000, 1_000_000):
        with tempfile.TemporaryDirectory() as directory:
            log = Path(directory) / "kern.log"
            with log.open("w") as file:
                file.writelines(f"[{1000 + n / 1e6:12.6f}] {line}\n" for n, line in enumerate(parse.report(1, rows)))
            command = [sys.executable, "-m", "otel_oom", "parse", "--output", "json", str(log)]
            runs = [parse.run(command, lambda out: out.count(b"\n")) for _ in range(measure.repeats)]
        assert {found for *_, found in runs} == {1}
        scenario, subject = "rows in one report", f"{rows:,} rows"
        measure.add(scenario, subject, "processor time", "s", [cpu for _, cpu, *_ in runs])
        measure.add(scenario, subject, "of a row", "us", [cpu / rows * 1e6 for _, cpu, *_ in runs])
        measure.add(scenario, subject, "peak memory", "MiB", [rss / 1024 for _, _, rss, _ in runs])
        progress(f"{scenario}: {subject}")


def run(measure: Measure) -> None:
    """Measure."""
    spool(measure)
    cgroups(measure)
    reports(measure)


if __name__ == "__main__":
    program("growth", run)
