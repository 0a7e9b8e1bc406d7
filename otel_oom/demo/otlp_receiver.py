"""An OTLP/HTTP receiver inside the process: what `otel-oom demo` shows was sent over a real socket.

Every user of the machine may connect to a port of 127.0.0.1, so the path of the endpoint begins with a random token.

Rules:
- It listens only on 127.0.0.1, on a port that the kernel chooses.
- A request without the token gets 404 after its first line, which has at most 64 KiB: nothing else of it is read.
- At most 16 connections that have not sent the token are open. One more closes the oldest.
- A request with the token is answered after it was decoded; one that is too large or cannot be decoded is refused.
"""

from __future__ import annotations

import queue
import secrets
import socket
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Final

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)

_MAX_BODY_BYTES: Final = 1 << 20
_MAX_WITHOUT_TOKEN: Final = 16
_NOT_FOUND: Final = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Received:
    """One decoded request. received_ns: wall clock after its last byte was read."""

    message: Any
    received_ns: int


@dataclass(frozen=True, slots=True)
class _Signal:
    request: Any
    response: Any
    received: queue.Queue[Received]


class Receiver:
    """A context that listens. `logs` and `metrics` hold the received requests in order."""

    def __init__(self) -> None:
        self.logs: queue.Queue[Received] = queue.Queue()
        self.metrics: queue.Queue[Received] = queue.Queue()
        token = secrets.token_urlsafe()
        signals = {
            f"/{token}/v1/logs": _Signal(ExportLogsServiceRequest, ExportLogsServiceResponse, self.logs),
            f"/{token}/v1/metrics": _Signal(ExportMetricsServiceRequest, ExportMetricsServiceResponse, self.metrics),
        }
        self._server = _Server(signals)
        self._thread = threading.Thread(target=self._server.serve_forever, name="otlp-receiver", daemon=True)
        self.address = f"http://127.0.0.1:{self._server.server_port}"
        """Where it listens, for people."""
        self.endpoint = f"{self.address}/{token}"
        """The value for OTEL_EXPORTER_OTLP_ENDPOINT: a secret."""

    def __enter__(self) -> Receiver:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    """Has a thread for each connection. signals: by the path of their requests."""

    request_queue_size = 128

    def __init__(self, signals: dict[str, _Signal]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self._signals = {path.encode(): signal for path, signal in signals.items()}
        self._without_token: dict[socket.socket, None] = {}
        """Open connections that have not sent the token, the oldest one first."""
        self._lock = threading.Lock()

    def signal(self, path: bytes, connection: socket.socket) -> _Signal | None:
        """The signal of a request; None if its path has no token. The comparison takes the same time for each path."""
        same = [signal for own, signal in self._signals.items() if secrets.compare_digest(own, path)]
        if not same:
            return None
        self._forget(connection)
        return same[0]

    def process_request(self, request: Any, client_address: Any) -> None:
        """Start the thread of a new connection."""
        with self._lock:
            self._without_token[request] = None
            oldest = next(iter(self._without_token)) if len(self._without_token) > _MAX_WITHOUT_TOKEN else None
        if oldest is not None:
            self._end(oldest)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Close a connection at its end."""
        self._forget(request)
        super().shutdown_request(request)

    def server_close(self) -> None:
        """Close the port, and the connections that have not sent the token."""
        super().server_close()
        for connection in list(self._without_token):
            self._end(connection)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print no traceback of a connection that broke: the screen belongs to the demo."""

    def _end(self, connection: socket.socket) -> None:
        """Let the connection's thread read the end. That thread closes it."""
        self._forget(connection)
        with suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)

    def _forget(self, connection: socket.socket) -> None:
        with self._lock:
            self._without_token.pop(connection, None)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server
    raw_requestline: bytes

    def parse_request(self) -> bool:
        """Parse the headers, but only of a request with the token."""
        path = b"".join(self.raw_requestline.split(b" ")[1:2])
        self._signal = self.server.signal(path, self.connection)
        if self._signal is None:
            self.close_connection = True
            self.wfile.write(_NOT_FOUND)
            return False
        return super().parse_request()

    def do_POST(self) -> None:
        assert self._signal is not None  # parse_request would have ended the connection
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdigit() and len(length) <= 10 and int(length) <= _MAX_BODY_BYTES):
            self.close_connection = True
            self._answer(413, b"")
            return
        body = self.rfile.read(int(length))
        received_ns = time.time_ns()
        try:
            message = self._signal.request.FromString(body)
        except DecodeError:
            self._answer(400, b"")
            return
        self._signal.received.put(Received(message, received_ns))
        self._answer(200, self._signal.response().SerializeToString())

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/x-protobuf")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 the base class's name
        """Log no request: the screen belongs to the demo."""


def plain(value: Any) -> Any:
    """An OTLP AnyValue as a Python value; None if it holds nothing."""
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [plain(item) for item in value.array_value.values]
    if kind == "kvlist_value":
        return {pair.key: plain(pair.value) for pair in value.kvlist_value.values}
    return getattr(value, kind) if kind else None
