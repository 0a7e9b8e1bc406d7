"""The agent as a user starts it (a process), and as a test with a clock or a source of its own does (a thread)."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from support import canary
from support.waiting import eventually

from otel_oom.agent import start
from otel_oom.config.settings import load_config
from otel_oom.kernel.log_source import Clock, Source

RECONCILED_S = 11.0
"""Seconds until a difference to the kernel's counter is published: it must be seen in two comparisons, 5 s apart."""


def environment(**variables: str) -> dict[str, str]:
    """This process's environment without its OTEL_* settings, and these ones. No spool, if none is named.

    The key for the collector is a secret that no output may show, see `canary`.
    """
    clean = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    return {**clean, **canary.VARIABLES, "OTEL_OOM_SPOOL": "none", **variables}


class AgentProcess:
    """`otel-oom run` in a process of its own. One that starts later in the same directory goes on with its spool.

    stderr: a file descriptor for its log lines; then `said` knows none, and nobody waits for the first of them
    """

    def __init__(self, directory: Path, settings: Mapping[str, str], *flags: str, stderr: int | None = None) -> None:
        self._stderr = directory / "agent.stderr"
        self._has_own_stderr = stderr is not None
        with self._stderr.open("wb") as file:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "otel_oom", "run", *flags],
                env=environment(**{"OTEL_OOM_SPOOL": str(directory / "spool"), **settings}),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=file if stderr is None else stderr,
            )

    def __enter__(self) -> AgentProcess:
        if self._has_own_stderr:
            return self
        is_ready = eventually(lambda: "watching" in self.said() or self.process.poll() is not None, within_s=30)
        if not is_ready or self.process.poll() is not None:
            self.__exit__()
            raise AssertionError(f"the agent does not watch: {self.said()}")
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        self.said()

    def said(self) -> str:
        """All that it wrote to stderr."""
        text = self._stderr.read_text()
        canary.look_at(text, "the log lines of an agent")
        return text

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
        agent = start.prepare(load_config(os.environ), source=source, wall_ns=wall_ns or time.time_ns)
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
