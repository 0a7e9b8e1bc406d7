"""Captures of /dev/kmsg through otel-oom, cAdvisor's oomparser and node-problem-detector: a table of who saw what.

    python benchmarks/peers/peers.py

Captures: those of tests/plain/data with their golden results, user-writes.kmsg beside this file (written by hand: a
report between forged lines), and the hostile captures of ../shared/corpus where that is there. An ordinary checkout has
the first two alone; the heading says which were used.

What the peers claim:
- cAdvisor (and the kubelet with it) reads reports: from `invoked oom-killer` to the `oom-kill:` or the kill line. The
  kernel prints ten of them in 5 s.
- node-problem-detector passes a kill line on as the text of an event, with pid and name in it. It claims no cgroup.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

if __name__ == "__main__":  # run by its path, only this directory is on the module path
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.peers.building import HERE, NoPeersError, Peers, versions
from benchmarks.peers.judging import Kill, Report, Score, forged, judge, records
from otel_oom.kernel import kmsg_record, text_escapes
from otel_oom.kernel.kill_assembler import Assembler
from otel_oom.kernel.oom_kill import Finding, OomKill

ROOT: Final = HERE.parents[1]
GOLDEN: Final = ROOT / "tests" / "plain" / "data"
HOSTILE: Final = ROOT.parent / "shared" / "corpus" / "hostile"

# The text of node-problem-detector's event read as kindly as can be: the last `) total-vm:` is the kernel's.
_MESSAGE: Final = re.compile(r"Killed process (\d+)(?:, UID \d+,)? \((.*)\)(?:, UID \d+,)? total-vm:")


@dataclass(frozen=True, slots=True)
class Capture:
    """A capture and what happened in it."""

    path: Path
    kills: list[Kill]


def captures() -> list[Capture]:
    """All that there are, the repository's own first."""
    own = [Capture(path, _golden(path.with_suffix(".json"))) for path in sorted(GOLDEN.glob("*.kmsg"))]
    own.append(Capture(HERE / "user-writes.kmsg", _indexed(json.loads((HERE / "user-writes.json").read_text()))))
    index = HOSTILE / "index.jsonl"
    answers = map(json.loads, index.read_text().splitlines() if index.exists() else [])
    return own + [Capture(HOSTILE / one["file"], _indexed(one)) for one in answers if one["file"].endswith(".kmsg")]


def _golden(path: Path) -> list[Kill]:
    findings = json.loads(path.read_text())["findings"]
    return [
        Kill(
            sequence=one["record"],
            pid=one["pid"],
            comm=one["comm"],
            cgroup=one.get("cgroup"),
            leader=(one["tgid"], None) if "tgid" in one else None,
        )
        for one in findings
        if one["event"] == "OomKill"
    ]


def _indexed(answer: dict[str, Any]) -> list[Kill]:
    line = answer.get("oom_kill_line")
    return [
        Kill(
            sequence=one["seq"],
            pid=one["pid"],
            comm=text_escapes.printable(one["comm"]),
            cgroup=_shown(one["task_memcg"]),
            leader=(line["pid"], line["task"]) if line else None,
        )
        for one in answer["kills"]
    ]


def _shown(text: str | None) -> str | None:
    return None if text is None else text_escapes.printable(text)


def ours(capture: Path) -> Iterator[Report]:
    """What otel-oom sees: the parser and the assembler that the agent has, fed record by record."""
    assembler = Assembler("boot", 4096)
    found: list[Finding] = []
    for line in capture.read_bytes().splitlines(keepends=True):
        record = kmsg_record.parse(line)
        if isinstance(record, kmsg_record.Record) and not line.startswith(b" "):
            found += assembler.feed(record, 1)
    for kill in [*found, *assembler.release_held()]:
        if isinstance(kill, OomKill):
            yield Report(kill.record.sequence, kill.pid, kill.comm, kill.cgroup)


def victim_of(message: str) -> tuple[int | None, str | None]:
    """The pid and the name in the text of an event of node-problem-detector; None: it has none."""
    line = _MESSAGE.search(message)
    return (int(line[1]), text_escapes.printable(line[2])) if line else (None, None)


def theirs(answers: list[dict[str, Any]]) -> Callable[[Path], Iterator[Report]]:
    """What a peer printed, by capture."""

    def of(capture: Path) -> Iterator[Report]:
        for one in answers:
            if one["file"] != str(capture):
                continue
            if "message" in one:
                yield Report(one["sequence"], *victim_of(one["message"]))
            else:
                yield Report(
                    one["sequence"],
                    one["pid"],
                    text_escapes.printable(one["comm"]),
                    text_escapes.printable(one["cgroup"]),
                )

    return of


def table(scores: dict[str, dict[str, Score]]) -> Iterator[str]:
    """Markdown: the sums, and the captures in which a program is wrong. scores: program to capture to score."""
    yield "| | kills found | victims right | cgroups right | counted twice | injected fakes accepted |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for program, by_capture in scores.items():
        total = Score()
        for score in by_capture.values():
            total.add(score)
        cgroups = "does not say" if total.cgroups is None else f"{total.cgroups} of {total.known_cgroups}"
        yield (
            f"| {program} | {total.found} of {total.kills} | {total.victims} of {total.kills} | {cgroups} "
            f"| {total.twice} | {total.fakes} |"
        )
    yield ""
    yield f"| capture | kills | {' | '.join(scores)} |"
    yield f"| --- | --- |{' --- |' * len(scores)}"
    perfect = 0
    for capture, first in next(iter(scores.values())).items():
        row = [by_capture[capture] for by_capture in scores.values()]
        if all(score.is_perfect for score in row):
            perfect += 1
            continue
        cells = " | ".join("; ".join(score.notes).replace("|", r"\|") or "right" for score in row)
        yield f"| {capture} | {first.kills} | {cells} |"
    yield ""
    yield f"In {perfect} more captures all of them are right in all that they claim to say."


def main() -> None:
    """Build, run, judge, print."""
    files = captures()
    try:
        peers = Peers.built()
    except NoPeersError as error:
        sys.exit(str(error))
    paths = [capture.path for capture in files]
    pinned = versions()
    programs = {
        "otel-oom": (ours, True),
        f"cAdvisor {pinned['github.com/google/cadvisor']}": (theirs(peers.cadvisor(paths)), True),
        f"node-problem-detector {pinned['k8s.io/node-problem-detector']}": (theirs(peers.npd(paths)), False),
    }
    scores: dict[str, dict[str, Score]] = {program: {} for program in programs}
    fakes = 0
    for capture in files:
        log = records(capture.path.read_bytes())
        fakes += forged(log)
        for program, (reports, cgroups) in programs.items():
            scores[program][capture.path.stem] = judge(log, capture.kills, reports(capture.path), cgroups=cgroups)
    hostile = sum(HOSTILE in path.parents for path in paths)
    rest = f"and {hostile} hostile ones beside it" if hostile else "alone: the hostile ones are not beside it"
    print(f"{len(paths) - hostile} captures of the repository {rest}\n")
    print("\n".join(table(scores)))
    print(
        f"{fakes} lines in them are forged: user space wrote them, or a line about something else quotes a kill line."
    )


if __name__ == "__main__":
    main()
