"""HTTP connections whose answers are bounded as a whole, and that notice when the other end is gone.

http.client and urllib3 bound each wait on the socket: an answer that comes byte by byte would hold the sender for ever.
Not bounded is the lookup of a name, which the C library makes: /etc/resolv.conf says how long.
"""

from __future__ import annotations

import io
import socket
import time
from http.client import HTTPResponse
from typing import Any, Final

from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection

# What was sent and nobody acknowledges ends the connection after this time, however long a request may take: a cable, a
# firewall that forgot the connection, a suspended peer.
_UNACKNOWLEDGED_MS: Final = 4_000
_SOCKET_OPTIONS: Final = (
    *HTTPConnection.default_socket_options,
    (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _UNACKNOWLEDGED_MS),
)


class _Until(io.RawIOBase):
    """What the socket gives, until a monotonic time."""

    def __init__(self, raw: io.RawIOBase, sock: socket.socket, until_s: float) -> None:
        self._raw = raw
        self._sock = sock
        self._until_s = until_s

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left_s = self._until_s - time.monotonic()
        if left_s <= 0:
            raise TimeoutError("timed out")
        self._sock.settimeout(left_s)
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Answer(HTTPResponse):
    """All of it, head and body, within the time that the socket has for one wait when it begins."""

    def __init__(self, sock: socket.socket, *arguments: Any, **named: Any) -> None:
        super().__init__(sock, *arguments, **named)
        budget_s = sock.gettimeout()
        if budget_s is not None:
            raw = self.fp.detach()
            self.fp = io.BufferedReader(_Until(raw, sock, time.monotonic() + budget_s))


class _Http(HTTPConnection):
    response_class = _Answer


class _Https(HTTPSConnection):
    response_class = _Answer


class _HttpPool(HTTPConnectionPool):
    ConnectionCls = _Http


class _HttpsPool(HTTPSConnectionPool):
    ConnectionCls = _Https


def bound(pools: PoolManager) -> None:
    """From now on the connections of these pools are such ones."""
    pools.pool_classes_by_scheme = {"http": _HttpPool, "https": _HttpsPool}
    pools.connection_pool_kw["socket_options"] = _SOCKET_OPTIONS
