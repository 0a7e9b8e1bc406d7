"""The agent's side: a socket that the wait for the kernel log watches, and that answers without any wait.

Rules:
- Any local user can send to an abstract socket. The kernel names the sender (SCM_CREDENTIALS), and only root and the
  agent's own user get an answer. What a datagram holds is not looked at.
- A datagram needs no connection. So a sender cannot use up file descriptors, and one that never reads delays nothing.
- There is no space for descriptors in the control buffer: the kernel closes those that a sender passes.
"""

from __future__ import annotations

import errno
import logging
import socket
import struct
from contextlib import suppress
from pathlib import Path
from typing import Final

from otel_oom.liveness.socket_name import socket_name
from otel_oom.spool.file_trust import is_trusted

log = logging.getLogger(__name__)

CREDENTIALS: Final = struct.Struct("=iII")  # struct ucred: pid, uid, gid
MAX_BYTES: Final = 512
READS: Final = "reads"
"""The answer of a loop that has the kernel log open. Any other answer is the reason why it has not."""
_AT_ONCE: Final = 16  # questions; net.unix.max_dgram_qlen is 10, or more


class AnsweringSocket:
    """Answers questions about one agent. Raises OSError if the name is taken, or there is no such socket.

    Another process that has the name is a second agent with the same spool, or another user's.
    """

    def __init__(self, spool: Path | None) -> None:
        name = socket_name(spool)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
            self._socket.bind(name)
        except OSError:
            self._socket.close()
            raise

    def fileno(self) -> int:
        """The descriptor to poll(2) for POLLIN; -1 once it is closed."""
        return self._socket.fileno()

    def answer(self, reason: str | None) -> None:
        """Answer the questions that have come. Never waits, raises nothing. reason: None, or why the log is closed."""
        text = (READS if reason is None else reason).encode(errors="backslashreplace")[:MAX_BYTES]
        for _ in range(_AT_ONCE):
            try:
                _, control, _, sender = self._socket.recvmsg(1, socket.CMSG_LEN(CREDENTIALS.size))
            except OSError:  # no more of them
                return
            if sender and any(is_trusted(uid) for uid in _uids(control)):
                with suppress(OSError):  # it is gone, or its queue is full
                    self._socket.sendto(text, sender)

    def close(self) -> None:
        """Give the name back."""
        self._socket.close()


def open_answering_socket(spool: Path | None) -> AnsweringSocket | None:
    """Open it, or log why there is none: the agent works without it. Raises nothing."""
    try:
        return AnsweringSocket(spool)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            why = "another process has the agent's name for it; give each agent a spool of its own with --spool"
        else:
            why = f"{error}; allow AF_UNIX sockets, and mount /proc"
        log.warning("`otel-oom check --live` gets no answer from this agent: %s", why)
        return None


def _uids(control: list[tuple[int, int, bytes]]) -> list[int]:
    return [
        CREDENTIALS.unpack(data)[1]
        for level, kind, data in control
        if (level, kind, len(data)) == (socket.SOL_SOCKET, socket.SCM_CREDENTIALS, CREDENTIALS.size)
    ]
