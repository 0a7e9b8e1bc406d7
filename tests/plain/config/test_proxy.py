"""Which proxy an endpoint has, and which variables of proxies are refused."""

from __future__ import annotations

from typing import Any

import pytest

from otel_oom.config.proxy import Proxy
from otel_oom.config.settings import load_config
from otel_oom.errors import UsageError

E = "OTEL_EXPORTER_OTLP_"
P = "http://proxy:3128"


def proxy(endpoint: str, protocol: str = "http/protobuf", **variables: str) -> Proxy | None:
    return load_config({f"{E}ENDPOINT": endpoint, f"{E}PROTOCOL": protocol, **variables}).logs.proxy


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
@pytest.mark.parametrize(
    ("endpoint", "variables", "variable"),
    [
        ("http://c", {"http_proxy": P}, "http_proxy"),
        ("http://c", {"HTTP_PROXY": P}, "HTTP_PROXY"),
        ("http://c", {"HTTP_PROXY": P, "http_proxy": P}, "http_proxy"),
        ("http://c", {"https_proxy": P}, None),
        ("https://c", {"https_proxy": P, "http_proxy": P}, "https_proxy"),
        ("https://c", {"http_proxy": P}, None),
        ("https://c", {"ALL_PROXY": P}, "ALL_PROXY"),
        ("http://c", {"all_proxy": P, "HTTP_PROXY": P}, "HTTP_PROXY"),
        ("http://c", {"http_proxy": " ", "HTTP_PROXY": P}, "HTTP_PROXY"),
        ("http://localhost", {"http_proxy": P}, None),
        ("https://127.8.9.1", {"all_proxy": P}, None),
        ("https://[::1]", {"all_proxy": P}, None),
        ("http://localhost", {"http_proxy": "socks5://nonsense"}, None),
    ],
)
def test_which_variable(endpoint: str, protocol: str, variables: dict[str, str], variable: str | None) -> None:
    found = proxy(endpoint, protocol, **variables)
    assert (found and found.variable) == variable


@pytest.mark.parametrize(
    ("endpoint", "variables", "variable"),
    [
        ("https://c", {"grpc_proxy": P, "https_proxy": P}, "grpc_proxy"),
        ("http://c", {"GRPC_PROXY": P}, "GRPC_PROXY"),
        ("c:4317", {"https_proxy": P, "http_proxy": P}, "https_proxy"),
        ("dns:///c:4317", {"https_proxy": P}, "https_proxy"),
        ("unix:///run/c.sock", {"all_proxy": P}, None),
        ("xds:///c", {"all_proxy": P}, None),
        ("https://c", {"https_proxy": P, "no_grpc_proxy": "c"}, None),
        ("https://c", {"https_proxy": P, "no_grpc_proxy": "d", "no_proxy": "c"}, "https_proxy"),
    ],
)
def test_which_variable_for_grpc(endpoint: str, variables: dict[str, str], variable: str | None) -> None:
    found = proxy(endpoint, "grpc", **variables)
    assert (found and found.variable) == variable


def test_the_variables_of_grpc_are_its_own() -> None:
    assert proxy("https://c", grpc_proxy=P) is None
    assert proxy("https://c", https_proxy=P, no_grpc_proxy="c") is not None


@pytest.mark.parametrize("name", ["no_proxy", "NO_PROXY"])
@pytest.mark.parametrize(
    ("no_proxy", "endpoint", "is_direct"),
    [
        ("*", "https://c.example", True),
        ("c.example", "https://c.example", True),
        ("C.Example", "https://c.EXAMPLE", True),
        ("example", "https://c.example", True),
        (".example", "https://c.example", True),
        ("*.example", "https://c.example", True),
        ("ample", "https://c.example", False),
        ("c.example", "https://example", False),
        ("a, c.example ,b", "https://c.example", True),
        ("a c.example", "https://c.example", True),
        ("c.example:4318", "https://c.example:4318", True),
        ("c.example:443", "https://c.example", True),
        ("c.example:80", "https://c.example", False),
        ("10.0.0.0/8", "https://10.1.2.3", True),
        ("10.0.0.0/8", "https://11.1.2.3", False),
        ("10.0.0.5/8", "https://10.1.2.3", True),
        ("10.1.2.3", "https://10.1.2.3", True),
        ("10.1.2.3:4318", "https://10.1.2.3:4318", True),
        ("10.1.2.3:4318", "https://10.1.2.3:4319", False),
        ("0.1.2.3", "https://10.0.1.2.3", False),
        ("fd00::/8", "https://[fd00::2]", True),
        ("[fd00::2]", "https://[fd00::2]", True),
        ("[fd00::2]:443", "https://[fd00::2]", True),
        ("fd00::2", "https://[fd00:0:0::2]", True),
        ("10.0.0.0/8", "https://c.example", False),
        (", ,:,[],/,.,*.", "https://c.example", False),
        ("c.example:99999999999", "https://c.example", False),
    ],
)
def test_no_proxy(no_proxy: str, endpoint: str, name: str, *, is_direct: bool) -> None:
    assert (proxy(endpoint, https_proxy=P, **{name: no_proxy}) is None) is is_direct


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("http://proxy:3128", {"host": "proxy", "port": 3128, "authorization": ""}),
        ("http://proxy:3128/", {"host": "proxy", "port": 3128}),
        ("proxy:3128", {"host": "proxy", "port": 3128}),
        ("HTTP://Proxy", {"host": "proxy", "port": 80}),
        ("http://[::1]:3128", {"host": "::1", "port": 3128}),
        ("http://me:secret@proxy:3128", {"host": "proxy", "authorization": "Basic bWU6c2VjcmV0"}),
        ("me:p%40ss@proxy:3128", {"host": "proxy", "authorization": "Basic bWU6cEBzcw=="}),
    ],
)
def test_forms_of_a_proxy(value: str, expected: dict[str, Any]) -> None:
    found = proxy("http://c", http_proxy=value)
    assert {name: getattr(found, name) for name in expected} == expected
    assert "secret" not in f"{found} {found!r}"
    assert "bWU6" not in f"{found} {found!r}"


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("socks5://me:secret@proxy:1080", "='socks5://proxy:1080' is not supported as a proxy; give an HTTP proxy"),
        ("https://me:secret@proxy:443", "='https://proxy:443' is not supported as a proxy; give an HTTP"),
        ("http://", "='http://' is not supported as a proxy"),
        ("http://me:sec/ret@proxy", "='http://proxy' is not a URL; give an HTTP proxy as http://HOST:PORT, or name"),
        ("proxy:port", "='proxy:port' is not a URL"),
        ("http://pro\nxy", "='http://pro\\nxy' is not a URL"),
        ("http://\udcffme:secret@proxy", "='http://proxy' is not a URL"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
def test_what_is_refused(value: str, problem: str, protocol: str) -> None:
    with pytest.raises(UsageError) as raised:
        proxy("https://c", protocol, ALL_PROXY=value)
    assert f"ALL_PROXY{problem}" in str(raised.value)
    assert "secret" not in str(raised.value)


def test_an_exporter_without_an_endpoint_has_no_proxy() -> None:
    assert load_config({"OTEL_LOGS_EXPORTER": "console", "http_proxy": "socks5://p"}).logs.proxy is None
