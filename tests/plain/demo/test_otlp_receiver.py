"""The receiver of the demo: what it answers, and what it hands on."""

from __future__ import annotations

import http.client
import socket
import struct
from collections.abc import Iterator
from contextlib import suppress
from urllib.parse import urlsplit

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue, KeyValueList

from otel_oom.demo.otlp_receiver import Receiver, plain


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as listening:
        yield listening


def post(receiver: Receiver, path: str, body: bytes, token: str | None = None, **headers: str) -> int:
    """The status of the answer. path: below the token"""
    address = urlsplit(receiver.endpoint)
    own = address.path.removeprefix("/") if token is None else token
    connection = http.client.HTTPConnection(address.netloc, timeout=5)
    try:
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request("POST", f"/{own}{path}", body, headers)
        return connection.getresponse().status
    finally:
        connection.close()


def connected(receiver: Receiver) -> socket.socket:
    address = urlsplit(receiver.endpoint)
    return socket.create_connection(("127.0.0.1", address.port or 0), timeout=5)


def is_closed(connection: socket.socket, within_s: float) -> bool:
    connection.settimeout(within_s)
    try:
        return connection.recv(1) == b""
    except TimeoutError:
        return False
    except ConnectionResetError:
        return True


def test_it_listens_on_this_machine_only(receiver: Receiver) -> None:
    assert urlsplit(receiver.endpoint).hostname == "127.0.0.1"


def test_requests_are_decoded_in_order(receiver: Receiver) -> None:
    first, second = ExportLogsServiceRequest(), ExportLogsServiceRequest()
    first.resource_logs.add().schema_url = "first"
    second.resource_logs.add().schema_url = "second"
    assert post(receiver, "/v1/logs", first.SerializeToString()) == 200
    assert post(receiver, "/v1/logs", second.SerializeToString()) == 200
    received = [receiver.logs.get(timeout=5) for _ in range(2)]
    assert [item.message for item in received] == [first, second]
    assert received[0].received_ns <= received[1].received_ns
    assert receiver.metrics.empty()


@pytest.mark.parametrize(
    ("path", "body", "headers", "status"),
    [
        ("/v1/traces", b"", {}, 404),
        ("/v1/metrics", b"\xff", {}, 400),
        ("/v1/metrics", b"", {"Content_Length": str((1 << 20) + 1)}, 413),
        ("/v1/metrics", b"", {"Content_Length": "9" * 5000}, 413),
        ("/v1/metrics", b"", {"Content_Length": "-1"}, 413),
        ("/v1/metrics", b"", {"Content_Length": "a size"}, 413),
    ],
)
def test_other_requests_are_refused(
    path: str, body: bytes, headers: dict[str, str], status: int, receiver: Receiver, capfd: pytest.CaptureFixture[str]
) -> None:
    assert post(receiver, path, body, **headers) == status
    assert receiver.logs.empty()
    assert receiver.metrics.empty()
    assert capfd.readouterr() == ("", "")


def test_each_receiver_has_a_token_of_its_own(receiver: Receiver) -> None:
    with Receiver() as other:
        tokens = {urlsplit(one.endpoint).path for one in (receiver, other)}
    assert {len(token) for token in tokens} == {1 + 43}, "32 random bytes"
    assert len(tokens) == 2
    assert not any(token in receiver.address for token in tokens)


@pytest.mark.parametrize("begin", ["", "/", "/v1", f"/{'x' * 43}", "/\xe9", "/%00", "/.."])
@pytest.mark.parametrize("path", ["/v1/logs", "/v1/metrics", ""])
def test_nobody_else_can_post(begin: str, path: str, receiver: Receiver) -> None:
    connection = connected(receiver)
    with connection:
        connection.sendall(f"POST {begin}{path} HTTP/1.1\r\nContent-Length: 0\r\n\r\n".encode())
        assert connection.recv(99).startswith(b"HTTP/1.1 404 ")
    assert receiver.logs.empty()
    assert receiver.metrics.empty()


@pytest.mark.parametrize("line", [b"", b"\r\n", b"POST\r\n", b"\x16\x03\x01\x02\r\n", b"x" * 70_000 + b"\n"])
def test_what_is_no_request_is_nothing_to_see(
    line: bytes, receiver: Receiver, capfd: pytest.CaptureFixture[str]
) -> None:
    with connected(receiver) as connection:
        connection.sendall(line)
        connection.shutdown(socket.SHUT_WR)
        while not is_closed(connection, within_s=5):  # an answer comes first
            pass
    with connected(receiver) as reset:
        reset.sendall(b"POST")
        reset.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    assert post(receiver, "/v1/logs", b"") == 200
    assert receiver.logs.get(timeout=5).message == ExportLogsServiceRequest()
    assert capfd.readouterr() == ("", "")


def test_a_body_without_the_token_is_not_read(receiver: Receiver) -> None:
    """10 GB are announced. What is sent until the connection breaks fits into the buffers of two sockets."""
    sent = 0
    with connected(receiver) as connection:
        connection.sendall(b"POST /v1/logs HTTP/1.1\r\nContent-Length: 10000000000\r\n\r\n")
        with suppress(ConnectionError):
            while sent < 64 << 20:
                connection.sendall(bytes(1 << 16))
                sent += 1 << 16
    assert sent < 32 << 20
    assert receiver.logs.empty()


@pytest.mark.parametrize("begin", [b"", b"POST /v1/logs HTT"])
def test_silent_connections_do_not_add_up(begin: bytes, receiver: Receiver) -> None:
    """The oldest are closed; a request with the token is answered all the same, and its connection stays."""
    address = urlsplit(receiver.endpoint)
    own = http.client.HTTPConnection(address.netloc, timeout=5)
    silent = []
    try:
        for _ in range(2):
            own.request("POST", f"{address.path}/v1/logs", b"")
            answer = own.getresponse()
            assert (answer.status, answer.read()) == (200, b"")
            for _ in range(40):
                silent.append(connected(receiver))
                silent[-1].sendall(begin)
        assert all(is_closed(connection, within_s=5) for connection in silent[:64])
        assert not is_closed(silent[-1], within_s=0.2)
    finally:
        own.close()
        for connection in silent:
            connection.close()


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (AnyValue(), None),
        (AnyValue(string_value=""), ""),
        (AnyValue(int_value=0), 0),
        (AnyValue(bool_value=False), False),
        (AnyValue(array_value=ArrayValue(values=[AnyValue(int_value=1), AnyValue()])), [1, None]),
        (AnyValue(kvlist_value=KeyValueList(values=[KeyValue(key="a", value=AnyValue(int_value=1))])), {"a": 1}),
    ],
)
def test_a_value_of_otlp_is_a_python_value(value: AnyValue, expected: object) -> None:
    assert plain(value) == expected
