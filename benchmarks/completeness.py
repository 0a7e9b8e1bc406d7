"""Storms of 500 real kills: how many each program reports, how many with the right cgroup, container and pod.

All programs watch the same storms at the same time. The kernel is the judge: a reader of our own keeps its kill lines,
and `oom_kill` of /proc/vmstat must have increased by as many. Then user space writes ten reports of kills that never
happened, each with a line of its own for the process, the cgroup and the kill: a program that reports one is deceived.
"""

from __future__ import annotations

import re
import tempfile
from collections import Counter
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from support import kernel_judge, real_kills, received_telemetry
from support.agents import AgentProcess
from support.kernel_log import write_line
from support.otlp_receiver import OtlpReceiver
from support.waiting import eventually

from benchmarks import watchers
from benchmarks.measured import Measure, program, progress
from benchmarks.pod_storm import NoStormError, PodStorm, pods
from benchmarks.watchers import Reported
from otel_oom import schema

OTEL_OOM: Final = "otel-oom"
KERNEL: Final = "the kernel"
FORGED: Final = "reports written by user space"
REPORTED: Final = "reported"
TWICE: Final = "reported twice"
RIGHT: Final = {"cgroup": "right cgroup", "container": "right container", "pod": "right pod"}
FORGED_REPORTS: Final = 10
_COUNTED, _LINES, _DURATION = "oom_kill of /proc/vmstat", "kill lines", "duration"
_OF_KERNEL: Final = ((_COUNTED, ""), (_LINES, ""), (_DURATION, "s"))
_OF_PROGRAMS: Final = tuple((quantity, "") for quantity in (REPORTED, *RIGHT.values(), TWICE))
_NAME: Final = re.compile(r"Killed process (\d+) \((\S+)\)")

Victim = tuple[int, str]
"""pid and name"""


def scenario(kills: int, parallel: int) -> str:
    """Its name."""
    return f"{kills} kills, {'one after another' if parallel == 1 else f'{parallel} at a time'}"


def by_otel_oom(receiver: OtlpReceiver) -> list[Reported]:
    """What the agent has sent: one for each log record of a kill."""
    names = (schema.PID, schema.COMM, schema.VICTIM_CGROUP, schema.CONTAINER_ID, schema.POD_UID)
    return [
        Reported(*(record.attributes.get(name.name) for name in names))
        for record in received_telemetry.records(receiver)
    ]


def judge(storm: PodStorm, killed: set[Victim], reports: Iterable[Reported]) -> Counter[str]:
    """Counts over the kills of a storm, by quantity. The first report of a kill is judged, others count as repeats."""
    found: Counter[str] = Counter()
    seen: set[Victim] = set()
    for report in reports:
        victim = (report.pid or 0, report.comm or "")
        owner = storm.container_of(victim[1])
        if owner is None or victim not in killed:
            continue
        if victim in seen:
            found[TWICE] += 1
            continue
        seen.add(victim)
        found[REPORTED] += 1
        found[RIGHT["cgroup"]] += report.cgroup == owner.path
        found[RIGHT["container"]] += report.container == owner.id
        found[RIGHT["pod"]] += report.pod == owner.pod_uid
    return found


def victims(storm: PodStorm, judged: kernel_judge.Judge) -> set[Victim]:
    """The kills of this storm's token that the kernel printed so far."""
    lines = (_NAME.search(line.text) for line in judged.kills)
    return {(int(line[1]), line[2]) for line in lines if line and storm.container_of(line[2])}


def forge(storm: PodStorm) -> set[str]:
    """Write reports of kills that never happened; returns the names of their victims."""
    names = {f"{storm.token}f{number}" for number in range(FORGED_REPORTS)}
    for number, name in enumerate(sorted(names)):
        pid = 4_100_000 + number
        write_line(f"<4>{name} invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=0")
        write_line(
            "<4>oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,oom_memcg=/forged,"
            f"task_memcg=/forged,task={name},pid={pid},uid=0"
        )
        write_line(
            f"<4>Memory cgroup out of memory: Killed process {pid} ({name}) total-vm:34568kB, anon-rss:8000kB, "
            "file-rss:900kB, shmem-rss:0kB, UID:0 pgtables:100kB oom_score_adj:0"
        )
    return names


def run(measure: Measure) -> None:
    """Measure."""
    kills = 16 if measure.is_short else 500
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        receiver = stack.enter_context(OtlpReceiver("http/protobuf"))
        peers = stack.enter_context(watchers.watchers(directory))
        stack.enter_context(AgentProcess(directory, receiver.settings))
        for parallel in (1, 8):
            counts = [one_storm(kills, parallel, receiver, peers) for _ in range(measure.repeats)]
            for subject in counts[0]:
                for quantity, unit in _OF_KERNEL if subject == KERNEL else _OF_PROGRAMS:
                    values = [count[subject].get(quantity, 0) for count in counts]
                    measure.add(scenario(kills, parallel), subject, quantity, unit, values)
        with pods() as storm:
            names = forge(storm)
            watchers.await_quiet(peers)
            for subject, reports in everything(receiver, peers).items():
                accepted = {report.comm for report in reports} & names
                measure.add(FORGED, subject, f"accepted of {FORGED_REPORTS}", "", [len(accepted)])
    measure.notes += [
        "cAdvisor's parser and node-problem-detector's monitor run in small programs of ours, nothing is behind them.",
        "cAdvisor names the cgroup's path. node-problem-detector and go-kmsg-parser pass on the kill line without one.",
        "Only otel-oom has attributes for container and pod.",
    ]


def everything(receiver: OtlpReceiver, peers: dict[str, watchers.Watcher]) -> dict[str, list[Reported]]:
    """All reports so far, by program."""
    return {OTEL_OOM: by_otel_oom(receiver), **{name: one.reports() for name, one in peers.items()}}


def one_storm(
    kills: int, parallel: int, receiver: OtlpReceiver, peers: dict[str, watchers.Watcher]
) -> dict[str, dict[str, float]]:
    """The counts of each program, and the kernel's own, by quantity. Raises: NoStormError."""
    real_kills.await_reports()
    with pods() as storm, kernel_judge.judging() as judged:
        took_s = storm.run(kills, parallel)
        judged.drain()
        killed = victims(storm, judged)
        if len(killed) != kills:
            raise NoStormError(f"the kernel printed {len(killed)} of {kills} kill lines")
        eventually(lambda: judge(storm, killed, by_otel_oom(receiver))[REPORTED] >= kills, within_s=20.0)
        watchers.await_quiet(peers)
        counted = judged.counted
        reports = everything(receiver, peers)
        counts = {name: dict[str, float](judge(storm, killed, told)) for name, told in reports.items()}
    progress(
        f"{scenario(kills, parallel)}: {took_s:.1f} s; vmstat +{counted}; "
        + "; ".join(f"{name} {count.get(REPORTED, 0)}" for name, count in counts.items())
    )
    return {KERNEL: {_COUNTED: counted, _LINES: len(killed), _DURATION: took_s}, **counts}


if __name__ == "__main__":
    program("completeness", run)
