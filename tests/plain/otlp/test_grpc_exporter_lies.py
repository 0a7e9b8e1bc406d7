"""A lying server over gRPC: frames that no server sends. Bounded memory, a deadline, and nothing is dropped."""

from __future__ import annotations

import socket
from collections.abc import Callable

import pytest
from support.peak_memory import peak_growth
from support.pipelines import sending
from support.raw_server import RawServer, Serve
from support.waiting import eventually

TIMEOUT_S = 1.0
MOST_S = 20.0  # for two attempts and the pause between them; without a deadline an attempt has no end
MOST_MIB = 32
DATA, HEADERS, RESET, SETTINGS, PING, GOAWAY = 0, 1, 3, 4, 6, 7
END_OF_HEADERS = 4
_PREFACE_BYTES = 24
#: HPACK (RFC 7541): `:status: 200` by its index
OK = b"\x88"


def frame(kind: int, stream: int, payload: bytes = b"", flags: int = 0) -> bytes:
    return len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + payload


def stream_of_request(sock: socket.socket) -> int:
    """Read until a request begins; returns the number of its stream, 0 if the client closed the connection."""
    came = b""
    while more := sock.recv(65536):
        came += more
        at = _PREFACE_BYTES
        while len(came) >= at + 9:
            length, kind = int.from_bytes(came[at : at + 3], "big"), came[at + 3]
            if kind == HEADERS:
                return int.from_bytes(came[at + 5 : at + 9], "big")
            at += 9 + length
    return 0


def answering(first: Callable[[int], bytes], then: Callable[[int], bytes] | None = None) -> Serve:
    """Answers the first request of a connection. then: is sent until the client closes the connection."""

    def serve(sock: socket.socket) -> None:
        sock.sendall(frame(SETTINGS, 0))
        stream = stream_of_request(sock)
        sock.sendall(first(stream))
        while then is not None:
            sock.sendall(then(stream))
        sock.recv(1)

    return serve


def field(value: bytes) -> bytes:
    """An HPACK field `x: value` of 127 to 254 bytes."""
    return b"\0\1x\x7f" + bytes((len(value) - 127,)) + value


@pytest.mark.parametrize(
    "serve",
    [
        pytest.param(answering(lambda _: frame(GOAWAY, 0, bytes(4) + b"\0\0\0\x0btoo_many_pings")), id="GOAWAY"),
        pytest.param(answering(lambda stream: frame(RESET, stream, bytes(4))), id="RST_STREAM without an error"),
        pytest.param(answering(lambda stream: frame(RESET, stream, b"\0\0\0\7")), id="RST_STREAM, refused"),
        pytest.param(
            answering(lambda stream: frame(RESET, stream, b"\0\0\0\x08") * 1_000, lambda _: frame(RESET, 1, bytes(4))),
            id="RST_STREAM without an end",
        ),
        pytest.param(answering(lambda _: b"", lambda _: frame(SETTINGS, 0) * 1_000), id="SETTINGS without an end"),
        pytest.param(answering(lambda _: b"", lambda _: frame(PING, 0, bytes(8)) * 1_000), id="PING without an end"),
        pytest.param(
            answering(
                lambda stream: frame(HEADERS, stream, OK, END_OF_HEADERS) + frame(DATA, stream, b"\0\x7f\xff\xff\xff"),
                lambda stream: frame(DATA, stream, bytes(16_000)),
            ),
            id="a message without an end",
        ),
        pytest.param(
            answering(
                lambda stream: frame(HEADERS, stream, OK, END_OF_HEADERS), lambda stream: frame(DATA, stream) * 1_000
            ),
            id="empty DATA without an end",
        ),
        pytest.param(
            answering(lambda stream: frame(HEADERS, stream, OK + field(b"y" * 200) * 70, END_OF_HEADERS)),
            id="many fields",
        ),
        pytest.param(answering(lambda _: b"\xff\xff\xff" + bytes(6), lambda _: bytes(65_536)), id="a huge frame"),
        pytest.param(answering(lambda _: b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), id="HTTP/1.1"),
    ],
)
def test_a_lying_server(serve: Serve) -> None:
    """The server is in this process, and sends constant bytes."""
    with RawServer(serve) as server:
        variables = {
            "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
            "OTEL_EXPORTER_OTLP_ENDPOINT": server.url,
            "OTEL_EXPORTER_OTLP_TIMEOUT": str(int(TIMEOUT_S * 1000)),
        }
        with sending(variables) as rig:
            growth_mib = peak_growth()
            rig.kill("first", "second")
            assert eventually(lambda: rig.health.exports["logs", "retry"] >= 2, within_s=MOST_S)
            assert eventually(lambda: rig.health.exports["metrics", "retry"] >= 2, within_s=MOST_S)
            assert growth_mib() < MOST_MIB
            assert {outcome for _, outcome in rig.health.exports} == {"retry"}
            assert len(rig.spool) == 2
            assert not rig.health.dropped
