"""An OTLP/HTTP receiver inside the process: what `otel-oom demo` shows was sent over a real socket.

Rules:
- It listens only on 127.0.0.1, on a port that the kernel chooses.
- A request is answered after it was decoded; one that cannot be decoded gets 400, another path 404.
"""

from __future__ import annotations

import gzip
import queue
import threading
import time
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


@dataclass(frozen=True, slots=True)
class Received:
    """One decoded request. received_ns: wall clock after its last byte was read."""

    message: Any
    received_ns: int


_SIGNALS: Final[dict[str, tuple[Any, Any]]] = {
    "/v1/logs": (ExportLogsServiceRequest, ExportLogsServiceResponse),
    "/v1/metrics": (ExportMetricsServiceRequest, ExportMetricsServiceResponse),
}


class Receiver:
    """A context that listens. `logs` and `metrics` hold the received requests in order."""

    def __init__(self) -> None:
        self.logs: queue.Queue[Received] = queue.Queue()
        self.metrics: queue.Queue[Received] = queue.Queue()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, name="otlp-receiver", daemon=True)

    @property
    def endpoint(self) -> str:
        """The value for OTEL_EXPORTER_OTLP_ENDPOINT."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Receiver:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        queues = {"/v1/logs": self.logs, "/v1/metrics": self.metrics}

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                received_ns = time.time_ns()
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                if self.path not in _SIGNALS:
                    self._answer(404, b"")
                    return
                request, response = _SIGNALS[self.path]
                try:
                    message = request.FromString(body)
                except DecodeError:
                    self._answer(400, b"")
                    return
                queues[self.path].put(Received(message, received_ns))
                self._answer(200, response().SerializeToString())

            def _answer(self, status: int, body: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Type", "application/x-protobuf")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 the base class's name
                """Log no request: the screen belongs to the demo."""

        return Handler


def plain(value: Any) -> Any:
    """An OTLP AnyValue as a Python value; None if it holds nothing."""
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [plain(item) for item in value.array_value.values]
    if kind == "kvlist_value":
        return {pair.key: plain(pair.value) for pair in value.kvlist_value.values}
    return getattr(value, kind) if kind else None
