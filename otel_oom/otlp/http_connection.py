"""One HTTP/1.1 connection, kept for the next POST: the transport of the SDK's own exporters. h11 handles the protocol.

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
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from urllib.parse import SplitResult, quote, urlsplit

import h11
from opentelemetry.exporter.http.transport._base import BaseHTTPResult, BaseHTTPTransport

if TYPE_CHECKING:
    from ssl import SSLContext

_PORTS: Final = {"http": 80, "https": 443}
# Sent data that stays unacknowledged for this time ends the connection, even within a longer timeout of a request. The
# causes are a cable, a firewall that lost the connection, a suspended peer.
_UNACKNOWLEDGED_MS: Final = 4_000
_BODY_BYTES: Final = 1 << 20  # of an answer; h11 bounds its head
_STATUS_LINE: Final = b"HTTP/1."
_SAFE: Final = "/?:@!$&'()*+,;=-._~"  # in a path or a query
_STRAY_PERCENT: Final = re.compile("%(?![0-9A-Fa-f]{2})")


def check_headers(headers: Mapping[str, str]) -> None:
    """Check that HTTP can carry each header. Raises: ValueError, without the value, which may be a key."""
    name = ""
    try:
        for name, value in headers.items():
            h11.Request(method="POST", target="/", headers=_fields({"host": "", name: value}))
    except (h11.LocalProtocolError, UnicodeEncodeError):
        raise ValueError(f"OTEL_EXPORTER_OTLP_HEADERS: {name!r} is no header that HTTP can carry") from None


@dataclass(frozen=True, slots=True)
class Answer(BaseHTTPResult):
    """The answer to one request, or `error`. body: its first 1 MiB.

    fields: of the header, with names in lower case; values of equal names are joined by a comma
    """

    fields: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    def content(self) -> bytes:
        """The body."""
        return self.body

    def headers(self) -> Mapping[str, str]:
        """The header's fields."""
        return self.fields


class Connection(BaseHTTPTransport):
    """At most one connection, to the place of the last request. tls: makes a context for each https connection."""

    def __init__(self, tls: Callable[[], SSLContext] | None = None) -> None:
        self._tls = tls
        self._where = ""
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
        """Make one request and read its answer. timeout: of both together, seconds."""
        until_s = time.monotonic() + (10.0 if timeout is None else timeout)
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
        fields = _fields(own | given | {"content-length": str(len(data))})
        request = h11.Request(method=method, target=_target(url), headers=fields)
        http = h11.Connection(h11.CLIENT)
        message = b"".join(http.send(event) for event in (request, h11.Data(data=data), h11.EndOfMessage()))
        sock = self._connected(url, until_s)
        # A server that refuses a request may answer, and close, before it has read the whole request.
        with suppress(BrokenPipeError, ConnectionResetError):
            _send(sock, message, until_s)
        answer = _read(http, lambda: _receive(sock, until_s))
        if not (http.our_state is http.their_state is h11.DONE and http.trailing_data == (b"", False)):
            self.close()
        return answer

    def _connected(self, url: SplitResult, until_s: float) -> socket.socket:
        """The kept connection if it is still open, else a new one. Raises: OSError, ValueError (https without TLS)."""
        where = f"{url.scheme}://{url.netloc}"
        if self._sock is not None:
            # A server sends nothing between two requests: if the socket is readable, the server closed it.
            poll = select.poll()
            poll.register(self._sock, select.POLLIN)
            if self._where == where and not poll.poll(0):
                return self._sock
            self.close()
        host = _host(url)
        self._sock = sock = _connect(host, url.port or _PORTS[url.scheme], until_s)
        if url.scheme == "https":
            if self._tls is None:
                raise ValueError("https without TLS")
            context = self._tls()  # a certificate may have been renewed
            sock.settimeout(_left_s(until_s))
            self._sock = sock = context.wrap_socket(sock, server_hostname=host.partition("%")[0])
        self._where = where
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
            sock.settimeout(_left_s(until_s) / (len(addresses) - number))
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


def _fields(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]


def _send(sock: socket.socket, message: bytes, until_s: float) -> None:
    left = memoryview(message)
    while left:  # sendall of TLS would start a new timeout for each piece
        sock.settimeout(_left_s(until_s))
        left = left[sock.send(left) :]


def _receive(sock: socket.socket, until_s: float) -> bytes:
    sock.settimeout(_left_s(until_s))
    return sock.recv(65536)


def _read(http: h11.Connection, receive: Callable[[], bytes]) -> Answer:
    """The answer; its body is cut at 1 MiB. Raises: OSError, h11.RemoteProtocolError."""
    response, body = None, bytearray()
    while len(body) < _BODY_BYTES:
        event = _next_event(http)
        if event is h11.NEED_DATA:
            http.receive_data(receive())
            begin = http.trailing_data[0][: len(_STATUS_LINE)]
            # Checked before the line is complete: another protocol may never end it (gRPC's first frame does not).
            if response is None and not _STATUS_LINE.startswith(begin):
                raise h11.RemoteProtocolError(repr(begin))
        elif isinstance(event, h11.Response):
            response = event
        elif isinstance(event, h11.Data):
            body += event.data
        elif not isinstance(event, h11.InformationalResponse):
            break
    if response is None:
        raise h11.RemoteProtocolError("the server switched to another protocol")
    fields: dict[str, str] = {}
    for raw_name, raw_value in response.headers:
        name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
        fields[name] = f"{fields[name]}, {value}" if name in fields else value
    return Answer(response.status_code, response.reason.decode("latin-1"), None, fields, bytes(body[:_BODY_BYTES]))


def _next_event(http: h11.Connection) -> object:
    try:
        return http.next_event()
    except h11.RemoteProtocolError:
        if http.trailing_data[1]:  # the connection ended too early
            raise ConnectionResetError(errno.ECONNRESET, "Remote end closed connection without response") from None
        raise


def _left_s(until_s: float) -> float:
    left_s = until_s - time.monotonic()
    if left_s <= 0:
        raise TimeoutError("timed out")
    return left_s
