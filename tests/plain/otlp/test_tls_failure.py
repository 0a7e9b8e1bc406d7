"""A connection that TLS refuses: the cause, and the variable that corrects it. Real servers, both protocols."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Literal

import grpc
import pytest
from support.dated_certificates import certificate
from support.otlp_receiver import Protocol
from support.pipelines import sending
from support.waiting import eventually

from otel_oom.otlp import remedies, tls_failure

Pair = tuple[Path, Path]
Server = Literal["good", "elsewhere", "expired", "future", "mutual", "plain"]

_HTTP = "http/protobuf"


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Pair]:
    at = tmp_path_factory.mktemp("tls")
    return {
        "good": certificate(at / "good"),
        "no names": certificate(at / "no-names", names=""),
        "elsewhere": certificate(at / "elsewhere", names="DNS:elsewhere.example"),
        "expired": certificate(at / "expired", dates=("20200101000000Z", "20210101000000Z")),
        "future": certificate(at / "future", dates=("20900101000000Z", "20990101000000Z")),
    }


@contextmanager
def http_server(pair: Pair | None, trusted: Path | None) -> Iterator[int]:
    """Speaks TLS with `pair`, else plain HTTP. trusted: clients need a certificate that it signed."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    if pair:
        context.load_cert_chain(*pair)
    if trusted:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(trusted)

    def serve() -> None:
        with ExitStack() as stack, suppress(OSError):
            while True:
                plain = stack.enter_context(listener.accept()[0])
                with suppress(OSError):  # ssl.SSLError is one
                    made = context.wrap_socket(plain, server_side=True) if pair else plain
                    stack.enter_context(made)
                    made.recv(65536)
                    made.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


@contextmanager
def grpc_server(pair: Pair | None, trusted: Path | None) -> Iterator[int]:
    """The same over gRPC."""
    with ThreadPoolExecutor(2) as pool:
        server = grpc.server(pool)
        if pair:
            chain, key = (path.read_bytes() for path in pair)
            root = trusted.read_bytes() if trusted else None
            credentials = grpc.ssl_server_credentials([(key, chain)], root, require_client_auth=bool(trusted))
            port = server.add_secure_port("127.0.0.1:0", credentials)
        else:
            port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        yield port
        server.stop(0).wait()


@pytest.mark.parametrize("protocol", [_HTTP, "grpc"])
@pytest.mark.parametrize(
    ("server", "trusts", "client", "http_why", "remedy"),
    [
        pytest.param("good", None, None, "TLS: self-signed certificate", remedies.ISSUER, id="unknown issuer"),
        pytest.param("elsewhere", "elsewhere", None, "TLS: IP address mismatch", remedies.HOST_NAME, id="another name"),
        pytest.param("expired", "expired", None, "TLS: certificate has expired", remedies.VALIDITY, id="expired"),
        pytest.param("future", "future", None, "TLS: certificate is not yet valid", remedies.VALIDITY, id="future"),
        pytest.param("plain", "good", None, "TLS: WRONG_VERSION_NUMBER", remedies.NOT_TLS, id="no TLS"),
        pytest.param(
            "mutual",
            "good",
            None,
            "TLS: TLSV13_ALERT_CERTIFICATE_REQUIRED",
            remedies.CLIENT_CERTIFICATE,
            id="no client",
        ),
        pytest.param(
            "mutual", "good", "elsewhere", "TLS: TLSV1_ALERT_UNKNOWN_CA", remedies.CLIENT_CERTIFICATE, id="wrong client"
        ),
    ],
)
def test_the_variable_that_corrects_it_is_named(
    server: Server, trusts: str | None, client: str | None, http_why: str, remedy: str, *,
    protocol: Protocol, pairs: dict[str, Pair], caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    pair = None if server == "plain" else pairs["good" if server == "mutual" else server]
    start = http_server if protocol == _HTTP else grpc_server
    with start(pair, pairs["good"][0] if server == "mutual" else None) as port:
        variables = {
            "OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"https://127.0.0.1:{port}",
            "OTEL_EXPORTER_OTLP_TIMEOUT": "2000",
        }
        if trusts:
            variables["OTEL_EXPORTER_OTLP_CERTIFICATE"] = str(pairs[trusts][0])
        if client:
            variables["OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE"] = str(pairs[client][0])
            variables["OTEL_EXPORTER_OTLP_CLIENT_KEY"] = str(pairs[client][1])
        with sending(variables) as rig:
            rig.kill("first")
            assert eventually(lambda: rig.health.exports["logs", "retry"] >= 2)
            assert len(rig.spool) == 1
    lines = [line for line in caplog.messages if "cannot deliver logs" in line]
    assert lines
    if protocol == "grpc" and server == "mutual":
        remedy = remedies.CLOSED_AFTER_HANDSHAKE  # gRPC does not give the server's alert
    assert remedy in lines[0]
    assert protocol == "grpc" or f"cannot deliver logs, will retry: {http_why}" in lines[0]


@pytest.mark.parametrize("protocol", [_HTTP, "grpc"])
@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_a_certificate_with_a_common_name_alone(
    host: str, protocol: Protocol, pairs: dict[str, Pair], caplog: pytest.LogCaptureFixture
) -> None:
    """Its common name is `localhost`. grpcio 1.85.3 takes it for a host's name, and has no option against this."""
    with (http_server if protocol == _HTTP else grpc_server)(pairs["no names"], None) as port:
        variables = {
            "OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"https://{host}:{port}",
            "OTEL_EXPORTER_OTLP_TIMEOUT": "2000",
            "OTEL_EXPORTER_OTLP_CERTIFICATE": str(pairs["no names"][0]),
        }
        with sending(variables) as rig:
            rig.kill("first")
            assert eventually(lambda: rig.health.exports["logs", "retry"] >= 2)
            assert len(rig.spool) == 1
    line = next(line for line in caplog.messages if "cannot deliver logs" in line)
    is_refused = protocol == _HTTP or host == "127.0.0.1"
    assert (remedies.HOST_NAME in line) is is_refused
    assert "subject alternative name" in remedies.HOST_NAME


@pytest.mark.parametrize("protocol", [_HTTP, "grpc"])
def test_plain_requests_to_a_port_of_tls(
    protocol: Protocol, pairs: dict[str, Pair], caplog: pytest.LogCaptureFixture
) -> None:
    with (http_server if protocol == _HTTP else grpc_server)(pairs["good"], None) as port:
        endpoint = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}", "OTEL_EXPORTER_OTLP_PROTOCOL": protocol}
        with sending(endpoint) as rig:
            assert eventually(lambda: caplog.messages)
            assert rig.health.exports["metrics", "ok"] == 0
    if protocol == "grpc":
        assert remedies.NOT_PLAIN in caplog.text


@pytest.mark.parametrize(
    ("words", "remedy"),
    [
        ("unable to get local issuer certificate", remedies.ISSUER),
        ("self-signed certificate in certificate chain", remedies.ISSUER),
        ("unable to verify the first certificate", remedies.ISSUER),
        ("Hostname mismatch, certificate is not valid for 'x'.", remedies.HOST_NAME),
        ("SSLV3_ALERT_HANDSHAKE_FAILURE", remedies.CLIENT_CERTIFICATE),
        ("SSLV3_ALERT_CERTIFICATE_EXPIRED", remedies.CLIENT_CERTIFICATE),
        ("RECORD_LAYER_FAILURE", remedies.NOT_TLS),
        ("TLSV1_ALERT_INTERNAL_ERROR", ""),
        ("UNEXPECTED_EOF_WHILE_READING", ""),
        ("Connection refused", ""),
    ],
)
def test_words_of_the_libraries(words: str, remedy: str) -> None:
    assert tls_failure.remedy(words) == remedy
