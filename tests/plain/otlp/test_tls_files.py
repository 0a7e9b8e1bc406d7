"""The files of TLS: what is refused at the start, by name, and what servers accept, over HTTP and gRPC alike."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from support.agents import environment
from support.certificates import Certificates, make_certificates
from support.otlp_receiver import OtlpReceiver, Protocol
from support.pipelines import sending
from support.waiting import eventually

from otel_oom.config.otlp_export import NamedFile, TlsFiles
from otel_oom.errors import UsageError
from otel_oom.otlp.tls_files import pem, tls_context

E = "OTEL_EXPORTER_OTLP_"
BOTH = pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
_RUN = """
import functools, sys
from otel_oom.agent import start
from otel_oom.cli.main import main
from otel_oom.kernel.recorded_log import RecordedLog
start.prepare = functools.partial(start.prepare, source=RecordedLog())
sys.exit(main(["run"]))
"""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    made = make_certificates(tmp_path_factory.mktemp("tls"))
    os.mkfifo(made.directory / "pipe")
    (made.directory / "zero").symlink_to("/dev/zero")
    with (made.directory / "huge.pem").open("wb") as file:
        file.truncate(1 << 30)
    return made


PAIR = (
    f"the private key of {E}CLIENT_KEY does not belong to the certificate of {E}CLIENT_CERTIFICATE;"
    " name the two files of one pair"
)
NO_FILE = "is a pipe, a socket or a device, not a file; name a PEM file"
#: variables below OTEL_EXPORTER_OTLP_ with files; the line of the refusal, with {} for the directory
REFUSED = [
    ({"CLIENT_KEY": "client.key"}, f"{E}CLIENT_KEY is set without a certificate; set {E}CLIENT_CERTIFICATE too"),
    (
        {"CLIENT_CERTIFICATE": "client.pem"},
        f"{E}CLIENT_CERTIFICATE is set without a private key; set {E}CLIENT_KEY too",
    ),
    (
        {"CLIENT_CERTIFICATE": "client.pem", "CLIENT_KEY": "none"},
        f"{E}CLIENT_KEY='{{}}/none': No such file or directory; name a file that this user can read",
    ),
    (
        {"CLIENT_CERTIFICATE": "none", "CLIENT_KEY": "client.key"},
        f"{E}CLIENT_CERTIFICATE='{{}}/none': No such file or directory; name a file that this user can read",
    ),
    (
        {"CERTIFICATE": "none"},
        f"{E}CERTIFICATE='{{}}/none': No such file or directory; name a file that this user can read",
    ),
    ({"CERTIFICATE": ""}, f"{E}CERTIFICATE='{{}}/': Is a directory; name a file that this user can read"),
    ({"CERTIFICATE": "pipe"}, f"{E}CERTIFICATE='{{}}/pipe' {NO_FILE}"),
    ({"CERTIFICATE": "zero"}, f"{E}CERTIFICATE='{{}}/zero' {NO_FILE}"),
    ({"CLIENT_CERTIFICATE": "pipe", "CLIENT_KEY": "client.key"}, f"{E}CLIENT_CERTIFICATE='{{}}/pipe' {NO_FILE}"),
    ({"CLIENT_CERTIFICATE": "client.pem", "CLIENT_KEY": "pipe"}, f"{E}CLIENT_KEY='{{}}/pipe' {NO_FILE}"),
    ({"CERTIFICATE": "huge.pem"}, f"{E}CERTIFICATE='{{}}/huge.pem' is larger than 16 MiB; name a PEM file"),
    ({"CERTIFICATE": "empty.pem"}, f"{E}CERTIFICATE='{{}}/empty.pem' is empty; name a PEM file"),
    ({"CERTIFICATE": "client.der"}, f"{E}CERTIFICATE='{{}}/client.der' holds no certificate in PEM; name a PEM file"),
    ({"CERTIFICATE": "ca.key"}, f"{E}CERTIFICATE='{{}}/ca.key' holds no certificate in PEM; name a PEM file"),
    (
        {"CERTIFICATE": "damaged-ca.pem"},
        f"{E}CERTIFICATE='{{}}/damaged-ca.pem' holds a damaged certificate; name a PEM file",
    ),
    (
        {"CLIENT_CERTIFICATE": "client.pem", "CLIENT_KEY": "server.key"},
        PAIR,
    ),
    (
        {"CLIENT_CERTIFICATE": "client.pem", "CLIENT_KEY": "encrypted.key"},
        f"{E}CLIENT_KEY: the private key needs a passphrase; write it without one: openssl pkey -in FILE -out NEW",
    ),
    (
        {"CLIENT_CERTIFICATE": "client.pem", "CLIENT_KEY": "encrypted-old.key"},
        f"{E}CLIENT_KEY: the private key needs a passphrase; write it without one: openssl pkey -in FILE -out NEW",
    ),
    (
        {"CLIENT_CERTIFICATE": "client.key", "CLIENT_KEY": "client.key"},
        f"{E}CLIENT_CERTIFICATE='{{}}/client.key' holds no certificate in PEM; name a PEM file",
    ),
    (
        {"CLIENT_CERTIFICATE": "client.pem", "CLIENT_KEY": "client.pem"},
        f"{E}CLIENT_KEY='{{}}/client.pem' holds no private key in PEM; name a PEM file",
    ),
    (
        {"CLIENT_CERTIFICATE": "damaged-client.pem", "CLIENT_KEY": "client.key"},
        f"{E}CLIENT_CERTIFICATE='{{}}/damaged-client.pem' holds a damaged certificate; name a PEM file",
    ),
    (
        {"CLIENT_CERTIFICATE": "client.pem", "CLIENT_KEY": "damaged-client.key"},
        f"{E}CLIENT_KEY='{{}}/damaged-client.key' holds a damaged private key; name a PEM file",
    ),
]  # fmt: skip


def named(values: dict[str, str], of: str = "") -> TlsFiles:
    def one(name: str) -> NamedFile | None:
        return NamedFile(f"{E}{of}{name}", values[name]) if name in values else None

    return TlsFiles(one("CERTIFICATE"), None, one("CLIENT_CERTIFICATE"), one("CLIENT_KEY"))


@pytest.mark.parametrize("of", ["", "LOGS_"])
@pytest.mark.parametrize("reads", [tls_context, pem], ids=["HTTP", "gRPC"])
@pytest.mark.parametrize(
    ("values", "line"), REFUSED, ids=lambda value: " ".join(value) if isinstance(value, dict) else ""
)
def test_what_is_refused(
    values: dict[str, str], line: str, reads: Callable[[TlsFiles], object], of: str, files: Certificates
) -> None:
    paths = {name: f"{files.directory}/{value}" for name, value in values.items()}
    with pytest.raises(UsageError) as raised:
        reads(named(paths, of))
    assert str(raised.value) == line.format(files.directory).replace(E, f"{E}{of}")


@pytest.mark.parametrize(
    "value", ["-----BEGIN PRIVATE KEY-----", "secret\nsecret", "secret\0", "secret" * 50, "c2VjcmV0" * 6 + "=="]
)
def test_a_value_that_is_no_path_is_not_shown(value: str) -> None:
    with pytest.raises(UsageError, match="is not the path of a file") as raised:
        tls_context(named({"CERTIFICATE": value}))
    assert "secret" not in str(raised.value)
    assert "KEY-----" not in str(raised.value)


def test_a_file_that_may_not_be_read(files: Certificates, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: str, _: int) -> int:
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr("os.open", refuse)  # root may read all files
    with pytest.raises(UsageError, match=r"ca\.pem': Permission denied; name a file that this user can read"):
        tls_context(named({"CERTIFICATE": files.path("ca.pem")}))


def test_openssl_asks_the_terminal_for_no_passphrase(files: Certificates, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the form of the key does not show that it is encrypted."""
    monkeypatch.setattr("otel_oom.otlp.tls_files._KEY", re.compile(rb"()()"))
    values = {"CLIENT_CERTIFICATE": files.path("client.pem"), "CLIENT_KEY": files.path("encrypted.key")}
    with pytest.raises(UsageError, match="holds a damaged private key"):
        tls_context(named(values))


#: the aborts: each line is the only one
@BOTH
@pytest.mark.parametrize("of", ["", "METRICS_"])
@pytest.mark.parametrize(
    ("values", "line"), REFUSED[:7], ids=lambda value: " ".join(value) if isinstance(value, dict) else ""
)
def test_run_ends_with_one_line_and_exit_code_2(
    protocol: Protocol, values: dict[str, str], line: str, of: str, files: Certificates
) -> None:
    paths = {f"{E}{of}{name}": f"{files.directory}/{value}" for name, value in values.items()}
    run = subprocess.run(
        [sys.executable, "-c", _RUN],
        env=environment(**paths, **{f"{E}ENDPOINT": "https://127.0.0.1:9", f"{E}PROTOCOL": protocol}),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    expected = line.format(files.directory).replace(E, f"{E}{of}")
    assert (run.returncode, run.stdout) == (2, "")
    assert run.stderr.splitlines() == [f"otel-oom: error: {expected}"]


def delivers(receiver: OtlpReceiver, variables: dict[str, str], *, port_of: str = "localhost") -> None:
    """Both signals arrive."""
    address = {f"{E}PROTOCOL": receiver.protocol, f"{E}ENDPOINT": f"https://{port_of}:{receiver.port}"}
    with sending({**address, f"{E}TIMEOUT": "2000", **variables}) as rig:
        rig.kill("first")
        receiver.wait(lambda: receiver.delivered and receiver.accepted("metrics"))


def set_openssl(variables: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """OpenSSL reads its variables at each connection, when the settings of `sending` are gone."""
    for name, value in variables.items():
        if name.startswith("SSL_"):
            monkeypatch.setenv(name, value)


@BOTH
@pytest.mark.parametrize(
    "variables",
    [
        pytest.param({f"{E}CERTIFICATE": "ca.pem"}, id="CERTIFICATE"),
        pytest.param({f"{E}LOGS_CERTIFICATE": "ca.pem", f"{E}METRICS_CERTIFICATE": "ca.pem"}, id="per signal"),
        pytest.param({f"{E}CERTIFICATE": "client.pem", f"{E}LOGS_CERTIFICATE": "ca.pem"}, id="logs only"),
        pytest.param({"SSL_CERT_FILE": "ca.pem"}, id="SSL_CERT_FILE"),
        pytest.param({"SSL_CERT_FILE": "client.pem", "SSL_CERT_DIR": "hashed"}, id="SSL_CERT_DIR"),
        pytest.param({"SSL_CERT_FILE": "none.pem", f"{E}CERTIFICATE": "ca.pem"}, id="CERTIFICATE wins"),
    ],
)
def test_which_authorities_are_trusted(
    protocol: Protocol, variables: dict[str, str], files: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GRPC_DEFAULT_SSL_ROOTS_FILE_PATH", raising=False)
    hashed = files.directory / "hashed"
    if not hashed.exists():
        hashed.mkdir()
        (hashed / "ca.pem").write_bytes((files.directory / "ca.pem").read_bytes())
        subprocess.run(["openssl", "rehash", hashed], check=True, capture_output=True)
    paths = {name: files.path(value) for name, value in variables.items()}
    set_openssl(paths, monkeypatch)
    is_common = f"{E}LOGS_CERTIFICATE" not in variables or f"{E}METRICS_CERTIFICATE" in variables
    with OtlpReceiver(protocol, certificate=files.server) as receiver:
        if is_common:
            delivers(receiver, paths)
            return
        address = {f"{E}PROTOCOL": protocol, f"{E}ENDPOINT": f"https://localhost:{receiver.port}"}
        with sending({**address, **paths}) as rig:
            rig.kill("first")
            receiver.wait(lambda: receiver.delivered)
            assert not receiver.accepted("metrics")


def test_grpcs_own_variable_counts_for_grpc(files: Certificates) -> None:
    with OtlpReceiver("grpc", certificate=files.server) as receiver:
        delivers(receiver, {"GRPC_DEFAULT_SSL_ROOTS_FILE_PATH": files.path("ca.pem")})


@BOTH
def test_the_system_does_not_trust_everybody(
    protocol: Protocol, files: Certificates, caplog: pytest.LogCaptureFixture
) -> None:
    with OtlpReceiver(protocol, certificate=files.server) as receiver:
        address = {f"{E}PROTOCOL": protocol, f"{E}ENDPOINT": f"https://localhost:{receiver.port}"}
        with sending(address):
            assert eventually(lambda: "certificate" in caplog.text)
        assert not receiver.requests


@BOTH
@pytest.mark.parametrize(
    "pair",
    [
        {f"{E}CLIENT_CERTIFICATE": "client.pem", f"{E}CLIENT_KEY": "client.key"},
        {f"{E}CLIENT_CERTIFICATE": "both.pem"},
        {
            f"{E}CLIENT_CERTIFICATE": "client.pem",
            f"{E}LOGS_CLIENT_KEY": "client.key",
            f"{E}METRICS_CLIENT_KEY": "client.key",
        },
    ],
    ids=["two files", "one file", "mixed"],
)
@pytest.mark.parametrize("ca", [f"{E}CERTIFICATE", "SSL_CERT_FILE"])
def test_mutual_tls(
    protocol: Protocol, pair: dict[str, str], ca: str, files: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GRPC_DEFAULT_SSL_ROOTS_FILE_PATH", raising=False)
    paths = {name: files.path(value) for name, value in {**pair, ca: "ca.pem"}.items()}
    set_openssl(paths, monkeypatch)
    with OtlpReceiver(protocol, certificate=files.server_of_clients) as receiver:
        delivers(receiver, paths)


@BOTH
def test_a_renewed_file_is_used_by_the_next_connection(
    protocol: Protocol, files: Certificates, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    trusted = tmp_path / "ca.pem"
    trusted.write_bytes(Path(files.path("client.pem")).read_bytes())
    with OtlpReceiver(protocol, certificate=files.server) as receiver:
        address = {f"{E}PROTOCOL": protocol, f"{E}ENDPOINT": f"https://localhost:{receiver.port}"}
        with sending({**address, f"{E}CERTIFICATE": str(trusted)}) as rig:
            rig.kill("first")
            assert eventually(lambda: "certificate" in caplog.text)
            trusted.write_bytes(b"being written")
            trusted.write_bytes(Path(files.path("ca.pem")).read_bytes())
            receiver.wait(lambda: receiver.delivered)


def test_files_have_no_effect_without_tls() -> None:
    with OtlpReceiver("grpc") as receiver:
        settings = receiver.settings | {f"{E}CLIENT_KEY": "/no/such/file"}
        with sending(settings) as rig:
            rig.kill("first")
            receiver.wait(lambda: receiver.delivered)


@pytest.mark.parametrize("of_system", ["SSL_CERT_FILE", "SSL_CERT_DIR"])
def test_a_pipe_among_the_systems_certificates(
    of_system: str, files: Certificates, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipe = tmp_path / "0123abcd.0"
    os.mkfifo(pipe)
    if of_system == "SSL_CERT_FILE":
        with pytest.raises(UsageError, match=r"SSL_CERT_FILE='.*' is a pipe, a socket or a device, not a file"):
            pem(TlsFiles(system_ca=NamedFile(of_system, str(pipe))))
        return
    (tmp_path / "0123abcd.1").symlink_to(files.path("ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    assert pem(TlsFiles()).ca == Path(files.path("ca.pem")).read_bytes().strip()


def test_a_system_without_authorities_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("SSL_CERT_DIR", f"{tmp_path}:{tmp_path / 'none'}")
    with pytest.raises(UsageError, match="this system has no CA certificates; install ca-certificates, or set OTEL_EX"):
        pem(TlsFiles())
