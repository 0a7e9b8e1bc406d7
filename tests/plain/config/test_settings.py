"""Environment variables and flags give settings, or one line with its remedy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from otel_oom.config.otlp_export import TlsFiles
from otel_oom.config.settings import load_config
from otel_oom.errors import UsageError

E = "OTEL_EXPORTER_OTLP_"


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, {"device": "/dev/kmsg", "from_ring": False, "with_command_line": False, "heartbeat_s": 60.0}),
        ({}, {"logs.endpoint.shown": "http://localhost:4318", "logs.url": "http://localhost:4318/v1/logs"}),
        ({}, {"logs.timeout_s": 4.0, "logs.exporter": "otlp", "logs.compression": "none", "logs.is_loopback": True}),
        ({f"{E}PROTOCOL": "grpc"}, {"logs.url": "localhost:4317", "logs.tls": None}),
        ({f"{E}PROTOCOL": " GRPC "}, {"metrics.protocol": "grpc"}),
        ({f"{E}LOGS_PROTOCOL": "grpc"}, {"logs.protocol": "grpc", "metrics.protocol": "http/protobuf"}),
        ({f"{E}PROTOCOL": "", "OTEL_LOGS_EXPORTER": " "}, {"logs.protocol": "http/protobuf", "logs.exporter": "otlp"}),
        ({f"{E}ENDPOINT": "https://c:1/x/"}, {"logs.url": "https://c:1/x/v1/logs", "metrics.url": "https://c:1/x/v1/metrics"}),
        ({f"{E}ENDPOINT": "http://c"}, {"logs.is_loopback": False}),
        ({f"{E}LOGS_ENDPOINT": "http://c:1/x"}, {"logs.url": "http://c:1/x", "metrics.url": "http://localhost:4318/v1/metrics"}),
        ({f"{E}ENDPOINT": "http://[::1]:4318"}, {"logs.url": "http://[::1]:4318/v1/logs", "logs.is_loopback": True}),
        ({f"{E}ENDPOINT": "http://127.0.0.1"}, {"logs.is_loopback": True}),
        ({f"{E}PROTOCOL": "grpc", f"{E}ENDPOINT": "c:4317"}, {"logs.url": "c:4317", "logs.tls": TlsFiles()}),
        ({f"{E}PROTOCOL": "grpc", f"{E}ENDPOINT": "[::1]:4317", f"{E}INSECURE": "true"}, {"logs.tls": None}),
        ({f"{E}PROTOCOL": "grpc", f"{E}ENDPOINT": "c:1", f"{E}INSECURE": "true", f"{E}LOGS_INSECURE": "false"},
         {"logs.tls": TlsFiles(), "metrics.tls": None}),
        ({f"{E}PROTOCOL": "grpc", f"{E}ENDPOINT": "https://c:1", f"{E}INSECURE": "true"}, {"logs.tls": TlsFiles()}),
        ({f"{E}TIMEOUT": "2500", f"{E}METRICS_TIMEOUT": "1"}, {"logs.timeout_s": 2.5, "metrics.timeout_s": 0.001}),
        ({f"{E}TIMEOUT": "0", f"{E}LOGS_TIMEOUT": "7"}, {"logs.timeout_s": 0.007, "metrics.timeout_s": 3600.0}),
        ({"OTEL_METRIC_EXPORT_INTERVAL": "1500"}, {"heartbeat_s": 1.5}),
        ({f"{E}COMPRESSION": "gzip", f"{E}LOGS_COMPRESSION": "deflate"},
         {"logs.compression": "deflate", "metrics.compression": "gzip"}),
        ({"OTEL_LOGS_EXPORTER": "console"}, {"logs.exporter": "console", "metrics.exporter": "otlp"}),
        ({"OTEL_SDK_DISABLED": "True"}, {"logs.exporter": "none", "metrics.exporter": "none"}),
        ({"OTEL_SDK_DISABLED": "1"}, {"logs.exporter": "otlp"}),
        ({"OTEL_SDK_DISABLED": "true", f"{E}ENDPOINT": "nonsense:x"}, {"logs.exporter": "none"}),
        ({}, {"identity_file": None, "fork_identity": "changed"}),
        ({"OTEL_OOM_IDENTITY_FILE": "/run/id", "OTEL_OOM_FORK_IDENTITY": "always"},
         {"identity_file": Path("/run/id"), "fork_identity": "always"}),
        ({}, {"oom_score_adj": -999}),
        ({"OTEL_OOM_SCORE_ADJ": "-1000"}, {"oom_score_adj": -1000}),
        ({"OTEL_OOM_SCORE_ADJ": "1000"}, {"oom_score_adj": 1000}),
        ({"OTEL_OOM_DEVICE": "/k", "OTEL_OOM_FROM_RING": "TRUE", "OTEL_OOM_COMMAND_LINE": "true"},
         {"device": "/k", "from_ring": True, "with_command_line": True}),
    ],
)  # fmt: skip
def test_settings(environment: dict[str, str], expected: dict[str, Any]) -> None:
    settings = load_config(environment)
    for path, value in expected.items():
        found: Any = settings
        for name in path.split("."):
            found = getattr(found, name)
        assert found == value, path


@pytest.mark.parametrize(
    ("environment", "options", "expected"),
    [
        ({}, {}, "/var/lib/otel-oom"),
        ({"HOME": "/home/u"}, {"is_root": False}, "/home/u/.local/state/otel-oom"),
        ({"HOME": "/home/u", "XDG_STATE_HOME": "/s"}, {"is_root": False}, "/s/otel-oom"),
        ({}, {"is_root": False}, "/var/lib/otel-oom"),
        ({"STATE_DIRECTORY": "/run/a:/run/b", "HOME": "/home/u"}, {"is_root": False}, "/run/a"),
        ({"STATE_DIRECTORY": "/run/a", "OTEL_OOM_SPOOL": "/env"}, {}, "/env"),
        ({"OTEL_OOM_SPOOL": "/env"}, {"spool": "/flag"}, "/flag"),
        ({"OTEL_OOM_SPOOL": "/env"}, {"spool": "none"}, None),
        ({"OTEL_OOM_SPOOL": "none"}, {}, None),
    ],
)
def test_where_the_spool_is(environment: dict[str, str], options: dict[str, Any], expected: str | None) -> None:
    settings = load_config(environment, **options)
    assert settings.spool == (expected and Path(expected))
    assert not settings.is_spool_required


@pytest.mark.parametrize(
    ("environment", "options", "expected"),
    [
        ({"OTEL_OOM_SPOOL_REQUIRED": "true"}, {}, True),
        ({"OTEL_OOM_SPOOL_REQUIRED": "true"}, {"spool_required": False}, False),
        ({}, {"spool_required": True}, True),
    ],
)
def test_the_spool_can_be_required(environment: dict[str, str], options: dict[str, Any], *, expected: bool) -> None:
    assert load_config(environment, **options).is_spool_required == expected


@pytest.mark.parametrize(
    ("flags", "problem"),
    [
        ({"spool": "here"}, "--spool (OTEL_OOM_SPOOL) 'here' is neither `none` nor an absolute path; write it as /a/"),
        ({"spool": "None"}, "--spool (OTEL_OOM_SPOOL) 'None' is neither `none` nor an absolute path; write it as /a/"),
        ({"spool": "none", "spool_required": True}, "the spool is required, and it is `none`; give --spool DIRECTORY"),
        (
            {"identity_file": "here"},
            "--identity-file (OTEL_OOM_IDENTITY_FILE) 'here' is not an absolute path; write it",
        ),
        (
            {"fork_identity": "Always"},
            "(OTEL_OOM_FORK_IDENTITY) 'Always' is not supported; use one of: changed, always",
        ),
        ({"fork_identity": "never"}, "--fork-identity (OTEL_OOM_FORK_IDENTITY) 'never' is not supported; use one of: "),
    ],
    ids=str,
)
def test_a_flag_that_makes_no_sense_is_refused(flags: dict[str, Any], problem: str) -> None:
    with pytest.raises(UsageError) as raised:
        load_config({}, **flags)
    assert problem in str(raised.value)


def test_a_flag_wins_over_its_variable() -> None:
    environment = {"OTEL_OOM_DEVICE": "/env", "OTEL_OOM_FROM_RING": "true", "OTEL_OOM_COMMAND_LINE": "true"}
    settings = load_config(environment, device="/flag", from_ring=False, command_line=False)
    assert (settings.device, settings.from_ring, settings.with_command_line) == ("/flag", False, False)
    assert load_config({}, from_ring=True).from_ring


@pytest.mark.parametrize(
    ("environment", "line"),
    [
        ({f"{E}PROTOCOL": "http/json"}, "PROTOCOL='http/json' is not supported; use one of: grpc, http/protobuf"),
        ({"OTEL_LOGS_EXPORTER": "otlp,console"}, "='otlp,console' is not supported; use one of: otlp, console, none"),
        (
            {f"{E}ENDPOINT": "c:4318"},
            "ENDPOINT='c:4318' is not an endpoint for http/protobuf; write it as http://HOST:4318",
        ),
        ({f"{E}ENDPOINT": "//c:4318"}, "is not an endpoint for http/protobuf; write it as"),
        ({f"{E}ENDPOINT": "ftp://c"}, "is not an endpoint for http/protobuf; write it as"),
        ({f"{E}ENDPOINT": "http://"}, "is not an endpoint for http/protobuf; write it as"),
        ({f"{E}ENDPOINT": "http://c:port"}, "ENDPOINT='http://c:port' is not a URL: "),
        ({f"{E}ENDPOINT": "http://c:65536"}, "is not a URL: Port out of range 0-65535; write it as http://HOST:4318"),
        ({f"{E}ENDPOINT": "http://[::1"}, "is not a URL: Invalid IPv6 URL; write it as"),
        ({f"{E}METRICS_ENDPOINT": "c"}, "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT='c' is not an endpoint"),
        (
            {f"{E}PROTOCOL": "grpc", f"{E}ENDPOINT": "tcp://c:1"},
            "is not an endpoint for grpc; write it as http://HOST:4317",
        ),
        ({f"{E}PROTOCOL": "grpc", f"{E}ENDPOINT": "c:1", f"{E}INSECURE": "yes"}, "is neither true nor false; write"),
        ({f"{E}PROTOCOL": "grpc", f"{E}COMPRESSION": "deflate"}, "is not supported; use one of: none, gzip"),
        ({f"{E}COMPRESSION": "zstd"}, "COMPRESSION='zstd' is not supported; use one of: none, gzip, deflate"),
        *(
            ({f"{E}TIMEOUT": value}, f"OTEL_EXPORTER_OTLP_TIMEOUT={value!r} is not a duration; give whole milliseconds")
            for value in ("-1", "1.5", "5s", "\u0663", "1_000", "9" * 5000)
        ),
        ({"OTEL_METRIC_EXPORT_INTERVAL": "1e3"}, "OTEL_METRIC_EXPORT_INTERVAL='1e3' is not a duration"),
        ({"OTEL_OOM_FROM_RING": "yes"}, "OTEL_OOM_FROM_RING='yes' is neither true nor false; write true or false"),
    ],
)
def test_a_variable_that_makes_no_sense_is_one_line_with_its_remedy(environment: dict[str, str], line: str) -> None:
    with pytest.raises(UsageError) as raised:
        load_config(environment)
    assert line in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("environment", "remedy"),
    [
        ({f"{E}ENDPOINT": "http://c:4317"}, "port 4317 usually speaks grpc and the protocol is http/protobuf: set"),
        ({f"{E}ENDPOINT": "http://c:4318", f"{E}PROTOCOL": "grpc"}, "OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf or"),
        (
            {f"{E}ENDPOINT": "http://c:99"},
            "does a collector at http://c:99 speak http/protobuf? check OTEL_EXPORTER_OTLP_END",
        ),
        ({f"{E}ENDPOINT": "http://me:secret@c:99/x"}, "does a collector at http://c:99/x speak"),
    ],
)
def test_the_remedy_of_a_failed_export(environment: dict[str, str], remedy: str) -> None:
    assert remedy in load_config(environment).logs.remedy


@pytest.mark.parametrize(
    ("endpoint", "shown"),
    [
        ("http://me:secret@c:99", "http://c:99"),
        ("http://me:0/secret://@c:99/x", "http://c:99/x"),
        ("http://c:99/v1?key=secret", "http://c:99/v1"),
        ("HTTP://me:secret@[::1]:99", "HTTP://[::1]:99"),
    ],
)
@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])
def test_no_password_is_shown(endpoint: str, shown: str, protocol: str) -> None:
    export = load_config({f"{E}ENDPOINT": endpoint, f"{E}PROTOCOL": protocol}).logs
    assert export.where == f"{shown} ({protocol})"
    assert f"collector at {shown} speak" in export.remedy


@pytest.mark.parametrize(
    ("endpoint", "problem"),
    [
        ("me:secret@c:99", "='c:99' is not an endpoint for http/protobuf; write it as http://HOST:4318"),
        ("http://me:sec/ret@c:99", "='http://c:99' is not a URL; write it as http://HOST:4318"),
        ("http://me:secret@c:99999", "='http://c:99999' is not a URL; write it as http://HOST:4318"),
    ],
)
def test_no_password_is_shown_where_the_endpoint_is_refused(endpoint: str, problem: str) -> None:
    with pytest.raises(UsageError) as raised:
        load_config({f"{E}ENDPOINT": endpoint})
    assert str(raised.value) == f"{E}ENDPOINT{problem}"


def test_an_exporter_without_an_endpoint_is_named() -> None:
    assert load_config({"OTEL_LOGS_EXPORTER": "console"}).logs.where == "console"


def test_a_flag_that_there_is_not_is_a_bug() -> None:
    with pytest.raises(KeyError):
        load_config({}, spol="none")
