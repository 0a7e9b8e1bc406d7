"""The programs that watch /dev/kmsg beside otel-oom: their processes, and what they reported.

cAdvisor's oomparser, node-problem-detector's log monitor with its own rules, and go-kmsg-parser, each in a small
program of ours (benchmarks/peers). A program writes a JSON line for each report.
"""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.peers.building import Peers
from benchmarks.peers.peers import victim_of
from otel_oom.kernel import text_escapes

CADVISOR: Final = "cAdvisor oomparser"
NPD: Final = "node-problem-detector"
KMSG_PARSER: Final = "go-kmsg-parser"
_QUIET_S: Final = 2.0
_STARTED_S: Final = 3.0


@dataclass(frozen=True, slots=True)
class Reported:
    """One kill that a program reported. None: the program does not say it."""

    pid: int | None
    comm: str | None
    cgroup: str | None = None
    container: str | None = None
    pod: str | None = None


@dataclass(frozen=True, slots=True)
class Watcher:
    """A running program. output: the file that it writes its reports to."""

    pid: int
    output: Path

    def reports(self) -> list[Reported]:
        """All reports so far, in order."""
        lines = self.output.read_text().splitlines(keepends=True)
        return [_reported(json.loads(line)) for line in lines if line.endswith("\n")]


def _reported(answer: dict[str, str | int]) -> Reported:
    if "message" in answer:
        return Reported(*victim_of(str(answer["message"])))
    cgroup = text_escapes.printable(str(answer["cgroup"]))
    return Reported(int(answer["pid"]), text_escapes.printable(str(answer["comm"])), cgroup)


@contextmanager
def watchers(directory: Path) -> Iterator[dict[str, Watcher]]:
    """All of them, by name; ended when the context ends. Raises: NoPeersError."""
    built = Peers.built().directory
    commands = {
        CADVISOR: [built / "cadvisor"],
        NPD: [built / "npd", built / "kernel-monitor.json"],
        KMSG_PARSER: [built / "kmsgparser"],
    }
    with ExitStack() as stack:
        running = {}
        for name, command in commands.items():
            output = directory / name.replace(" ", "-")
            with output.open("wb") as file:
                process = subprocess.Popen(command, stdout=file, stderr=subprocess.DEVNULL)  # noqa: S603 ours
            stack.callback(process.wait)
            stack.callback(process.kill)
            running[name] = Watcher(process.pid, output)
        time.sleep(_STARTED_S)
        yield running


def await_quiet(running: dict[str, Watcher], within_s: float = 30.0) -> None:
    """Wait until none of them has written for two seconds."""
    deadline = time.monotonic() + within_s
    sizes: list[int] = []
    while (now := [one.output.stat().st_size for one in running.values()]) != sizes and time.monotonic() < deadline:
        sizes = now
        time.sleep(_QUIET_S)
