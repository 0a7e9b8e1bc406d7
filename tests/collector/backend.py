"""An OTLP/HTTP backend for the tests: keeps each request, answers as it is told."""

from __future__ import annotations

import gzip
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, final

if TYPE_CHECKING:
    from types import TracebackType


@dataclass(frozen=True, slots=True)
class Request:
    """What was posted: the path, the headers with names in lower case, the body before compression; our answer."""

    path: str
    headers: dict[str, str]
    body: bytes
    answered: int


@final
class Backend:
    """A server on loopback, as a context manager. `status` is what it answers from now on."""

    def __init__(self, status: int = 200) -> None:
        self.status = status
        self._requests: list[Request] = []
        self._arrived = threading.Condition()
        backend = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                headers = {name.lower(): value for name, value in self.headers.items()}
                body = self.rfile.read(int(headers["content-length"]))
                if headers.get("content-encoding") == "gzip":
                    body = gzip.decompress(body)
                status = backend.status
                self.send_response(status)
                self.send_header("Content-Type", "application/x-protobuf")
                self.send_header("Content-Length", "0")
                self.end_headers()
                backend._keep(Request(self.path, headers, body, status))

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name in the base class
                """Nothing: what matters is asserted."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self.endpoint = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Backend:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def wait(self, path: str, answered: int | None = None, timeout_s: float = 10) -> Request:
        """The first request to this path (that got this answer). Raises TimeoutError when none came in time."""

        def found() -> Request | None:
            fitting = (r for r in self._requests if r.path == path and answered in {None, r.answered})
            return next(fitting, None)

        with self._arrived:
            request = self._arrived.wait_for(found, timeout_s)
            if request is None:
                raise TimeoutError(f"no such request to {path} within {timeout_s} s, only {self._requests}")
            return request

    def _keep(self, request: Request) -> None:
        with self._arrived:
            self._requests.append(request)
            self._arrived.notify_all()
