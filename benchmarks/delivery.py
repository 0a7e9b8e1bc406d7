"""Which kills arrive through an outage of the receiver and through SIGKILLs: otel-oom beside the SDK's own pipeline.

Both watch the same real kills, some five a second, and each has a receiver of its own. First both receivers refuse
connections for 60 s. Then both programs get SIGKILL 20 times and are started again at once: each time when both have
watched for a second. The kernel's kill lines say which kills there were.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from support import kernel_judge, real_kills, received_telemetry
from support.agents import environment
from support.otlp_receiver import OtlpReceiver
from support.repeating_thread import repeating
from support.waiting import eventually

from benchmarks.measured import Measure, program, progress
from otel_oom import schema
from otel_oom.demo.kill_sandbox import Sandbox

OTEL_OOM: Final = "otel-oom"
STOCK: Final = "SDK Batch, HTTP"
OUTAGE: Final = "outage of the receiver for 60 s"
SIGKILLS: Final = "20 SIGKILLs"
ARRIVED: Final = "arrived, % of the kills"
_ROOT: Final = Path(__file__).resolve().parents[1]
_ARGUMENTS: Final = {
    OTEL_OOM: ("-m", "otel_oom", "run"),
    STOCK: ("-m", "benchmarks.stock_pipeline", "batch", "http"),
}
_KILL_EVERY_S: Final = 0.2
_LIVES_S: Final = 1.0
_LAST_S: Final = 60.0


class Restarted:
    """One of the programs, with its receiver; a context that ends both."""

    def __init__(self, name: str, directory: Path) -> None:
        self._arguments = _ARGUMENTS[name]
        self.receiver = OtlpReceiver("http/protobuf")
        settings = {**self.receiver.settings, "OTEL_OOM_SPOOL": str(directory / "spool")}
        self._environment = environment(**settings)
        self._output = directory / "output"
        directory.mkdir()
        self._process = self._start()

    def __enter__(self) -> Restarted:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        self.receiver.__exit__()

    def restart(self) -> None:
        """SIGKILL, and a new process at once."""
        self._process.kill()
        self._process.wait()
        self._process = self._start()

    def await_watching(self) -> None:
        """Wait until it watches the log. Raises: RuntimeError."""
        if not eventually(lambda: "watching" in self._output.read_text(), within_s=60.0):
            raise RuntimeError(f"a program does not watch: {self._output.read_text()[-500:]}")

    def arrived(self, token: str) -> Counter[str]:
        """How often each victim whose name begins with the token has arrived."""
        bodies = [str(record.body) for request in self.receiver.accepted("logs") for record in request.log_records]
        return Counter(found for body in bodies for found in re.findall(rf"\b{token}\d+\b", body)[:1])

    def _start(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, *self._arguments]
        with self._output.open("wb") as file:
            return subprocess.Popen(command, cwd=_ROOT, env=self._environment, stdout=file, stderr=file)  # noqa: S603 ours


class Victims:
    """Makes a kill every 0.2 s while its `step` repeats. token: what the names of the victims begin with now."""

    def __init__(self, cgroup: Sandbox) -> None:
        self._cgroup = cgroup
        self._number = 0
        self.token = ""

    def step(self, ended: threading.Event) -> None:
        """One kill."""
        self._number += 1
        real_kills.kill(self._cgroup, mib=32, comm=f"{self.token}{self._number}".encode())
        ended.wait(_KILL_EVERY_S)


def run(measure: Measure) -> None:
    """Measure."""
    outage_s, deaths = (2.0, 2) if measure.is_short else (60.0, 20)
    tokens = {OUTAGE: f"d{os.getpid() % 100_000:05}o", SIGKILLS: f"d{os.getpid() % 100_000:05}s"}
    with ExitStack() as stack:
        top = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        programs = {name: stack.enter_context(Restarted(name, top / name)) for name in _ARGUMENTS}
        judged = stack.enter_context(kernel_judge.judging())
        victims = Victims(stack.enter_context(Sandbox(f"otel-oom-bench-{os.getpid()}", 8)))
        warm_up(victims, programs)
        victims.token = tokens[OUTAGE]
        for one in programs.values():
            one.receiver.stop()
        with repeating(victims.step):
            time.sleep(outage_s)
            for one in programs.values():
                one.receiver.start()
            progress("the receivers are back")
            time.sleep(2.0)
        # what is still on its way is not lost by the SIGKILLs that follow
        await_all(programs, judged, tokens[OUTAGE])
        victims.token = tokens[SIGKILLS]
        with repeating(victims.step):
            for _ in range(deaths):
                for one in programs.values():
                    one.restart()
                for one in programs.values():
                    one.await_watching()
                time.sleep(_LIVES_S)
        await_all(programs, judged, tokens[SIGKILLS])
        for scenario, token in tokens.items():
            killed = names(judged, token)
            for name, one in programs.items():
                arrived = one.arrived(token)
                found = len(killed & set(arrived))
                measure.add(scenario, name, "kills", "", [len(killed)])
                measure.add(scenario, name, "arrived", "", [found])
                measure.add(scenario, name, ARRIVED, "", [100 * found / len(killed)])
                measure.add(scenario, name, "arrived twice", "", [sum(arrived[victim] > 1 for victim in killed)])
        lost = received_telemetry.sum_of_counts(programs[OTEL_OOM].receiver, schema.RECORDS_LOST)
    measure.notes += [
        "One run: it takes two minutes. A kill that arrives twice has the same log.record.uid each time.",
        f"Records that the kernel log lost before otel-oom read them, as it reported: {lost}.",
    ]


def warm_up(victims: Victims, programs: dict[str, Restarted]) -> None:
    """Make kills until both programs have delivered one."""
    victims.token = f"w{os.getpid() % 100_000:05}n"
    with repeating(victims.step):
        if not eventually(lambda: all(one.arrived(victims.token) for one in programs.values()), within_s=60.0):
            raise RuntimeError("a program does not deliver")


def names(judged: kernel_judge.Judge, token: str) -> set[str]:
    """The victims that the kernel named in its kill lines."""
    judged.drain()
    return {found for line in judged.kills for found in re.findall(rf"\(({token}\d+)\)", line.text)}


def await_all(programs: dict[str, Restarted], judged: kernel_judge.Judge, token: str) -> None:
    """Wait until otel-oom has delivered all, or a minute. The SDK's pipeline gets five seconds at least."""
    began_s = time.monotonic()
    eventually(lambda: names(judged, token) <= set(programs[OTEL_OOM].arrived(token)), within_s=_LAST_S)
    time.sleep(max(0.0, began_s + 5.0 - time.monotonic()))
    progress(
        f"{len(names(judged, token))} kills; " + ", ".join(f"{n} {len(p.arrived(token))}" for n, p in programs.items())
    )


if __name__ == "__main__":
    program("delivery", run)
