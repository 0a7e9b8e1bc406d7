"""TCP ports on 127.0.0.1 that nobody uses. Only the standard library is used."""

from __future__ import annotations

import random
import socket
from contextlib import ExitStack


def free_ports(count: int) -> list[int]:
    """Free ports below the range that the kernel gives to clients (32768 and up).

    A sender that retries can get a port of that range as its source port. If it is its own target, TCP connects the
    sender to itself (simultaneous open).
    """
    with ExitStack() as sockets:
        return [_bind(sockets.enter_context(socket.socket())) for _ in range(count)]


def _bind(free: socket.socket) -> int:
    for port in random.sample(range(20_000, 32_000), 100):
        try:
            free.bind(("127.0.0.1", port))
        except OSError:
            continue
        return port
    raise OSError("no free port found in 100 tries")
