"""One kept connection over real sockets: reuse, loss, deadlines, bytes of a request."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress

import h11
import pytest
from support.raw_server import read_request

from otel_oom.config.settings import load_config
from otel_oom.errors import UsageError
from otel_oom.otlp import log_records, metric_points
from otel_oom.otlp.http_connection import Connection

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
CLOSING = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"

Serve = Callable[[socket.socket], None]


class Server:
    """Listens. Connections are served one after the other by `serves`, and the last of these serves all others."""

    def __init__(self, serves: tuple[Serve, ...], address: str) -> None:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self._serves = serves
        self._listener = socket.create_server((address, 0), family=family)
        self.port: int = self._listener.getsockname()[1]
        self.connections = 0
        self._thread = threading.Thread(target=self._accept)
        self._thread.start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                sock, _ = self._listener.accept()
                serve = self._serves[min(self.connections, len(self._serves) - 1)]
                self.connections += 1
                with sock, suppress(OSError):
                    serve(sock)

    def stop(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()


@contextmanager
def serving(*serves: Serve, address: str = "127.0.0.1") -> Iterator[tuple[Server, Connection, str]]:
    server, connection = Server(serves, address), Connection()
    host = f"[{address}]" if ":" in address else address
    try:
        yield server, connection, f"http://{host}:{server.port}/v1/logs"
    finally:
        connection.close()
        server.stop()


def answering(answer: bytes = OK, seen: list[bytes] | None = None) -> Serve:
    """Answer every request."""

    def serve(sock: socket.socket) -> None:
        while came := read_request(sock):
            if seen is not None:
                seen.append(came)
            sock.sendall(answer)

    return serve


def once(answer: bytes = OK) -> Serve:
    """Answer one request and close the connection."""

    def serve(sock: socket.socket) -> None:
        read_request(sock)
        sock.sendall(answer)

    return serve


def test_the_request_on_the_wire() -> None:
    seen: list[bytes] = []
    with serving(answering(seen=seen)) as (server, connection, url):
        headers = {"X-Key": "wé", "content-length": "99"}
        got = connection.request("POST", url, headers=headers, data=b"\0data", timeout=5)
        assert (got.status_code, got.reason, got.content(), got.error) == (200, "OK", b"ok", None)
        assert connection.request("POST", url, headers={"HOST": "other"}, timeout=5).status_code == 200
        assert seen == [
            b"POST /v1/logs HTTP/1.1\r\nhost: 127.0.0.1:%d\r\naccept-encoding: identity\r\n" % server.port
            + b"x-key: w\xe9\r\ncontent-length: 5\r\n\r\n\0data",
            b"POST /v1/logs HTTP/1.1\r\nhost: other\r\naccept-encoding: identity\r\ncontent-length: 0\r\n\r\n",
        ]


#: URL; the target and the Host field that urllib3 makes of it
@pytest.mark.parametrize(
    ("url", "target", "host"),
    [
        ("http://c:99", b"/", b"c:99"),
        ("http://c:80/", b"/", b"c"),
        ("https://c:443/", b"/", b"c"),
        ("https://c:80/", b"/", b"c:80"),
        ("http://C/?", b"/", b"c"),
        ("http://me:secret@c:99/x%2Fy#part", b"/x%2Fy", b"c:99"),
        ("http://c/ä b", b"/%C3%A4%20b", b"c"),
        ("http://c/a|b?x=a b|c&y=%41", b"/a%7Cb?x=a%20b%7Cc&y=%41", b"c"),
        ("http://c/100%/%2F?100%25", b"/100%25/%252F?100%25", b"c"),
        ("http://[::1]:99/", b"/", b"[::1]:99"),
        ("http://[fe80::1%25eth0]/", b"/", b"[fe80::1]"),
        ("http://bücher.example:99/", b"/", b"xn--bcher-kva.example:99"),
    ],
)
def test_urls(url: str, target: bytes, host: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    near, far = socket.socketpair()
    with far:
        far.sendall(OK)
        plain = Connection()
        monkeypatch.setattr(plain, "_connected", lambda *_: near)
        assert plain.request("POST", url, timeout=5).status_code == 200
        assert far.recv(65536).startswith(b"POST %s HTTP/1.1\r\nhost: %s\r\n" % (target, host))
        near.close()


@pytest.mark.parametrize(
    ("url", "name", "port"),
    [
        ("http://me:secret@C", b"c", 80),
        ("http://[::1]:99", b"::1", 99),
        ("http://[fe80::1%25eth0]", b"fe80::1%eth0", 80),
        ("http://bücher.example", b"xn--bcher-kva.example", 80),
        ("https://c", b"c", 443),
    ],
)
def test_names_that_are_looked_up(url: str, name: bytes, port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []

    def ask(*what: object, **_: object) -> list[object]:
        asked.append(what)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", ask)
    assert "no address" in str(Connection().request("POST", url, timeout=5).error)
    assert asked == [(name, port)]


def test_ipv6() -> None:
    seen: list[bytes] = []
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("no IPv6 here")
    with serving(answering(seen=seen), address="::1") as (server, connection, url):
        assert connection.request("POST", url, timeout=5).status_code == 200
        assert b"host: [::1]:%d\r\n" % server.port in seen[0]


@pytest.mark.parametrize("value", ["a\r\nInjected: 1", "a\nb", "a\rb", "a\0b", "€"])
def test_a_header_cannot_hold_another_one(value: str) -> None:
    seen: list[bytes] = []
    with serving(answering(seen=seen)) as (_, connection, url):
        error = connection.request("POST", url, headers={"x": value}, timeout=5).error
        assert isinstance(error, h11.LocalProtocolError | UnicodeEncodeError)
        assert seen == []


@pytest.mark.parametrize("value", ["secret%0D%0AInjected:%201", "secret%00", "secret%E2%82%AC"])
@pytest.mark.parametrize("of", ["", "LOGS_", "METRICS_"])
def test_a_header_that_cannot_be_sent_is_refused_at_the_start(
    value: str, of: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"OTEL_EXPORTER_OTLP_{of}HEADERS", f"x-good=w%C3%A9,x-key={value}")
    settings = load_config({})
    for signal, make in (("LOGS_", log_records.exporter), ("METRICS_", metric_points.exporter)):
        if of in {"", signal}:
            with pytest.raises(UsageError, match=f"OTEL_EXPORTER_OTLP_{of}HEADERS: 'x-key' is no header") as refusal:
                make(settings.logs if signal == "LOGS_" else settings.metrics)
            assert "secret" not in str(refusal.value)


@pytest.mark.parametrize(
    ("serve", "connections"),
    [
        pytest.param(answering(), 1, id="kept"),
        pytest.param(answering(CLOSING), 3, id="the answer says close"),
        pytest.param(once(), 3, id="closed after the answer, without a word"),
        pytest.param(answering(OK + b"more"), 3, id="more than an answer"),
        pytest.param(answering(b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok"), 3, id="HTTP/1.0"),
        pytest.param(once(b"HTTP/1.1 200 OK\r\n\r\nok"), 3, id="until the end"),
        pytest.param(
            answering(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX: y\r\n\r\n"),
            1,
            id="chunks",
        ),
        pytest.param(answering(b"HTTP/1.1 103 Early\r\n\r\n" + OK), 1, id="an interim answer"),
    ],
)
def test_a_connection_is_kept_while_it_is_open(serve: Serve, connections: int) -> None:
    with serving(serve) as (server, connection, url):
        for _ in range(3):
            assert connection.request("POST", url, data=b"x", timeout=5).content() == b"ok"
            time.sleep(0.05)  # what the other end does to the connection arrives
        assert server.connections == connections


def test_each_connection_has_a_tls_context_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a renewed certificate is used."""
    names: list[str] = []
    made: list[object] = []

    class Context:
        def __init__(self) -> None:
            made.append(self)

        def wrap_socket(self, sock: socket.socket, server_hostname: str) -> socket.socket:
            names.append(server_hostname)
            return sock

    lookup = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda _, *what, **how: lookup("127.0.0.1", *what, **how))
    with serving(once(), answering()) as (server, _, _url), closing(Connection(Context)) as connection:  # type: ignore[arg-type]
        url = f"https://[fe80::1%25eth0]:{server.port}/"
        for _ in range(3):
            assert connection.request("POST", url, timeout=5).status_code == 200
            time.sleep(0.05)
        assert (names, len(made)) == (["fe80::1", "fe80::1"], 2)
        connection.close()
        assert isinstance(Connection().request("POST", url, timeout=5).error, ValueError)


def test_another_place_is_another_connection() -> None:
    with serving(answering()) as (first, connection, url), serving(answering()) as (second, _, other):
        for where in (url, other, url):
            assert connection.request("POST", where, timeout=5).status_code == 200
            connection_count = (first.connections, second.connections)
        # The servers serve one connection at a time: the first one's end was seen.
        assert connection_count == (2, 1)


def test_a_failure_ends_the_connection_and_the_next_request_makes_one() -> None:
    def nothing(sock: socket.socket) -> None:
        read_request(sock)

    with serving(nothing, answering()) as (server, connection, url):
        error = connection.request("POST", url, data=b"x", timeout=5).error
        assert isinstance(error, ConnectionResetError)
        assert error.strerror == "Remote end closed connection without response"
        assert connection.is_connection_error(error)
        assert connection.request("POST", url, data=b"x", timeout=5).status_code == 200
        assert server.connections == 2


def test_an_answer_that_comes_too_late_is_not_that_of_the_next_request() -> None:
    def late(sock: socket.socket) -> None:
        read_request(sock)
        time.sleep(0.2)
        sock.sendall(b"HTTP/1.1 404 Late\r\nContent-Length: 0\r\n\r\n")

    with serving(late, answering()) as (server, connection, url):
        assert isinstance(connection.request("POST", url, timeout=0.1).error, TimeoutError)
        assert connection.request("POST", url, timeout=5).status_code == 200
        assert server.connections == 2


def test_a_refusal_before_the_end_of_the_request_is_an_answer() -> None:
    def refuse(sock: socket.socket) -> None:
        sock.recv(100)
        sock.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
        sock.shutdown(socket.SHUT_WR)
        time.sleep(0.1)  # the answer is there before what was not read resets the connection

    with serving(refuse) as (server, connection, url):
        for _ in range(2):
            assert connection.request("POST", url, data=b"x" * (32 << 20), timeout=5).status_code == 413
        assert server.connections == 2


def test_an_acceptance_before_the_end_of_the_request_is_none() -> None:
    def accept(sock: socket.socket) -> None:
        sock.recv(100)
        sock.sendall(OK)
        sock.shutdown(socket.SHUT_WR)
        time.sleep(0.1)

    with serving(accept) as (_, connection, url):
        got = connection.request("POST", url, data=b"x" * (32 << 20), timeout=5)
        assert got.status_code is None
        assert isinstance(got.error, BrokenPipeError | ConnectionResetError)


def test_a_large_request_arrives_whole() -> None:
    seen: list[bytes] = []
    data = bytes(range(256)) * (32 << 10)
    with serving(answering(seen=seen)) as (_, connection, url):
        assert connection.request("POST", url, data=data, timeout=5).status_code == 200
        assert seen[0].partition(b"\r\n\r\n")[2] == data


def test_a_message_is_sent_at_once_and_its_loss_is_detected() -> None:
    with serving(answering()) as (_, connection, url):
        connection.request("POST", url, timeout=5)
        sock = connection._sock
        assert sock is not None
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 4000


def test_a_closed_port() -> None:
    with serving(answering()) as (_, _, url):
        pass
    error = Connection().request("POST", url, timeout=5).error
    assert isinstance(error, ConnectionRefusedError)


def test_an_unknown_name() -> None:
    error = Connection().request("POST", "http://no-such-name.invalid/", timeout=5).error
    assert isinstance(error, socket.gaierror)


@pytest.mark.parametrize("first", [b"\0\0\x12\4\0\0\0\0\0", b"SSH-2.0-OpenSSH_9.2\r\n", b"HTTP/2 200", b"220 "])
def test_an_answer_that_is_not_http_fails_at_once(first: bytes) -> None:
    def banner(sock: socket.socket) -> None:
        sock.sendall(first)
        while sock.recv(1 << 20):
            pass

    with serving(banner) as (_, connection, url):
        began = time.monotonic()
        assert isinstance(connection.request("POST", url, timeout=5).error, h11.RemoteProtocolError)
        assert time.monotonic() - began < 2.5, "long before the timeout"


def drip(head: bytes) -> Serve:
    def serve(sock: socket.socket) -> None:
        read_request(sock)
        sock.sendall(head)
        while True:
            sock.sendall(b"0")
            time.sleep(0.02)

    return serve


def deaf(sock: socket.socket) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    time.sleep(0.35)


@pytest.mark.parametrize(
    "serve",
    [
        pytest.param(deaf, id="does not read"),
        pytest.param(drip(b"HTTP/1.1 200 "), id="status line"),
        pytest.param(drip(b"HTTP/1.1 200 OK\r\nX: "), id="field"),
        pytest.param(drip(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n"), id="body"),
        pytest.param(drip(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"), id="size of a chunk"),
        pytest.param(drip(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: "), id="trailer"),
        pytest.param(drip(b"HTTP/1.1 200 OK\r\n\r\n"), id="body without a length"),
    ],
)
def test_one_deadline_bounds_the_whole_request(serve: Serve) -> None:
    def after_an_answer(sock: socket.socket) -> None:
        read_request(sock)
        sock.sendall(OK)
        serve(sock)

    with serving(after_an_answer) as (_, connection, url):
        assert connection.request("POST", url, timeout=5).status_code == 200
        began = time.monotonic()
        got = connection.request("POST", url, data=b"x" * (32 << 20 if serve is deaf else 1), timeout=0.2)
        took_s = time.monotonic() - began
        assert isinstance(got.error, TimeoutError)
        assert 0.15 < took_s < 3.0, "the request's timeout of 0.2 s; without it, the test would not end"


def test_each_address_of_a_name_has_its_share_of_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(answering()) as (server, connection, _):
        silent = socket.socket()  # bound, full, and never accepted: the kernel drops new connections
        silent.bind(("127.0.0.1", 0))
        silent.listen(0)
        waiting = [socket.socket() for _ in range(3)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(silent.getsockname())
        both = [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", where)
            for where in (silent.getsockname(), ("127.0.0.1", server.port))
        ]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: both)
        began = time.monotonic()
        assert connection.request("POST", "http://collector/", timeout=1.0).status_code == 200
        assert time.monotonic() - began > 0.4, "half of the time for the first address"
        for one in (silent, *waiting):
            one.close()


def test_a_switch_of_protocol_is_no_answer() -> None:
    """A header that the user set may ask for it."""
    with serving(answering(b"HTTP/1.1 101 Switching\r\nUpgrade: h2c\r\n\r\n")) as (_, connection, url):
        got = connection.request("POST", url, headers={"upgrade": "h2c"}, timeout=5)
        assert isinstance(got.error, h11.RemoteProtocolError)
