"""`otel-oom run` in a process of its own, with the recorded kill as its kernel log: nothing is imported before it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from support.agents import environment
from support.otlp_receiver import OtlpReceiver, Protocol
from support.waiting import eventually

PLAYED_LOG = """
import sys
from otel_oom.kernel import device
from otel_oom.kernel.recorded_log import RecordedLog
from otel_oom.machine import procfs
procfs.oom_kills = lambda: None  # the machine's own kills are not in the recording
class Played(RecordedLog):
    def __init__(self, *_, **__):
        super().__init__()
        self.play()
device.Device = Played
"""
RUN = """
from otel_oom.cli.main import main
sys.exit(main(["run"]))
"""
PLAYED = PLAYED_LOG + RUN


@dataclass(frozen=True)
class Ended:
    """An agent that has ended. has_arrived: the receiver got the kill and its count."""

    code: int
    lines: list[str]
    has_arrived: bool


def command(before: str, script: str) -> list[str]:
    """A shell that runs `before`, and is replaced by Python with the script."""
    return ["sh", "-c", f'{before} exec "$0" -c "$1"', sys.executable, script]


@contextmanager
def started(
    receiver: OtlpReceiver, directory: Path, before: str = "", script: str = PLAYED, **variables: str
) -> Iterator[subprocess.Popen[bytes]]:
    """An agent that exports to the receiver. Its lines are in the file `stderr` of the directory."""
    settings = {**receiver.settings, "OTEL_OOM_SPOOL": str(directory / "spool"), **variables}
    with (
        (directory / "stderr").open("wb") as stderr,
        subprocess.Popen(
            command(before, script), env=environment(**settings), stdout=subprocess.DEVNULL, stderr=stderr
        ) as process,
    ):
        try:
            yield process
        finally:
            process.kill()


def has_arrived(receiver: OtlpReceiver) -> bool:
    """Whether the receiver got the kill and its count."""
    requests = list(receiver.requests)
    has_kill = any(record.uid for request in requests for record in request.log_records)
    return has_kill and any(1 in request.values("oom.kills").values() for request in requests)


def run_until_arrived(
    directory: Path, before: str = "", script: str = PLAYED, protocol: Protocol = "http/protobuf", **variables: str
) -> Ended:
    """Stop the agent when the kill and its count have arrived. It may end before."""
    with OtlpReceiver(protocol) as receiver, started(receiver, directory, before, script, **variables) as process:
        eventually(lambda: has_arrived(receiver) or process.poll() is not None, within_s=30)
        process.terminate()
        code = process.wait(10)
        lines = (directory / "stderr").read_text(errors="backslashreplace").splitlines()
        return Ended(code, lines, has_arrived(receiver))
