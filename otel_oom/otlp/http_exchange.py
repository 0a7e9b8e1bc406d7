"""One HTTP/1.1 request over a socket, and its complete answer, within one deadline. h11 handles the protocol.

h11 bounds the head of an answer (16 KiB); `MAX_ANSWER_BYTES` bounds its body.
"""

from __future__ import annotations

import errno
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

import h11
from opentelemetry.exporter.http.transport._base import BaseHTTPResult

from otel_oom.errors import UsageError
from otel_oom.otlp.export_outcome import MAX_ANSWER_BYTES

_FIRST_REDIRECT: Final = 300  # lower statuses are a success
_STATUS_LINE: Final = b"HTTP/1."
_FRAMING_HEADERS: Final = frozenset({"content-length", "transfer-encoding"})


def check_headers(headers: Mapping[str, str], variable: str) -> None:
    """Check that HTTP can carry each header. variable: the one that names them.

    Headers of message framing are refused: a wrong length would make the collector read another message.

    Raises: UsageError, without the value, which may be a key.
    """
    name = ""
    try:
        for name, value in headers.items():
            if name in _FRAMING_HEADERS:
                raise UsageError(f"{variable}: {name!r} is a header that the agent sets itself", "leave it out")
            request_of("POST", "/", {"host": "", name: value})
    except (h11.LocalProtocolError, UnicodeEncodeError):
        raise UsageError(
            f"{variable}: {name!r} is no header that HTTP can carry", "correct its name and value"
        ) from None


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


def exchange(sock: socket.socket, request: h11.Request, data: bytes, until_s: float) -> tuple[Answer, bool]:
    """Send a request and read its answer. Returns the answer, and whether the connection can be used again.

    until_s: deadline of both, on the monotonic clock, seconds

    Raises: OSError (also of TLS), TimeoutError, h11.RemoteProtocolError where the answer is not HTTP.
    """
    http = h11.Connection(h11.CLIENT)
    message = b"".join(http.send(event) for event in (request, h11.Data(data=data), h11.EndOfMessage()))
    cut_off: OSError | None = None
    try:
        _send(sock, message, until_s)
    except OSError as error:
        # A server that refuses a request may answer, or say so in TLS, and close, before it has read the whole request.
        if not (isinstance(error, BrokenPipeError | ConnectionResetError) or type(error).__module__ == "ssl"):
            raise
        cut_off = error
    answer = _read(http, lambda: _receive(sock, until_s))
    if cut_off is not None and (answer.status_code or 0) < _FIRST_REDIRECT:
        raise cut_off  # a server that has not read the whole request cannot have accepted it
    return answer, http.our_state is http.their_state is h11.DONE and http.trailing_data == (b"", False)


def request_of(method: str, target: str, fields: Mapping[str, str]) -> h11.Request:
    """A request. Raises: h11.LocalProtocolError, UnicodeEncodeError for a field that HTTP cannot carry."""
    pairs = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in fields.items()]
    return h11.Request(method=method, target=target, headers=pairs)


def left_s(until_s: float) -> float:
    """Seconds until the deadline. Raises: TimeoutError if there are none."""
    seconds = until_s - time.monotonic()
    if seconds <= 0:
        raise TimeoutError("timed out")
    return seconds


def _send(sock: socket.socket, message: bytes, until_s: float) -> None:
    left = memoryview(message)
    while left:  # sendall of TLS would start a new timeout for each piece
        sock.settimeout(left_s(until_s))
        left = left[sock.send(left) :]


def _receive(sock: socket.socket, until_s: float) -> bytes:
    sock.settimeout(left_s(until_s))
    return sock.recv(65536)


def _read(http: h11.Connection, receive: Callable[[], bytes]) -> Answer:
    """The answer; its body is cut at 1 MiB. Raises: OSError, h11.RemoteProtocolError."""
    response, body = None, bytearray()
    while len(body) < MAX_ANSWER_BYTES:
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
    return Answer(response.status_code, response.reason.decode("latin-1"), None, fields, bytes(body[:MAX_ANSWER_BYTES]))


def _next_event(http: h11.Connection) -> object:
    try:
        return http.next_event()
    except h11.RemoteProtocolError:
        if http.trailing_data[1]:  # the connection ended too early
            raise ConnectionResetError(errno.ECONNRESET, "Remote end closed connection without response") from None
        raise
