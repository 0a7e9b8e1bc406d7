"""Requests through a real proxy, over HTTP and gRPC, with and without TLS."""

from __future__ import annotations

import socket
import sys
import threading
import time
from contextlib import closing
from dataclasses import replace

import pytest
from support.certificates import Certificates, make_certificates
from support.http_proxy import NAME, HttpProxy
from support.otlp_receiver import OtlpReceiver, Protocol
from support.pipelines import event, sending
from support.waiting import eventually

from otel_oom.config.proxy import Proxy
from otel_oom.otlp.http_connection import Connection
from otel_oom.otlp.http_proxy import ProxyError

E = "OTEL_EXPORTER_OTLP_"
BOTH = pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
TLS = pytest.mark.parametrize("is_secure", [False, True], ids=["plain", "TLS"])
BASIC = "Basic bWU6c2Vj"  # me:sec


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("tls"))


def settings(receiver: OtlpReceiver, files: Certificates, proxy: str, *, is_secure: bool) -> dict[str, str]:
    return {
        f"{E}PROTOCOL": receiver.protocol,
        f"{E}ENDPOINT": f"http{'s' if is_secure else ''}://{NAME}:{receiver.port}",
        f"{E}TIMEOUT": "2000",
        f"{E}CERTIFICATE": files.path("ca.pem"),
        f"http{'s' if is_secure else ''}_proxy": proxy,
    }


@BOTH
@TLS
def test_everything_goes_through_the_proxy(protocol: Protocol, files: Certificates, *, is_secure: bool) -> None:
    had_requests = "requests" in sys.modules
    certificate = files.server if is_secure else None
    with HttpProxy(password=BASIC) as proxy, OtlpReceiver(protocol, certificate=certificate) as receiver:
        variables = settings(receiver, files, f"http://me:sec@127.0.0.1:{proxy.port}", is_secure=is_secure)
        with sending(variables) as rig:
            rig.kill("first")
            receiver.wait(lambda: receiver.delivered and receiver.accepted("metrics"))
            rig.kill("second")
            assert eventually(lambda: len(receiver.delivered) == 2)
        is_tunnel = is_secure or protocol == "grpc"
        place = f"{NAME}:{receiver.port}"
        expected = f"CONNECT {place} HTTP/1.1" if is_tunnel else f"POST http://{place}/v1/logs HTTP/1.1"
        assert expected in proxy.requests
        assert not is_tunnel or len(proxy.requests) <= 4, "the tunnels are kept"
        assert all("proxy-authorization" not in request.headers for request in receiver.requests)
    assert ("requests" in sys.modules) == had_requests, "no second HTTP library"


@BOTH
@TLS
def test_a_refusal_of_the_proxy_is_said_to_be_its_own(
    protocol: Protocol, files: Certificates, caplog: pytest.LogCaptureFixture, *, is_secure: bool
) -> None:
    with HttpProxy(password=BASIC) as proxy, OtlpReceiver(protocol) as receiver:
        variables = settings(receiver, files, f"http://me:wrong@127.0.0.1:{proxy.port}", is_secure=is_secure)
        with sending(variables) as rig:
            rig.kill("first")
            assert eventually(lambda: "logs, will retry" in caplog.text)
            assert len(rig.spool) == 1
        assert "407" in caplog.text
        assert "proxy" in caplog.text
        assert "wrong" not in caplog.text


@BOTH
@TLS
def test_a_proxy_that_is_gone_is_named(
    protocol: Protocol, files: Certificates, caplog: pytest.LogCaptureFixture, *, is_secure: bool
) -> None:
    with HttpProxy() as proxy:
        pass
    with OtlpReceiver(protocol) as receiver:
        variables = settings(receiver, files, f"http://me:sec@127.0.0.1:{proxy.port}", is_secure=is_secure)
        with sending(variables):
            assert eventually(lambda: "metrics, will retry" in caplog.text)
        assert "Connection refused" in caplog.text
        if protocol == "http/protobuf":
            assert f"proxy 127.0.0.1:{proxy.port} (http{'s' if is_secure else ''}_proxy)" in caplog.text
        assert "sec@" not in caplog.text


@BOTH
def test_no_proxy_to_this_machine(protocol: Protocol, monkeypatch: pytest.MonkeyPatch) -> None:
    """gRPC would take http_proxy itself, and has no exception for loopback."""
    with HttpProxy(refusal="403 Forbidden") as proxy, OtlpReceiver(protocol) as receiver:
        for name in ("http_proxy", "https_proxy", "grpc_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        with sending(receiver.settings) as rig:
            rig.kill("first")
            receiver.wait(lambda: receiver.delivered)
        assert proxy.requests == []


#: what a proxy says to CONNECT; the error, after the name of the proxy
@pytest.mark.parametrize(
    ("refusal", "why", "status"),
    [
        ("403 Forbidden", "HTTP 403 Forbidden", 403),
        ("407 Proxy Authentication Required", "HTTP 407 Proxy Authentication Required", 407),
        ("502 Bad Gateway", "HTTP 502 Bad Gateway", 502),
        ("301 Moved", "HTTP 301 Moved", 301),
    ],
)
def test_errors_of_a_tunnel(refusal: str, why: str, status: int) -> None:
    with HttpProxy(refusal=refusal) as server:
        proxy = Proxy("https_proxy", "127.0.0.1", server.port, BASIC)
        with closing(Connection(None, proxy)) as connection:
            error = connection.request("POST", "https://c:4318/v1/logs", timeout=5).error
        assert isinstance(error, ProxyError)
        assert error.strerror == f"proxy 127.0.0.1:{server.port} (https_proxy): {why}"
        assert (error.status, error.proxy) == (status, proxy)
        assert server.requests == ["CONNECT c:4318 HTTP/1.1"]


def test_other_refusals_of_a_forwarded_request_may_be_the_servers() -> None:
    with HttpProxy(refusal="502 Bad Gateway") as server:
        with closing(Connection(None, Proxy("http_proxy", "127.0.0.1", server.port))) as connection:
            answer = connection.request("POST", "http://c/v1/logs?q=1", timeout=5)
        assert (answer.status_code, answer.error) == (502, None)
        assert server.requests == ["POST http://c/v1/logs?q=1 HTTP/1.1"]


@pytest.mark.parametrize("kind", ["text/html", "application/json", "text/plain", ""])
@pytest.mark.parametrize(
    "refusal", ["400 Bad Request", "403 Forbidden", "413 Too Large", "422 No", "451 No", "502 Bad Gateway", "200 OK"]
)
def test_no_refusal_by_a_forwarding_proxy_loses_data(refusal: str, kind: str, caplog: pytest.LogCaptureFixture) -> None:
    with HttpProxy(refusal=refusal, page=(kind, b'{"message": "blocked"}')) as proxy:
        variables = {f"{E}ENDPOINT": f"http://{NAME}:4318", "http_proxy": f"http://127.0.0.1:{proxy.port}"}
        with sending(variables) as rig:
            rig.kill("first", "second")
            assert eventually(lambda: rig.health.exports["logs", "retry"] >= 3)
            assert eventually(lambda: rig.health.exports["metrics", "retry"] >= 2)
            assert len(rig.spool) == 2
            assert not rig.health.dropped
            assert {outcome for _, outcome in rig.health.exports} == {"retry"}
    assert f"HTTP {refusal}" in caplog.text
    assert f"proxy 127.0.0.1:{proxy.port} (http_proxy)" in caplog.text


def test_a_proxy_with_a_limit_gets_smaller_requests() -> None:
    limit = HttpProxy(refusal="413 Too Large", limit=16_000)
    with limit as proxy, OtlpReceiver("http/protobuf") as receiver:
        variables = {
            f"{E}ENDPOINT": f"http://{NAME}:{receiver.port}",
            "http_proxy": f"http://127.0.0.1:{proxy.port}",
        }
        uids = [f"kill-{number}" for number in range(8)]
        with sending(variables) as rig:
            rig.spool.put([replace(event(uid), body="x" * 5_000) for uid in uids], replace(rig.spool.checkpoint))
            receiver.wait(lambda: len(receiver.delivered) == len(uids))
            assert not rig.health.dropped
        assert receiver.delivered == uids


def test_the_tunnel_to_an_ipv6_address() -> None:
    with HttpProxy(refusal="403 No") as server:
        with closing(Connection(None, Proxy("https_proxy", "127.0.0.1", server.port))) as connection:
            connection.request("POST", "https://[fd00::2]/", timeout=5)
        assert server.requests == ["CONNECT [fd00::2]:443 HTTP/1.1"]


@pytest.mark.parametrize(
    "said", [b"", b"SSH-2.0-OpenSSH_9.2\r\n", b"HTTP/1.1 200 OK"], ids=["hangs", "no HTTP", "half"]
)
def test_one_deadline_for_proxy_and_server(said: bytes) -> None:
    def banner() -> None:
        sock, _ = listener.accept()
        with sock:
            sock.sendall(said)
            while sock.recv(65536):
                pass

    with socket.create_server(("127.0.0.1", 0)) as listener:
        proxy = Proxy("https_proxy", "127.0.0.1", listener.getsockname()[1])
        with closing(Connection(None, proxy)) as connection:
            began_s = time.monotonic()
            thread = threading.Thread(target=banner)
            thread.start()
            error = connection.request("POST", "https://c/", timeout=0.4).error
            assert time.monotonic() - began_s < 2.0
        thread.join()
    assert isinstance(error, ProxyError)
    assert str(error.strerror).endswith("the answer is not HTTP" if said.startswith(b"SSH") else "timed out")


def test_an_old_proxy(files: Certificates) -> None:
    """Tinyproxy 1.11 answers with HTTP/1.0."""
    with HttpProxy(version="1.0") as proxy, OtlpReceiver("http/protobuf", certificate=files.server) as receiver:
        variables = settings(receiver, files, f"http://127.0.0.1:{proxy.port}", is_secure=True)
        with sending(variables) as rig:
            rig.kill("first")
            receiver.wait(lambda: receiver.delivered)
