"""A lying server, or a lying proxy, over HTTP: bounded memory, a deadline that holds, and nothing is dropped."""

from __future__ import annotations

import gzip

import pytest
from support.http_proxy import NAME
from support.peak_memory import peak_growth
from support.pipelines import sending
from support.raw_server import RawServer, Serve, endless, pieces
from support.waiting import eventually

E = "OTEL_EXPORTER_OTLP_"
TIMEOUT_S = 0.5
MOST_S = 20.0  # for two attempts and the pause between them; without a deadline an attempt has no end
MOST_MIB = 20
OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
BOMB = gzip.compress(bytes(128 << 20))  # 128 KiB

LIES = [
    pytest.param(endless(OK + b"\r\n", b"x" * 65_536), id="a body without an end"),
    pytest.param(endless(CHUNKED, b"ffff\r\n" + b"x" * 65_535 + b"\r\n"), id="chunks without an end"),
    pytest.param(endless(CHUNKED, b"1\r\nx\r\n" * 1_000), id="small chunks without an end"),
    pytest.param(endless(CHUNKED + b"1;", b"x" * 65_536), id="an extension of a chunk without an end"),
    pytest.param(endless(CHUNKED + b"0\r\n", b"X: y\r\n" * 1_000), id="trailers without an end"),
    pytest.param(endless(OK, b"X-%d: y\r\n" * 1_000), id="fields without an end"),
    pytest.param(endless(OK + b"X: ", b"y" * 65_536), id="a field without an end"),
    pytest.param(endless(b"HTTP/1.1 200 ", b"y" * 65_536), id="a reason without an end"),
    pytest.param(endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 1_000), id="interim answers without an end"),
    pytest.param(endless(b"", b"HTTP/1.1 103 Early\r\nLink: x\r\n\r\n", pause_s=0.01), id="interim answers, slowly"),
    pytest.param(endless(OK + b"X: ", b"y", pause_s=0.01), id="a field byte by byte"),
    pytest.param(pieces(OK + b"Content-Encoding: gzip\r\nConnection: close\r\n\r\n", BOMB), id="a gzip bomb"),
    pytest.param(pieces(b"HTTP/1.1 307 No\r\nLocation: /v1/logs\r\nContent-Length: 0\r\n\r\n"), id="a circle"),
    pytest.param(pieces(b"\x00" * 100_000), id="garbage"),
]


@pytest.mark.parametrize("serve", LIES)
def test_a_lying_server(serve: Serve) -> None:
    with RawServer(serve) as server:
        expect_kept({f"{E}ENDPOINT": server.url})


@pytest.mark.parametrize("serve", LIES[:-2])
def test_a_lying_proxy(serve: Serve) -> None:
    """To CONNECT: what a server may answer, a proxy may as well."""
    with RawServer(serve) as proxy:
        expect_kept({f"{E}ENDPOINT": f"https://{NAME}:4318", "https_proxy": proxy.url})


def expect_kept(variables: dict[str, str]) -> None:
    """The answers are failures, in time and with little memory. The server's own thread sends constant bytes."""
    with sending({**variables, f"{E}TIMEOUT": str(int(TIMEOUT_S * 1000))}) as rig:
        growth_mib = peak_growth()
        rig.kill("first", "second")
        assert eventually(lambda: rig.health.exports["logs", "retry"] >= 2, within_s=MOST_S)
        assert eventually(lambda: rig.health.exports["metrics", "retry"] >= 2, within_s=MOST_S)
        assert growth_mib() < MOST_MIB
        assert {outcome for _, outcome in rig.health.exports} == {"retry"}
        assert len(rig.spool) == 2
        assert not rig.health.dropped
