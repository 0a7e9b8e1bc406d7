"""Each form of an endpoint: where requests go, what is shown of it, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from otel_oom.config.otlp_endpoint import read_endpoint
from otel_oom.config.otlp_export import ExportSettings, TlsFiles
from otel_oom.config.settings import load_config
from otel_oom.errors import UsageError

E = "OTEL_EXPORTER_OTLP_"
GRPC = {f"{E}PROTOCOL": "grpc"}
BASIC = "Basic bWU6c2VjcmV0"  # me:secret


def logs(endpoint: str, **variables: str) -> ExportSettings:
    return load_config({f"{E}ENDPOINT": endpoint} | {f"{E}{name}": value for name, value in variables.items()}).logs


@pytest.mark.parametrize(
    ("endpoint", "url"),
    [
        ("http://c:4318", "http://c:4318/v1/logs"),
        ("http://c:4318/", "http://c:4318/v1/logs"),
        ("http://c:4318/x//", "http://c:4318/x/v1/logs"),
        ("http://c:4318?key=v", "http://c:4318/v1/logs?key=v"),
        ("http://c:4318/x/?key=v&b=/c", "http://c:4318/x/v1/logs?key=v&b=/c"),
        ("http://c:4318/x#part", "http://c:4318/x/v1/logs"),
        ("http://me:secret@c:4318/x", "http://c:4318/x/v1/logs"),
        ("HTTPS://C:4318/X", "https://C:4318/X/v1/logs"),
        ("http://[fe80::1%25eth0]:4318", "http://[fe80::1%25eth0]:4318/v1/logs"),
        ("http://c:4318/v1/logs", "http://c:4318/v1/logs/v1/logs"),
    ],
)
def test_urls_of_a_base_url(endpoint: str, url: str) -> None:
    assert logs(endpoint).url == url


@pytest.mark.parametrize(
    ("endpoint", "url"),
    [
        ("http://c:4318", "http://c:4318"),
        ("http://c:4318/x/?key=v", "http://c:4318/x/?key=v"),
        ("http://me:secret@c:4318/x", "http://c:4318/x"),
    ],
)
def test_the_url_of_one_signal_is_used_as_it_is(endpoint: str, url: str) -> None:
    assert load_config({f"{E}LOGS_ENDPOINT": endpoint}).logs.url == url


@pytest.mark.parametrize(
    ("endpoint", "target", "expected"),
    [
        ("http://c:4317", "c:4317", {"host": "c", "port": 4317, "is_loopback": False}),
        ("HTTPS://c:4317/path?q=1", "c:4317", {"host": "c"}),
        ("c:4317", "c:4317", {"host": "c", "port": 4317}),
        ("c", "c", {"host": "c", "port": None}),
        ("me:secret@c:4317", "c:4317", {"authorization": BASIC, "shown": "c:4317"}),
        ("unix:///run/c.sock", "unix:///run/c.sock", {"host": "", "is_socket": True, "is_loopback": True}),
        ("unix:run/c.sock", "unix:run/c.sock", {"is_socket": True}),
        ("UNIX:/run/c.sock", "unix:/run/c.sock", {"is_socket": True}),
        ("unix-abstract:name", "unix-abstract:name", {"is_socket": True, "is_loopback": True}),
        ("dns:///c:4317", "dns:///c:4317", {"host": "c", "port": 4317, "is_socket": False}),
        ("dns:c:4317", "dns:c:4317", {"host": "c", "port": 4317}),
        ("dns://9.9.9.9/c:4317", "dns://9.9.9.9/c:4317", {"host": "c", "port": 4317}),
        ("dns:///localhost:4317", "dns:///localhost:4317", {"is_loopback": True}),
        ("ipv4:127.0.0.1:4317,127.0.0.2:4317", "ipv4:127.0.0.1:4317,127.0.0.2:4317", {"is_loopback": True}),
        ("ipv6:%5B::1%5D:4317", "ipv6:%5B::1%5D:4317", {"host": "::1", "is_loopback": True}),
        ("ipv6:[::1]:4317", "ipv6:[::1]:4317", {"host": "::1", "port": 4317}),
        ("xds:///collectors", "xds:///collectors", {"host": "", "is_loopback": False, "is_socket": False}),
    ],
)
def test_names_of_grpc(endpoint: str, target: str, expected: dict[str, Any]) -> None:
    settings = logs(endpoint, PROTOCOL="grpc")
    assert settings.url == target
    found = {name: getattr(settings.endpoint, name) for name in expected}
    assert found == expected


@pytest.mark.parametrize(
    ("endpoint", "insecure", "is_secure"),
    [
        ("unix:///run/c.sock", {}, False),
        ("unix:///run/c.sock", {"INSECURE": "true"}, False),
        ("unix:///run/c.sock", {"INSECURE": "false"}, True),
        ("unix:///run/c.sock", {"LOGS_INSECURE": "false"}, True),
        ("dns:///c:4317", {}, True),
        ("dns:///c:4317", {"INSECURE": "true"}, False),
        ("ipv4:1.2.3.4:4317", {"INSECURE": "true", "LOGS_INSECURE": "false"}, True),
        ("HTTPS://c:4317", {"INSECURE": "true"}, True),
        ("HTTP://c:4317", {"INSECURE": "false"}, False),
    ],
)
def test_which_names_of_grpc_have_tls(endpoint: str, insecure: dict[str, str], *, is_secure: bool) -> None:
    assert logs(endpoint, PROTOCOL="grpc", **insecure).tls == (TlsFiles() if is_secure else None)


@pytest.mark.parametrize(
    ("endpoint", "problem"),
    [
        ("unix:", "is not an endpoint for grpc; write it as http://HOST:4317"),
        ("unix:///", "is not an endpoint for grpc"),
        (f"unix:///{'x' * 108}", "is not a URL: the path of a unix socket has at most 107 bytes"),
        ("dns:///", "is not an endpoint for grpc"),
        ("dns:///c:port", "is not a URL: "),
        ("vsock:2:4317", "is not a URL"),  # grpcio's wheels do not support it
        ("tcp://c:4317", "is not an endpoint for grpc"),
    ],
)
def test_what_grpc_cannot_resolve(endpoint: str, problem: str) -> None:
    with pytest.raises(UsageError) as raised:
        logs(endpoint, PROTOCOL="grpc")
    assert problem in str(raised.value)


@pytest.mark.parametrize("endpoint", ["unix:///run/c.sock", "dns:///c:4318"])
def test_http_takes_no_names_of_grpc(endpoint: str) -> None:
    with pytest.raises(UsageError, match="is not an endpoint for http/protobuf"):
        logs(endpoint)


@pytest.mark.parametrize(
    ("host", "is_loopback"),
    [
        ("localhost", True),
        ("LOCALHOST", True),
        ("collector.localhost", True),
        ("127.0.0.1", True),
        ("127.99.0.1", True),
        ("[::1]", True),
        ("[::1%25lo]", True),
        ("[fe80::1%25eth0]", False),
        ("localhost.example", False),
        ("128.0.0.1", False),
        ("0.0.0.0", False),
    ],
)
def test_what_is_on_this_machine(host: str, *, is_loopback: bool) -> None:
    assert logs(f"http://{host}:4318").is_loopback is is_loopback


@pytest.mark.parametrize(
    ("endpoint", "expected"),
    [
        ("http://me:secret@c", BASIC),
        ("http://me@c", "Basic bWU6"),
        ("http://%C3%A4:p%40ss%3A@c", "Basic w6Q6cEBzczo="),
        ("http://c", ""),
    ],
)
def test_the_authorization_of_a_url(endpoint: str, expected: str) -> None:
    endpoint_read = read_endpoint("V", endpoint, "http/protobuf")
    assert endpoint_read.authorization == expected
    assert "secret" not in repr(endpoint_read)
    assert not expected or expected not in repr(endpoint_read)


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        (
            {f"{E}ENDPOINT": "http://me:secret@c:4318/v1/logs"},
            f"{E}ENDPOINT='http://c:4318/v1/logs' ends in /v1/logs, and /v1/logs or /v1/metrics is added to it; leave ",
        ),
        ({f"{E}ENDPOINT": "http://c:4318/x/v1/metrics/?q=1"}, "ends in /v1/metrics/, and /v1/logs or"),
        ({f"{E}ENDPOINT": "http://c:4318/v1/traces"}, "leave /v1/traces out"),
        (
            {f"{E}ENDPOINT": "http://c:4318", f"{E}CLIENT_KEY": "/k", f"{E}LOGS_CERTIFICATE": "/c"},
            f"{E}LOGS_CERTIFICATE, {E}CLIENT_KEY: no effect, because http://c:4318 is without TLS; write https://",
        ),
        ({f"{E}LOGS_ENDPOINT": "http://c:4318/v1/logs"}, ""),
        ({f"{E}ENDPOINT": "http://c:4318/v1"}, ""),
        ({f"{E}ENDPOINT": "https://c:4318", f"{E}CLIENT_KEY": "/k"}, ""),
        ({**GRPC, f"{E}ENDPOINT": "http://c:4317/v1/logs"}, ""),
        ({**GRPC, "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH": "/c", "SSL_CERT_FILE": "/c"}, ""),
        ({"OTEL_LOGS_EXPORTER": "none", f"{E}ENDPOINT": "http://c:4318/v1/logs"}, ""),
    ],
)  # fmt: skip
def test_warnings(variables: dict[str, str], expected: str) -> None:
    warnings = load_config(variables).logs.warnings
    assert len(warnings) == bool(expected)
    assert expected in "".join(warnings)
    assert "secret" not in "".join(warnings)
