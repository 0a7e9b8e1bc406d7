"""The agent as a user starts it (a process), and as a test with a clock or a source of its own does (a thread)."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from support.waiting import eventually

from otel_oom.agent import start
from otel_oom.config.settings import load_config
from otel_oom.kernel.device import Clock, Source

RECONCILED_S = 11.0
"""Seconds until a difference to the kernel's counter is published: it must be seen in two comparisons, 5 s apart."""


def environment(**variables: str) -> dict[str, str]:
    """This process's environment without its OTEL_* settings, and these ones. No spool, if none is named."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    return {**clean, "OTEL_OOM_SPOOL": "none", **variables}


class AgentProcess:
    """`otel-oom run` in a process of its own. One that starts later in the same directory goes on with its spool."""

    def __init__(self, directory: Path, settings: Mapping[str, str], *flags: str) -> None:
        self._stderr = directory / "agent.stderr"
        with self._stderr.open("wb") as stderr:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "otel_oom", "run", *flags],
                env=environment(**{"OTEL_OOM_SPOOL": str(directory / "spool"), **settings}),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=stderr,
            )

    def __enter__(self) -> AgentProcess:
        is_ready = eventually(lambda: "watching" in self.said() or self.process.poll() is not None, within_s=30)
        if not is_ready or self.process.poll() is not None:
            self.__exit__()
            raise AssertionError(f"the agent does not watch: {self.said()}")
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()

    def said(self) -> str:
        return self._stderr.read_text()

    def terminate(self) -> int:
        """SIGTERM; returns the exit code, or raises TimeoutExpired after the promised three seconds."""
        self.process.terminate()
        return self.process.wait(3.0)


@contextmanager
def agent_thread(
    settings: Mapping[str, str], *, source: Source | None = None, wall_ns: Clock | None = None
) -> Iterator[start.ReadyAgent]:
    """The agent in a thread. settings: OTEL_* variables, seen by the agent and by the SDK's exporters alike."""
    theirs = dict(os.environ)
    os.environ.clear()
    os.environ.update(environment(**settings))
    try:
        clock = {} if wall_ns is None else {"wall_ns": wall_ns}
        agent = start.prepare(load_config(os.environ), source=source, **clock)
    finally:
        os.environ.clear()
        os.environ.update(theirs)
    thread = threading.Thread(target=agent.run, name="agent")
    thread.start()
    try:
        yield agent
    finally:
        agent.stop()
        thread.join()
