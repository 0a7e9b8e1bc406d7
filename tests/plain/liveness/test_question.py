"""The side of the check: what it says of an agent that answers, of one that hangs, and of none."""

from __future__ import annotations

import os
import select
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from otel_oom.liveness import question
from otel_oom.liveness.answering_socket import AnsweringSocket
from otel_oom.liveness.question import Liveness, ask

WITHIN_S = 60.0


def no_pid() -> None:
    """Nobody holds the spool's lock."""


@contextmanager
def answered(spool: Path | None, reason: str | None = None) -> Iterator[None]:
    """An agent in a thread, which answers one question."""
    answering = AnsweringSocket(spool)

    def answer() -> None:
        select.select([answering], [], [], WITHIN_S)
        answering.answer(reason)

    thread = threading.Thread(target=answer)
    thread.start()
    try:
        yield
    finally:
        thread.join()
        answering.close()


def test_an_agent_that_reads(tmp_path: Path) -> None:
    with answered(tmp_path):
        assert ask(tmp_path, no_pid, timeout_s=WITHIN_S) == Liveness(os.getpid())


def test_an_agent_that_cannot_read(tmp_path: Path) -> None:
    with answered(tmp_path, "No such device"):
        found = ask(tmp_path, no_pid, timeout_s=WITHIN_S)
    assert found == Liveness(
        os.getpid(), "the agent runs, but cannot read the kernel log: No such device", "see its log lines"
    )


def test_an_agent_that_hangs(tmp_path: Path) -> None:
    answering = AnsweringSocket(tmp_path)
    try:
        for timeout_s in (0.01,) * 30:  # its queue is full after some of them
            found = ask(tmp_path, no_pid, timeout_s=timeout_s)
            assert found.problem == "the agent is there, but its reading loop gave no answer within 0.01 s"
    finally:
        answering.close()


@pytest.mark.parametrize("lock_pid", [None, "4194305", str(os.getpid())], ids=["none", "gone", "another"])
def test_no_agent(lock_pid: str | None, tmp_path: Path) -> None:
    found = ask(tmp_path, lambda: lock_pid, timeout_s=WITHIN_S)
    assert found.problem == f"no agent with the spool {tmp_path} runs here"


def test_an_agent_with_another_spool_does_not_answer(tmp_path: Path) -> None:
    with answered(tmp_path / "one"):
        assert ask(tmp_path / "other", no_pid, timeout_s=WITHIN_S).pid == 0
        assert ask(tmp_path / "one", no_pid, timeout_s=WITHIN_S).problem is None


def test_another_user_who_has_the_name_is_not_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(question, "is_trusted", lambda _: False)
    with answered(tmp_path):
        found = ask(tmp_path, no_pid, timeout_s=WITHIN_S)
    assert found.problem == f"process {os.getpid()} of uid {os.geteuid()} answers in the agent's place"


@pytest.mark.parametrize("error", [PermissionError(13, "Permission denied"), OSError(97, "not supported")])
def test_nobody_can_be_asked(error: OSError, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(socket, "socket", fail)
    assert ask(tmp_path, no_pid, timeout_s=WITHIN_S).problem == f"no agent can be asked: {error}"
