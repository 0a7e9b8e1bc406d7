"""The agent's side of the question whether it is alive: it answers trusted senders, and never waits."""

from __future__ import annotations

import os
import select
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from otel_oom.liveness import answering_socket
from otel_oom.liveness.answering_socket import AnsweringSocket, open_answering_socket
from otel_oom.liveness.socket_name import socket_name


@pytest.fixture
def answering(tmp_path: Path) -> Iterator[AnsweringSocket]:
    made = AnsweringSocket(tmp_path)
    yield made
    made.close()


@pytest.fixture
def asking(answering: AnsweringSocket, tmp_path: Path) -> Iterator[socket.socket]:  # noqa: ARG001 it must be there first
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as made:
        made.bind("")
        made.connect(socket_name(tmp_path))
        yield made


@pytest.mark.parametrize(
    ("reason", "answer"),
    [(None, b"reads"), ("No such device", b"No such device"), ("\udcff", b"\\udcff"), ("x" * 1000, b"x" * 512)],
)
def test_the_answer_says_whether_the_log_is_open(
    reason: str | None, answer: bytes, answering: AnsweringSocket, asking: socket.socket
) -> None:
    asking.send(b"?")
    answering.answer(reason)
    assert asking.recv(1000) == answer


@pytest.mark.parametrize("question", [b"", b"\0" * 100_000, b"\xff", b"reads"])
def test_what_is_asked_does_not_matter(question: bytes, answering: AnsweringSocket, asking: socket.socket) -> None:
    asking.send(question)
    answering.answer(None)
    assert asking.recv(1000) == b"reads"


def test_nobody_asks(answering: AnsweringSocket) -> None:
    answering.answer(None)


def test_another_user_gets_no_answer(
    answering: AnsweringSocket, asking: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    monkeypatch.setattr(answering_socket, "is_trusted", seen.append)  # None is false
    asking.send(b"?")
    answering.answer(None)
    with pytest.raises(BlockingIOError):
        asking.recv(1)
    assert seen == [os.geteuid()]


def test_a_sender_that_never_reads_delays_nothing(answering: AnsweringSocket, asking: socket.socket) -> None:
    for _ in range(2_000):  # more answers than the queue of a socket takes
        asking.send(b"?")
        answering.answer(None)
    while select.select([asking], [], [], 0)[0]:
        asking.recv(1000)
    asking.send(b"?")
    answering.answer(None)
    assert asking.recv(1000) == b"reads"


def test_a_sender_without_an_address_is_ignored(answering: AnsweringSocket, asking: socket.socket) -> None:
    one, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with one, other, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as nameless:
        nameless.connect(asking.getpeername())
        nameless.send(b"?")
    asking.send(b"?")
    answering.answer(None)
    assert asking.recv(1000) == b"reads"


def test_passed_descriptors_are_not_kept(answering: AnsweringSocket, asking: socket.socket) -> None:
    def descriptors() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    before = descriptors()
    for _ in range(5):
        socket.send_fds(asking, [b"?"], [0, 1, 2])
        answering.answer(None)
        assert asking.recv(1000) == b"reads"
    assert descriptors() == before


def test_a_second_agent_with_the_same_spool_runs_without_it(
    answering: AnsweringSocket,  # noqa: ARG001 it has the name
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert open_answering_socket(tmp_path) is None
    (line,) = caplog.messages
    assert line.startswith("`otel-oom check --live` gets no answer from this agent: another process has the agent's")
    assert line.endswith(" name for it; give each agent a spool of its own with --spool")


def test_an_agent_without_such_sockets_runs_without_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forbidden(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(socket, "socket", forbidden)
    assert open_answering_socket(tmp_path) is None
    (line,) = caplog.messages
    assert line.endswith("agent: [Errno 1] Operation not permitted; allow AF_UNIX sockets, and mount /proc")


def test_the_name_is_free_after_the_end(tmp_path: Path) -> None:
    for _ in range(2):
        made = open_answering_socket(tmp_path)
        assert made is not None
        made.close()
