"""An HTTP proxy: tunnels (CONNECT) and forwarded requests, with a password, or with a refusal instead."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from urllib.parse import urlsplit

NAME = "collector.test"
"""A name that only the proxy can resolve: it is this machine."""


class HttpProxy:
    """A context that listens on a port of 127.0.0.1.

    password: `Basic …` that each request must have, else the answer is 407
    version: of HTTP, in the answer to CONNECT
    refusal: status line of every answer, without the version; empty to do what is asked
    page: media type and body of the refusal
    limit: largest body of a request that is not refused, bytes; None without a limit
    """

    def __init__(
        self,
        *,
        password: str = "",
        refusal: str = "",
        version: str = "1.1",
        page: tuple[str, bytes] = ("text/html", b""),
        limit: int | None = None,
    ) -> None:
        self._version = version
        self._password = password
        self._refusal = refusal
        self._page = page
        self._limit = limit
        self.requests: list[str] = []
        """The first lines."""
        self._sockets: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept)]

    def __enter__(self) -> HttpProxy:
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        for sock in (self._listener, *self._sockets):
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()
        for thread in self._threads:
            thread.join()

    def _start(self, target: object, *args: object) -> None:
        thread = threading.Thread(target=target, args=args)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self._sockets.append(client)
                self._start(self._serve, client)

    def _serve(self, client: socket.socket) -> None:
        with suppress(OSError, ValueError):
            while self._serve_one(client):
                pass
        client.close()

    def _serve_one(self, client: socket.socket) -> bool:
        """One request; whether another one may follow."""
        came = b""
        while b"\r\n\r\n" not in came:
            more = client.recv(65536)
            if not more:
                return False
            came += more
        head, _, body = came.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        self.requests.append(first)
        method, target, _ = first.split(" ")
        while len(body) < int(fields.get("content-length", "0")):
            body += client.recv(65536)
        refusal = self._refusal if self._limit is None or len(body) > self._limit else ""
        if not refusal and self._password and fields.get("proxy-authorization") != self._password:
            refusal = "407 Proxy Authentication Required"
        if refusal:
            kind, page = self._page
            answer = f"HTTP/1.1 {refusal}\r\nContent-Type: {kind}\r\nContent-Length: {len(page)}\r\n\r\n"
            client.sendall(answer.encode() + page)
            return True
        if method == "CONNECT":
            host, _, port = target.rpartition(":")
            server = self._connect(host, int(port))
            client.sendall(f"HTTP/{self._version} 200 Connection established\r\n\r\n".encode())
            self._start(self._relay, server, client)
            self._relay(client, server)
            return False
        url = urlsplit(target)
        server = self._connect(url.hostname or "", url.port or 80)
        kept = [line for line in lines if not line.lower().startswith("proxy-")]
        forwarded = "\r\n".join((f"{method} {url.path} HTTP/1.1", *kept, "connection: close", "", ""))
        server.sendall(forwarded.encode("latin-1") + body)
        self._relay(server, client)
        return False

    def _connect(self, host: str, port: int) -> socket.socket:
        if host != NAME:
            raise ValueError(host)
        server = socket.create_connection(("127.0.0.1", port))
        self._sockets.append(server)
        return server

    def _relay(self, near: socket.socket, far: socket.socket) -> None:
        with suppress(OSError):
            while data := near.recv(65536):
                far.sendall(data)
        with suppress(OSError):
            far.shutdown(socket.SHUT_WR)
