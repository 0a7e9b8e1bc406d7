"""Answers of HTTP servers, whole and byte by byte, complete and cut at every byte."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import nullcontext

import h11
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from otel_oom.otlp import http_exchange
from otel_oom.otlp.http_exchange import Answer

MIB = 1 << 20


def read(parts: Iterable[bytes]) -> Answer:
    """What the parts are, and then the end of the connection, as the answer to a POST."""
    http = h11.Connection(h11.CLIENT)
    for event in (h11.Request(method="POST", target="/", headers=[("host", "c")]), h11.EndOfMessage()):
        http.send(event)
    left = iter(parts)
    return http_exchange._read(http, lambda: next(left, b""))


#: what came, and what it is: status, reason, body
ANSWERS = {
    "length": (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", (200, "OK", b"abc")),
    "length, twice the same": (b"HTTP/1.1 200 OK\r\nContent-Length: 3, 3\r\n\r\nabc", (200, "OK", b"abc")),
    "no reason": (b"HTTP/1.1 404\r\nContent-Length: 0\r\n\r\n", (404, "", b"")),
    "a reason in Latin-1": (b"HTTP/1.1 500 d\xe9sol\xe9\r\nContent-Length: 0\r\n\r\n", (500, "désolé", b"")),
    "line feeds alone": (b"HTTP/1.1 200 OK\nContent-Length: 1\n\na", (200, "OK", b"a")),
    "no content": (b"HTTP/1.1 204 No Content\r\n\r\n", (204, "No Content", b"")),
    "not modified": (b"HTTP/1.1 304 x\r\nContent-Length: 3\r\n\r\n", (304, "x", b"")),
    "chunks": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\n\r\n",
        (200, "OK", b"abc0123456789"),
    ),
    "chunks with a trailer": (
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\n1\r\na\r\n0\r\nX-After: 1\r\n\r\n",
        (200, "OK", b"a"),
    ),
    "until the end": (b"HTTP/1.1 503 Unavailable\r\n\r\nbusy", (503, "Unavailable", b"busy")),
    "1.0": (b"HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\na", (200, "OK", b"a")),
    "interim answers": (
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nX: y\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na",
        (200, "OK", b"a"),
    ),
    "a long body": (b"HTTP/1.1 404 No\r\nContent-Length: %d\r\n\r\n" % MIB + b"x" * MIB, (404, "No", b"x" * MIB)),
    "too long a body": (b"HTTP/1.1 404 No\r\nContent-Length: 9999999\r\n\r\n" + b"x" * MIB, (404, "No", b"x" * MIB)),
    "one without an end": (b"HTTP/1.1 404 No\r\n\r\n" + b"x" * (MIB + 9), (404, "No", b"x" * MIB)),
    "a chunk too long": (
        b"HTTP/1.1 404 No\r\nTransfer-Encoding: chunked\r\n\r\nfffffff\r\n" + b"x" * (MIB + 9),
        (404, "No", b"x" * MIB),
    ),
}  # fmt: skip
SHORT = {name: case for name, case in ANSWERS.items() if len(case[0]) < 1000}


@pytest.mark.parametrize(("data", "expected"), ANSWERS.values(), ids=ANSWERS)
def test_an_answer(data: bytes, expected: tuple[int, str, bytes]) -> None:
    got = read([data])
    assert (got.status_code, got.reason, got.content()) == expected


@pytest.mark.parametrize(("data", "expected"), SHORT.values(), ids=SHORT)
def test_an_answer_byte_by_byte(data: bytes, expected: tuple[int, str, bytes]) -> None:
    got = read(data[at : at + 1] for at in range(len(data)))
    assert (got.status_code, got.reason, got.content()) == expected


@pytest.mark.parametrize(("data", "expected"), SHORT.values(), ids=SHORT)
def test_an_answer_that_breaks_off(data: bytes, expected: tuple[int, str, bytes]) -> None:
    """Cut at every byte it is an end without an answer, or, where only its end is its end, a shorter one."""
    has_end = b"Length" in data or b"hunked" in data or b"204" in data
    for end in range(len(data)):
        is_shorter = not has_end and b"\r\n\r\n" in data[:end]
        with nullcontext() if is_shorter else pytest.raises(ConnectionResetError, match="without response"):
            got = read([data[:end]])
            assert (got.status_code, got.reason, got.content()) == (*expected[:2], data[data.index(b"busy") : end])


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"HTTP/1.1 20 OK\r\n\r\n", id="a status of two digits"),
        pytest.param(b"HTTP/1.1 099 OK\r\n\r\n", id="a status below 100"),
        pytest.param(b"HTTP/1.1 200OK\r\n\r\n", id="no space"),
        pytest.param(b"HTTP/1.1 101 Switching\r\n\r\nabc", id="another protocol"),
        pytest.param(b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n", id="a field without a colon"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", id="a length below 0"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 1, 2\r\n\r\nab", id="two lengths"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: %s\r\n\r\n" % (b"9" * 5000), id="an endless length"),
        pytest.param(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0x1\r\na\r\n", id="a chunk's size"),
        pytest.param(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n", id="a longer chunk"),
        pytest.param(b"HTTP/1.1 200 " + b"x" * 70_000, id="an endless line"),
        pytest.param(b"HTTP/1.1 200 OK\r\n" + b"X: yyyyyyyyyyyyyyyyyyyyyyyyyyyy\r\n" * 5000, id="an endless head"),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + b"X: yyyyyyyyyyyyyy\r\n" * 5000,
            id="endless trailers",
        ),
    ],
)  # fmt: skip
def test_what_is_no_answer(data: bytes) -> None:
    def wait() -> Iterator[bytes]:
        yield data
        raise TimeoutError

    with pytest.raises(h11.RemoteProtocolError):
        read(wait())


def test_fields_have_names_in_lower_case_and_one_value() -> None:
    got = read([b"HTTP/1.1 204 x\r\nRetry-After:  7 \r\nVIA: a\r\nvia:b\r\nEmpty:\r\nX: \xe9\r\n\r\n"])
    assert got.headers() == {"retry-after": "7", "via": "a, b", "empty": "", "x": "é"}


@given(data=st.binary(max_size=200), head=st.sampled_from([b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\n\r\n"]))
@example(data=b"Transfer-Encoding: chunked\r\n\r\n\r\n", head=b"HTTP/1.1 200 OK\r\n")
def test_any_bytes_are_an_answer_or_one_of_two_errors(data: bytes, head: bytes) -> None:
    try:
        got = read([head + data])
    except (h11.RemoteProtocolError, ConnectionResetError):
        return
    assert 200 <= (got.status_code or 0) <= 999
