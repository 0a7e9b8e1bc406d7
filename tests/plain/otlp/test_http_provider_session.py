"""A credential provider over HTTP: it signs the requests, and the agent's own connection carries them. Real servers."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace

import pytest
import requests
from support.certificates import Certificates, make_certificates
from support.http_proxy import NAME, HttpProxy
from support.otlp_receiver import OtlpReceiver
from support.otlp_servers import Answer
from support.peak_memory import peak_growth
from support.pipelines import Rig, sending
from support.raw_server import RawServer, Serve, endless, pieces
from support.waiting import eventually

E = "OTEL_EXPORTER_OTLP_"
VARIABLE = "OTEL_PYTHON_EXPORTER_OTLP_HTTP_CREDENTIAL_PROVIDER"
BUNDLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("own"))


@pytest.fixture(scope="module")
def others(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("other"))


class Session(requests.Session):
    """Adds a token, as the session of a cloud does."""

    def request(self, *arguments: object, **named: object) -> requests.Response:
        self.headers["x-token"] = "of the provider"
        return super().request(*arguments, **named)  # type: ignore[arg-type]


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch) -> Iterator[Session]:
    """The session that the installed provider `mine` returns."""
    with Session() as made:
        provider = SimpleNamespace(load=lambda: lambda: made)
        monkeypatch.setattr("opentelemetry.exporter.otlp.proto.http._common.entry_points", lambda **_: [provider])
        yield made


@contextmanager
def provided(endpoint: str, **variables: str) -> Iterator[Rig]:
    settings = {f"{E}ENDPOINT": endpoint, f"{E}TIMEOUT": "2000", VARIABLE: "mine"}
    with sending(settings | variables) as rig:
        rig.kill("first")
        yield rig


@pytest.mark.usefixtures("session")
@pytest.mark.parametrize("bundle", BUNDLES)
def test_a_server_of_another_authority_gets_no_key(
    bundle: str, files: Certificates, others: Certificates, monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    monkeypatch.setenv(bundle, others.path("ca.pem"))  # also while requests are sent
    with OtlpReceiver("http/protobuf", certificate=others.server) as receiver:
        variables = {bundle: others.path("ca.pem"), f"{E}CERTIFICATE": files.path("ca.pem")}
        with provided(receiver.endpoint, **variables) as rig:
            assert eventually(lambda: rig.health.exports["logs", "retry"] >= 2)
            assert eventually(lambda: rig.health.exports["metrics", "retry"] >= 2)
            assert len(rig.spool) == 1
        assert receiver.requests == []
    assert "cannot deliver logs, will retry: TLS: " in caplog.text


@pytest.mark.usefixtures("session")
@pytest.mark.parametrize("bundle", BUNDLES)
def test_the_servers_own_authority_is_enough(
    bundle: str, files: Certificates, others: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(bundle, others.path("ca.pem"))
    with OtlpReceiver("http/protobuf", certificate=files.server) as receiver:
        variables = {bundle: others.path("ca.pem"), f"{E}CERTIFICATE": files.path("ca.pem")}
        with provided(receiver.endpoint, **variables):
            receiver.wait(lambda: receiver.delivered and receiver.accepted("metrics"))
        assert {request.headers["x-token"] for request in receiver.requests} == {"of the provider"}


def test_the_sessions_own_certificate_is_the_clients(session: Session, files: Certificates) -> None:
    session.cert = (files.path("client.pem"), files.path("client.key"))
    with (
        OtlpReceiver("http/protobuf", certificate=files.server_of_clients) as receiver,
        provided(receiver.endpoint, **{f"{E}CERTIFICATE": files.path("ca.pem")}),
    ):
        receiver.wait(lambda: receiver.delivered and receiver.accepted("metrics"))


@pytest.mark.usefixtures("session")
@pytest.mark.parametrize("query", ["", "?a b=ä"])
def test_a_url_that_requests_writes_in_another_way(query: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """And no proxy to this machine, which requests would take."""
    with HttpProxy(refusal="403 Forbidden") as proxy, OtlpReceiver("http/protobuf") as receiver:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.port}")
        endpoint = f"http://LOCALHOST:{receiver.port}/v1/logs{query}"
        with provided(receiver.endpoint, **{f"{E}LOGS_ENDPOINT": endpoint}):
            receiver.wait(lambda: receiver.delivered)
        assert proxy.requests == []
        assert "accept-encoding" not in receiver.of("logs")[0].headers or (
            receiver.of("logs")[0].headers["accept-encoding"] == "identity"
        )


@pytest.mark.usefixtures("session")
def test_the_agents_rule_for_proxies() -> None:
    with HttpProxy() as proxy, OtlpReceiver("http/protobuf") as receiver:
        variables = {"http_proxy": f"http://127.0.0.1:{proxy.port}", "ftp_proxy": "http://127.0.0.1:9"}
        with provided(f"http://{NAME}:{receiver.port}", **variables):
            receiver.wait(lambda: receiver.delivered)
        assert f"POST http://{NAME}:{receiver.port}/v1/logs HTTP/1.1" in proxy.requests


@pytest.mark.usefixtures("session")
def test_a_redirect_is_not_followed(caplog: pytest.LogCaptureFixture) -> None:
    with OtlpReceiver("http/protobuf") as receiver:
        receiver.script.otherwise = Answer(307)
        with provided(receiver.endpoint) as rig:
            assert eventually(lambda: rig.health.exports["logs", "retry"] >= 2)
            assert len(rig.spool) == 1
        assert {request.path for request in receiver.requests} == {"/v1/logs", "/v1/metrics"}
    assert "HTTP 307 Temporary Redirect: to " in caplog.text


@pytest.mark.usefixtures("session")
@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(endless(b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 65_536), id="a body without an end"),
        pytest.param(
            pieces(
                b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nConnection: close\r\n\r\n",
                gzip.compress(bytes(64 << 20)),
            ),
            id="a gzip bomb",
        ),
        pytest.param(
            endless(b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n", b"x", pause_s=0.02), id="byte by byte"
        ),
        pytest.param(endless(b"HTTP/1.1 200 OK\r\nX: ", b"x", pause_s=0.02), id="a header byte by byte"),
    ],
)
def test_a_lying_server(answer: Serve) -> None:
    with RawServer(answer) as server, provided(server.url, **{f"{E}TIMEOUT": "400"}) as rig:
        growth_mib = peak_growth()
        # Without a deadline an attempt has no end.
        assert eventually(lambda: rig.health.exports["logs", "retry"] >= 2, within_s=20.0)
        assert growth_mib() < 20
        assert len(rig.spool) == 1
        assert not rig.health.dropped
