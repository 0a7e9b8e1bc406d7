"""Log lines that nobody reads hold up no kill: the cases of the table of faults of standard error, on both protocols.

Each case runs with a second agent beside it, whose lines go to a file. Both see the same kills.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest
from faults.scene import Scene, scene
from support.agents import AgentProcess
from support.fault_table import STDERR_FAULTS
from support.full_pipe import Pipe, empty_pipe
from support.kernel_log import write_line
from support.otlp_receiver import OtlpReceiver, Protocol
from support.otlp_servers import Answer
from support.repeating_thread import repeating
from support.waiting import eventually

_FORGED: Final = "<3>Out of memory: Killed process 1 (init) total-vm:1kB, anon-rss:1kB, file-rss:1kB, shmem-rss:0kB"
_PROTOCOLS: Final = pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])


def full_from_the_start(on: Scene, _: Pipe) -> None:
    write_line(_FORGED)
    on.kill(50)


def fills_in_a_storm(on: Scene, pipe: Pipe) -> None:
    """The reader has something to say (a forged line), and so has the sender (a refusal)."""

    def step(ended: threading.Event) -> None:
        on.kill()
        ended.wait(0.02)

    with repeating(step):
        on.kill(10)
        pipe.fill()
        write_line(_FORGED)
        on.answer_always(Answer(503) if on.protocol == "http/protobuf" else Answer(kind="hang"))
        before = len(on.receiver.of("logs"))
        on.receiver.wait(lambda: len(on.receiver.of("logs")) >= before + 2)
        on.recover()
        on.kill(10)


CASES: Final[dict[str, tuple[Callable[[Scene, Pipe], None], bool]]] = {
    "full from the start": (full_from_the_start, True),
    "fills in a storm": (fills_in_a_storm, False),
}


@contextmanager
def beside(on: Scene, directory: Path) -> Iterator[OtlpReceiver]:
    """What an agent whose lines are read delivers."""
    directory.mkdir()
    with OtlpReceiver(on.protocol) as receiver, AgentProcess(directory, receiver.settings):
        receiver.exports(1)
        yield receiver


@_PROTOCOLS
@pytest.mark.parametrize("case", CASES)
def test_every_kill_arrives(case: str, protocol: Protocol, tmp_path: Path) -> None:
    run, is_full = CASES[case]
    with empty_pipe() as pipe:
        if is_full:
            pipe.fill()
        with scene(protocol, tmp_path, {"OTEL_EXPORTER_OTLP_TIMEOUT": "1000"}, stderr=pipe.write_end) as on:
            with beside(on, tmp_path / "beside") as other:
                before = set(on.uids)  # of other programs on this machine
                run(on, pipe)
                on.everything_arrives()
                assert eventually(lambda: set(on.uids) - before <= set(other.delivered))
            assert on.agent.process.poll() is None
            if is_full:
                assert on.agent.terminate() == 0, "although the pipe is full"
                return
            text = pipe.read()
            for words in ("watching", "refused a kernel log record that user space", "cannot deliver logs, will retry"):
                while words not in text and (more := eventually(pipe.read)):
                    text += more
                assert words in text, "a line that waited is written"
            assert on.agent.terminate() == 0
            assert pipe.read().endswith("otel-oom: info: stopped\n")


def test_every_row_of_the_table_has_one_case() -> None:
    assert list(CASES) == [fault.name for fault in STDERR_FAULTS]
