"""The two servers of the tests' OTLP receiver, http.server and grpc.server. Their answers are scripted."""

from __future__ import annotations

import gzip
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Literal, TypeAlias

import grpc
from google.protobuf import any_pb2, duration_pb2
from google.rpc import error_details_pb2, status_pb2
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2

Signal = Literal["logs", "metrics"]

_HANG_S = 30.0
_DRIP_S = 0.1


@dataclass(frozen=True)
class Answer:
    """One answer. status: an HTTP status or a gRPC code; kind: a fault instead of an answer.

    drip: byte by byte for ever (HTTP), starting with `details`; over gRPC it is a hang
    content_type: of an HTTP refusal; details is its text, or the message of its Status
    page: an HTTP body with status 200 that is no acceptance, of that content type
    rejected: of a partial success; retry_after_s: Retry-After, or RetryInfo; delay_s: before the answer
    ahead_s: how far the server's clock is ahead, as the Date header of an HTTP answer shows it
    stores: the server has stored the data, whatever it answers
    when: which requests get this answer; others are accepted
    """

    status: int | grpc.StatusCode | None = None
    kind: Literal["answer", "hang", "reset", "drip"] = "answer"
    details: str = ""
    content_type: str | None = "application/x-protobuf"
    page: bytes | None = None
    rejected: int = 0
    retry_after_s: float | None = None
    delay_s: float = 0.0
    ahead_s: float = 0.0
    stores: bool = False
    when: Callable[[Any], bool] = lambda _: True

    @property
    def accepts(self) -> bool:
        """Whether it acknowledges the data."""
        return self.kind == "answer" and self.status in {None, 200} and self.page is None


Take: TypeAlias = Callable[[Signal, bytes, str, Mapping[str, str]], Answer]
"""Signal, body, path and headers of a request to its answer."""


class HttpServer:
    """OTLP/HTTP by http.server. at: address and port; 0: the kernel chooses a port.

    certificate: with its key; and the authority of the clients, if they must have a certificate
    """

    def __init__(
        self, take: Take, released: threading.Event, at: tuple[str, int], certificate: tuple[Path, ...] | None
    ) -> None:
        self._server = _Http(at, take, released)
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate[0], certificate[1])
            for authority in certificate[2:]:
                context.verify_mode = ssl.CERT_REQUIRED
                context.load_verify_locations(authority)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.port: int = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), name="receiver")
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        for connection in list(self._server.connections):
            with suppress(OSError):  # it is already closed
                connection.shutdown(socket.SHUT_RDWR)


class _Http(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, at: tuple[str, int], take: Take, released: threading.Event) -> None:
        self.take = take
        self.released = released
        self.connections: set[socket.socket] = set()
        super().__init__(at, _Handler)

    def handle_error(self, *_: object) -> None:
        """No traceback: broken connections are the subject of the tests."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else each answer takes 40 ms: its body waits until the header is acknowledged
    server: _Http
    _ahead_s = 0.0

    def setup(self) -> None:
        super().setup()
        self.server.connections.add(self.connection)

    def finish(self) -> None:
        self.server.connections.discard(self.connection)
        super().finish()

    def do_POST(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = self.rfile.read(int(headers["content-length"]))
        if headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        signal: Signal = "logs" if self.path.partition("?")[0].endswith("logs") else "metrics"
        answer = self.server.take(signal, body, self.path, headers)
        self.server.released.wait(answer.delay_s)
        if answer.kind != "answer":
            self._disturb(answer)
            return
        self._ahead_s = answer.ahead_s
        content = _response(signal, answer).SerializeToString() if answer.accepts else _refusal(answer)
        self.send_response(int(answer.status or 200))
        for name, value in _headers(signal, answer, self.server.server_address).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def date_time_string(self, timestamp: float | None = None) -> str:
        return super().date_time_string((timestamp or time.time()) + self._ahead_s)

    def _disturb(self, answer: Answer) -> None:
        released, deadline = self.server.released, time.monotonic() + _HANG_S
        if answer.kind == "drip":
            self.wfile.write(answer.details.encode())
            while time.monotonic() < deadline and not released.wait(_DRIP_S):
                self.wfile.write(b"x")
        elif answer.kind == "hang":
            released.wait(_HANG_S)
        self.close_connection = True
        # Linger of 0 s: the kernel sends RST instead of FIN.
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        socket.close(self.connection.detach())  # at once: the server would first call shutdown(2)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 the base class's name
        """No log: the tests look at the requests."""


class GrpcServer:
    """OTLP/gRPC by grpc.server. at: address and port; 0: the kernel chooses a port.

    at[0] may be the name of a unix socket, such as `unix:path`; certificate: as for HTTP
    """

    def __init__(
        self, take: Take, released: threading.Event, at: tuple[str, int], certificate: tuple[Path, ...] | None
    ) -> None:
        self._pool = ThreadPoolExecutor(8)
        self._server = grpc.server(self._pool, options=(("grpc.so_reuseport", 0),))

        def export(signal: Signal) -> Any:
            def handle(body: bytes, context: Any) -> Any:
                headers = {pair.key: pair.value for pair in context.invocation_metadata()}
                answer = take(signal, body, signal, headers)
                released.wait(answer.delay_s)
                if answer.kind in {"hang", "drip"}:
                    released.wait(_HANG_S)
                if answer.retry_after_s is not None:
                    context.set_trailing_metadata((("grpc-status-details-bin", _retry_info(answer)),))
                if not answer.accepts:
                    context.abort(answer.status or grpc.StatusCode.UNAVAILABLE, answer.details)
                return _response(signal, answer)

            return grpc.unary_unary_rpc_method_handler(handle, None, lambda message: message.SerializeToString())

        for signal, service in (("logs", "LogsService"), ("metrics", "MetricsService")):
            name = f"opentelemetry.proto.collector.{signal}.v1.{service}"
            handlers = {"Export": export("logs" if signal == "logs" else "metrics")}
            self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(name, handlers),))
        address = at[0] if at[0].startswith("unix") else f"{at[0]}:{at[1]}"
        if certificate:
            chain, key, *authorities = (path.read_bytes() for path in certificate)
            authority = authorities[0] if authorities else None
            credentials = grpc.ssl_server_credentials([(key, chain)], authority, authority is not None)
            self.port = self._server.add_secure_port(address, credentials)
        else:
            self.port = self._server.add_insecure_port(address)
        self._server.start()

    def stop(self) -> None:
        self._server.stop(0).wait()
        self._pool.shutdown(wait=False)


def _response(signal: Signal, answer: Answer) -> Any:
    if signal == "logs":
        response: Any = logs_service_pb2.ExportLogsServiceResponse()
        response.partial_success.rejected_log_records = answer.rejected
    else:
        response = metrics_service_pb2.ExportMetricsServiceResponse()
        response.partial_success.rejected_data_points = answer.rejected
    response.partial_success.error_message = answer.details
    return response


def _headers(signal: Signal, answer: Answer, at: tuple[Any, ...]) -> dict[str, str]:
    headers = {}
    if answer.retry_after_s is not None:
        headers["Retry-After"] = str(answer.retry_after_s)
    if answer.status in {301, 302, 307, 308}:
        headers["Location"] = f"http://{at[0]}:{at[1]}/elsewhere/v1/{signal}"
    if answer.content_type is not None:
        headers["Content-Type"] = answer.content_type
    return headers


def _refusal(answer: Answer) -> bytes:
    if answer.page is not None:
        return answer.page
    if answer.content_type == "application/x-protobuf":
        return bytes(status_pb2.Status(code=3, message=answer.details).SerializeToString())
    return answer.details.encode()


def _retry_info(answer: Answer) -> bytes:
    delay = duration_pb2.Duration()
    delay.FromMilliseconds(int((answer.retry_after_s or 0) * 1000))
    detail = any_pb2.Any()
    detail.Pack(error_details_pb2.RetryInfo(retry_delay=delay))
    return bytes(status_pb2.Status(code=14, details=[detail]).SerializeToString())
