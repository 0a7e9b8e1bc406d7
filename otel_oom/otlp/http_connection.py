"""One HTTP/1.1 connection, kept for the next POST: the transport of the SDK's own exporters. It can use a proxy.

Why not urllib3 or http.client: both bound each wait on the socket, so an answer that arrives byte by byte blocks the
sender for ever. On plain HTTP they also cost memory, because both import ssl (RSS: h11 25.8 MiB, urllib3 31.6 MiB). For
https the deadline is the only reason: h11 with ssl takes 32.2 MiB.

Rules:
- One monotonic deadline bounds a whole request, from the connection to the last byte of the answer. Only the lookup of
  a name is not bounded: the C library makes it, with the timeouts of /etc/resolv.conf.
- It follows no redirect and repeats no request. A failure is in the result: OSError (also of TLS), TimeoutError, or
  h11.RemoteProtocolError where the answer is not HTTP.
- The connection is kept after an answer that was read to its end, and used again if nothing arrived on it since.
"""

from __future__ import annotations

import errno
import re
import select
import socket
import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from typing import TYPE_CHECKING, Final
from urllib.parse import SplitResult, quote, urlsplit

from opentelemetry.exporter.http.transport._base import BaseHTTPTransport

from otel_oom.config.proxy import Proxy
from otel_oom.otlp import http_proxy
from otel_oom.otlp.http_exchange import Answer, exchange, left_s, request_of

if TYPE_CHECKING:
    from ssl import SSLContext

_PORTS: Final = {"http": 80, "https": 443}
_DEFAULT_TIMEOUT_S: Final = 10.0  # of the OTLP exporter specification; the agent's own settings always name one
# Sent data that stays unacknowledged for this time ends the connection, even within a longer timeout of a request. The
# causes are a cable, a firewall that lost the connection, a suspended peer.
_UNACKNOWLEDGED_MS: Final = 4_000
_SAFE: Final = "/?:@!$&'()*+,;=-._~"  # in a path or a query
_STRAY_PERCENT: Final = re.compile("%(?![0-9A-Fa-f]{2})")


class Connection(BaseHTTPTransport):
    """At most one connection, to the server of the last request.

    tls: makes a context for each https connection
    proxy: all requests go through it; None for a direct connection
    """

    def __init__(self, tls: Callable[[], SSLContext] | None = None, proxy: Proxy | None = None) -> None:
        self._tls = tls
        self._proxy = proxy
        self._origin = ""
        self._sock: socket.socket | None = None

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: dict[str, str] | None = None,
        timeout: float | None = None,
        data: bytes | None = None,
    ) -> Answer:
        """Make one request and read its answer. timeout: of both together, seconds; None: 10 s."""
        until_s = time.monotonic() + (_DEFAULT_TIMEOUT_S if timeout is None else timeout)
        try:
            return self._exchange(urlsplit(url), method, headers or {}, data or b"", until_s)
        except Exception as error:  # noqa: BLE001 any failure is the result
            self.close()
            return Answer(error=error)

    def is_connection_error(self, exception: Exception | None) -> bool:
        """Whether the network is the cause that there was no answer."""
        return isinstance(exception, OSError)

    def close(self) -> None:
        """Close the connection, if there is one."""
        if self._sock is not None:
            self._sock.close()
        self._sock = None

    __del__ = close

    def _exchange(
        self, url: SplitResult, method: str, headers: Mapping[str, str], data: bytes, until_s: float
    ) -> Answer:
        own = {"host": _authority(url), "accept-encoding": "identity"}
        given = {name.lower(): value for name, value in headers.items()}
        fields = own | given | {"content-length": str(len(data))}
        target = _target(url)
        forwarder = self._proxy if url.scheme == "http" else None
        if forwarder is not None:
            target, fields = f"http://{own['host']}{target}", fields | http_proxy.authorization(forwarder)
        request = request_of(method, target, fields)
        answer, is_reusable = exchange(self._connected(url, until_s), request, data, until_s)
        if forwarder is not None:
            http_proxy.check_answer(forwarder, answer)
        if not is_reusable:
            self.close()
        return answer

    def _connected(self, url: SplitResult, until_s: float) -> socket.socket:
        """The kept connection if it is still open, else a new one. Raises: OSError, ValueError (https without TLS)."""
        origin = f"{url.scheme}://{url.netloc}"
        if self._sock is not None:
            # A server sends nothing between two requests: if the socket is readable, the server closed it.
            poll = select.poll()
            poll.register(self._sock, select.POLLIN)
            if self._origin == origin and not poll.poll(0):
                return self._sock
            self.close()
        host, port = _host(url), url.port or _PORTS[url.scheme]
        with http_proxy.proxy_errors(self._proxy) if self._proxy else nullcontext():
            place = (self._proxy.host, self._proxy.port) if self._proxy else (host, port)
            self._sock = sock = _connect(*place, until_s)
            if self._proxy and url.scheme == "https":
                http_proxy.open_tunnel(sock, self._proxy, host, port, until_s)
        if url.scheme == "https":
            if self._tls is None:
                raise ValueError("https without TLS")
            context = self._tls()  # a certificate may have been renewed
            sock.settimeout(left_s(until_s))
            self._sock = sock = context.wrap_socket(sock, server_hostname=host.partition("%")[0])
        self._origin = origin
        return sock


def _connect(host: str, port: int, until_s: float) -> socket.socket:
    """The first of the host's addresses that accepts; each has its share of the time. Raises: OSError."""
    addresses = socket.getaddrinfo(host.encode(), port, type=socket.SOCK_STREAM)  # bytes do not load the IDNA tables
    failure: OSError | None = None
    for number, (family, kind, protocol, _, address) in enumerate(addresses):
        sock = socket.socket(family, kind, protocol)
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _UNACKNOWLEDGED_MS)
            sock.settimeout(left_s(until_s) / (len(addresses) - number))
            sock.connect(address)
        except OSError as error:
            sock.close()
            failure = error
        else:
            return sock
    raise failure or OSError(errno.EADDRNOTAVAIL, "the name has no address")


def _host(url: SplitResult) -> str:
    """The host in ASCII, without brackets; a link-local address with its zone (RFC 6874)."""
    host = url.hostname or ""
    return host.replace("%25", "%") if host.isascii() else host.encode("idna").decode("ascii")


def _authority(url: SplitResult) -> str:
    """The Host field: without user, zone, and the default port of the scheme."""
    host = _host(url).partition("%")[0]
    host = f"[{host}]" if ":" in host else host
    return host if url.port in {None, _PORTS[url.scheme]} else f"{host}:{url.port}"


def _target(url: SplitResult) -> str:
    """Path and query as urllib3 writes them: percent signs are encoded only where one of them encodes nothing."""
    parts = [url.path or "/", url.query] if url.query else [url.path or "/"]
    return "?".join(quote(part, safe=_SAFE if _STRAY_PERCENT.search(part) else f"{_SAFE}%") for part in parts)
