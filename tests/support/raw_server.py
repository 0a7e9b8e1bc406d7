"""A server of tests that answers each HTTP request, or each connection, with bytes of its own: a lying collector."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TypeAlias

Serve: TypeAlias = Callable[[socket.socket], None]


class RawServer:
    """A context that listens on 127.0.0.1. serve: is called for each connection, in a thread of its own.

    connections: number of them so far
    """

    def __init__(self, serve: Serve) -> None:
        self._serve = serve
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.connections = 0
        self._sockets: set[socket.socket] = set()
        self._threads = [threading.Thread(target=self._accept)]

    @property
    def url(self) -> str:
        """For OTEL_EXPORTER_OTLP_ENDPOINT."""
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> RawServer:
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        for sock in (self._listener, *self._sockets):
            with suppress(OSError):  # it is already closed
                sock.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                sock, _ = self._listener.accept()
                self.connections += 1
                self._sockets.add(sock)
                self._threads.append(threading.Thread(target=self._one, args=(sock,)))
                self._threads[-1].start()

    def _one(self, sock: socket.socket) -> None:
        with sock, suppress(OSError):
            self._serve(sock)
        self._sockets.discard(sock)


def read_request(sock: socket.socket) -> bytes:
    """One HTTP request with a content length; empty if the client closed the connection."""
    came = b""
    while b"\r\n\r\n" not in came:
        more = sock.recv(65536)
        if not more:
            return b""
        came += more
    head, _, body = came.partition(b"\r\n\r\n")
    lengths = [int(line[15:]) for line in head.splitlines() if line.lower().startswith(b"content-length:")]
    while len(body) < sum(lengths):
        body += sock.recv(65536)
    return head + b"\r\n\r\n" + body


def pieces(*parts: bytes) -> Serve:
    """Answers one request with these bytes, and closes the connection."""

    def serve(sock: socket.socket) -> None:
        read_request(sock)
        for part in parts:
            sock.sendall(part)

    return serve


def endless(head: bytes, piece: bytes, *, pause_s: float = 0.0) -> Serve:
    """Answers one request with `head`, and then this piece, until the client closes the connection."""

    def serve(sock: socket.socket) -> None:
        read_request(sock)
        sock.sendall(head)
        while True:
            sock.sendall(piece)
            time.sleep(pause_s)

    return serve
