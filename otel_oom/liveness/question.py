"""The side of `otel-oom check --live`: ask the agent with this spool, and wait for its answer."""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

from otel_oom.liveness.answering_socket import CREDENTIALS, MAX_BYTES, READS
from otel_oom.liveness.socket_name import socket_name
from otel_oom.spool.file_trust import is_trusted

FindPid: TypeAlias = Callable[[], str | None]

_SAME_SETTINGS: Final = "start it, or give this check the flags and the environment of `otel-oom run`"


@dataclass(frozen=True, slots=True)
class Liveness:
    """pid: of the agent that answered, 0 if none did, or its pid namespace is another one.

    problem: None if it reads the kernel log; remedy: for the problem
    """

    pid: int = 0
    problem: str | None = None
    remedy: str | None = None


def ask(spool: Path | None, lock_pid: FindPid, *, timeout_s: float) -> Liveness:
    """Ask the agent with this spool (None: without one). Raises nothing.

    lock_pid: the process that holds the spool's lock. Its mount namespace is asked if nobody answers in this one: a
    service of systemd has a mount namespace of its own, and a shell beside it is in another.
    """
    for find_pid in (lambda: "self", lock_pid):
        if (pid := find_pid()) is None:
            continue
        try:
            return _ask(socket_name(spool, pid), timeout_s)
        except (ConnectionRefusedError, FileNotFoundError):  # nobody has the name; the process is gone
            continue
        except (TimeoutError, BlockingIOError):
            return Liveness(
                problem=f"the agent is there, but its reading loop gave no answer within {timeout_s:g} s",
                remedy="look whether it is stopped (SIGSTOP, a frozen cgroup) or short of CPU, else restart it",
            )
        except OSError as error:
            return Liveness(
                problem=f"no agent can be asked: {error}",
                remedy="run this check as root or as the agent's user, allow AF_UNIX sockets, mount /proc",
            )
    where = "without a spool" if spool is None else f"with the spool {spool}"
    return Liveness(problem=f"no agent {where} runs here", remedy=_SAME_SETTINGS)


def _ask(name: bytes, timeout_s: float) -> Liveness:
    """Raises: ConnectionRefusedError without an agent, TimeoutError, OSError."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as asking:
        asking.settimeout(timeout_s)
        asking.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)  # this gives it an address for the answer as well
        asking.bind("")
        asking.connect(name)  # from now on only this socket can answer
        asking.send(b"?")
        answer, control, _, _ = asking.recvmsg(MAX_BYTES, socket.CMSG_LEN(CREDENTIALS.size))
    pid, uid, _ = CREDENTIALS.unpack(control[0][2])
    if not is_trusted(uid):
        return Liveness(
            problem=f"process {pid} of uid {uid} answers in the agent's place",
            remedy="stop that process, and run this check as root or as the agent's user",
        )
    text = answer.decode(errors="backslashreplace")
    if text == READS:
        return Liveness(pid)
    return Liveness(pid, f"the agent runs, but cannot read the kernel log: {text}", "see its log lines")
