"""Each name that gRPC resolves, with a real server behind it."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.certificates import Certificates, make_certificates
from support.otlp_receiver import OtlpReceiver
from support.pipelines import sending

E = "OTEL_EXPORTER_OTLP_"


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("tls"))


def delivers(receiver: OtlpReceiver, endpoint: str, **variables: str) -> None:
    """Both signals arrive, before and after the server was away."""
    settings = {f"{E}PROTOCOL": "grpc", f"{E}ENDPOINT": endpoint, f"{E}TIMEOUT": "2000"}
    with sending(settings | {f"{E}{name}": value for name, value in variables.items()}) as rig:
        rig.kill("first")
        receiver.wait(lambda: receiver.delivered and receiver.accepted("metrics"))
        receiver.stop()
        rig.kill("second")
        receiver.start()
        receiver.wait(lambda: "second" in receiver.delivered)


@pytest.mark.parametrize("form", ["unix://{}", "unix:{}", "UNIX:{}"])
@pytest.mark.parametrize("insecure", [{}, {"INSECURE": "true"}], ids=["default", "INSECURE"])
def test_a_unix_socket(form: str, insecure: dict[str, str], tmp_path: Path) -> None:
    path = tmp_path / "collector.sock"
    with OtlpReceiver("grpc", address=f"unix:{path}") as receiver:
        delivers(receiver, form.format(path), **insecure)


def test_an_abstract_unix_socket() -> None:
    with OtlpReceiver("grpc", address="unix-abstract:otel-oom-test") as receiver:
        delivers(receiver, "unix-abstract:otel-oom-test")


def test_a_unix_socket_with_tls(files: Certificates, tmp_path: Path) -> None:
    path = tmp_path / "collector.sock"
    with OtlpReceiver("grpc", address=f"unix:{path}", certificate=files.server) as receiver:
        delivers(receiver, f"unix:{path}", INSECURE="false", CERTIFICATE=files.path("ca.pem"))


@pytest.mark.parametrize(
    "form",
    [
        "dns:///localhost:{}",
        "dns:localhost:{}",
        "dns://127.0.0.1:9/localhost:{}",
        "DNS:///127.0.0.1:{}",
        "ipv4:127.0.0.1:{}",
        "127.0.0.1:{}",
    ],
)
def test_names_of_a_host(form: str) -> None:
    with OtlpReceiver("grpc") as receiver:
        delivers(receiver, form.format(receiver.port), INSECURE="true")


@pytest.mark.parametrize("form", ["dns:///localhost:{}", "localhost:{}", "HTTPS://localhost:{}/a/path"])
def test_names_of_a_host_with_tls(form: str, files: Certificates) -> None:
    with OtlpReceiver("grpc", certificate=files.server) as receiver:
        delivers(receiver, form.format(receiver.port), CERTIFICATE=files.path("ca.pem"))


@pytest.mark.parametrize("form", ["ipv6:[::1]:{}", "ipv6:%5B::1%5D:{}", "[::1]:{}", "http://[::1%25lo]:{}"])
def test_ipv6(form: str) -> None:
    try:
        server = OtlpReceiver("grpc", address="[::1]")
    except RuntimeError:
        pytest.skip("no IPv6 here")
    with server as receiver:
        delivers(receiver, form.format(receiver.port), INSECURE="true")
