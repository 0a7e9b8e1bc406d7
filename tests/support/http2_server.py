"""An HTTP/2 server that is no gRPC server, or a broken one: each request gets the same frames."""

from __future__ import annotations

import socket
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, RequestReceived, StreamEnded
from h2.exceptions import ProtocolError

Fields = Sequence[tuple[str, str]]


def message(body: bytes) -> bytes:
    """A gRPC message, not compressed."""
    return b"\0" + len(body).to_bytes(4, "big") + body


@dataclass(frozen=True)
class Frames:
    """head: HEADERS; data: DATA, None for none; trailers: HEADERS after them, None for none."""

    head: Fields
    data: bytes | None = None
    trailers: Fields | None = None


WEB_PAGE = Frames(
    [(":status", "200"), ("content-type", "text/html")], b"<html><title>Sign in</title><body>please</body></html>"
)
GRPC: Fields = [(":status", "200"), ("content-type", "application/grpc")]
GARBAGE = Frames(GRPC, message(b"<html>"), [("grpc-status", "0")])


class Http2Server:
    """A context that listens at `port`; 0: the kernel chooses one.

    requests: number of complete ones; bodies: fields and body of each
    """

    def __init__(self, frames: Frames, port: int = 0) -> None:
        self._frames = frames
        self._listener = socket.create_server(("127.0.0.1", port))
        self.port: int = self._listener.getsockname()[1]
        self.requests = 0
        self.bodies: list[tuple[dict[str, str], bytes]] = []
        self._open: set[socket.socket] = set()
        self._thread = threading.Thread(target=self._accept, name="http2")

    def __enter__(self) -> Http2Server:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)  # wakes accept
        self._thread.join()
        self._listener.close()

    def _accept(self) -> None:
        served = []
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                break
            self._open.add(connection)
            served.append(threading.Thread(target=self._serve, args=(connection,)))
            served[-1].start()
        for connection in list(self._open):
            with suppress(OSError):  # it is already closed
                connection.shutdown(socket.SHUT_RDWR)
        for thread in served:
            thread.join()

    def _serve(self, connection: socket.socket) -> None:
        http = H2Connection(
            H2Configuration(client_side=False, header_encoding="utf-8", validate_outbound_headers=False)
        )
        http.initiate_connection()
        with connection, suppress(OSError, ProtocolError):
            connection.sendall(http.data_to_send())
            came: dict[int, tuple[dict[str, str], bytearray]] = {}
            while received := connection.recv(65536):
                for event in http.receive_data(received):
                    if isinstance(event, RequestReceived):
                        came[event.stream_id] = ({str(name): str(value) for name, value in event.headers}, bytearray())
                    elif isinstance(event, DataReceived):
                        came[event.stream_id][1].extend(event.data)
                        http.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                    elif isinstance(event, StreamEnded):
                        fields, body = came.pop(event.stream_id)
                        self.bodies.append((fields, bytes(body)))
                        self._answer(http, event.stream_id)
                connection.sendall(http.data_to_send())
        self._open.discard(connection)

    def _answer(self, http: H2Connection, stream: int) -> None:
        self.requests += 1
        frames = self._frames
        http.send_headers(stream, frames.head, end_stream=frames.data is None and frames.trailers is None)
        if frames.data is not None:
            http.send_data(stream, frames.data, end_stream=frames.trailers is None)
        if frames.trailers is not None:
            http.send_headers(stream, frames.trailers, end_stream=True)
