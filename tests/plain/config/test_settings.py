"""Environment variables and flags give settings, or one line with its remedy."""

from __future__ import annotations

import logging
from operator import attrgetter
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
        ({f"{E}TIMEOUT": "0", f"{E}METRICS_TIMEOUT": "7"}, {"logs.timeout_s": 60.0, "metrics.timeout_s": 0.007}),
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
        ({}, {"cgroupfs": "/"}),
        ({"OTEL_OOM_CGROUPFS": "/host/cgroup"}, {"cgroupfs": "/host/cgroup"}),
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
        assert attrgetter(path)(settings) == value, path


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
        ({"spool": "here"}, "--spool 'here' is neither `none` nor an absolute path; write it as /a/"),
        ({"spool": "None"}, "--spool 'None' is neither `none` nor an absolute path; write it as /a/"),
        ({"spool": "none", "spool_required": True}, "--spool-required and --spool 'none' contradict each other; name"),
        (
            {"identity_file": "here"},
            "--identity-file 'here' is not an absolute path; write it",
        ),
        ({"cgroupfs": "sys"}, "--cgroupfs 'sys' is not an absolute path; write it as /a/directory"),
        ({"fork_identity": "never"}, "--fork-identity 'never' is not supported; use one of: changed, always"),
        ({"oom_score_adj": "-1001"}, "--oom-score-adj '-1001' is not a score; give -1000"),
    ],
    ids=str,
)
def test_a_flag_that_makes_no_sense_is_refused(flags: dict[str, Any], problem: str) -> None:
    with pytest.raises(UsageError) as raised:
        load_config({}, **flags)
    assert str(raised.value).startswith(problem)
    assert "OTEL_OOM_" not in str(raised.value).partition(";")[0], "the flag was written, not the variable"


def test_a_flag_wins_over_its_variable() -> None:
    environment = {"OTEL_OOM_DEVICE": "/env", "OTEL_OOM_FROM_RING": "true", "OTEL_OOM_COMMAND_LINE": "true"}
    settings = load_config(environment, device="/flag", from_ring=False, command_line=False)
    assert (settings.device, settings.from_ring, settings.with_command_line) == ("/flag", False, False)
    assert load_config({}, from_ring=True).from_ring


@pytest.mark.parametrize(
    ("environment", "line"),
    [
        (
            {f"{E}ENDPOINT": "c:4318"},
            "ENDPOINT='c:4318' is not an endpoint for http/protobuf; write it as http://HOST:4318",
        ),
        ({f"{E}ENDPOINT": "//c:4318"}, "is not an endpoint for http/protobuf; write it as"),
        ({f"{E}ENDPOINT": "ftp://c"}, "is not an endpoint for http/protobuf; write it as"),
        ({f"{E}ENDPOINT": "http://"}, "is not an endpoint for http/protobuf; write it as"),
        ({f"{E}ENDPOINT": "http://c:port"}, "ENDPOINT='http://c:port' is not a URL: "),
        ({f"{E}ENDPOINT": "http://c:65536"}, "is not a URL: Port out of range 0-65535; write it as http://HOST:4318"),
        ({f"{E}ENDPOINT": "http://c/a\nb"}, "='http://c/a\\nb' is not a URL: it has a character that cannot"),
        ({f"{E}ENDPOINT": "http://\udcffc"}, "is not a URL: it has a character that cannot be printed; write it as"),
        ({f"{E}ENDPOINT": "http://[::1"}, "is not a URL: Invalid IPv6 URL; write it as"),
        ({f"{E}METRICS_ENDPOINT": "c"}, "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT='c' is not an endpoint"),
        (
            {f"{E}PROTOCOL": "grpc", f"{E}ENDPOINT": "tcp://c:1"},
            "is not an endpoint for grpc; write it as http://HOST:4317",
        ),
        ({"OTEL_OOM_SPOOL": "here"}, "OTEL_OOM_SPOOL='here' is neither `none` nor an absolute path; write it as /a/"),
        ({"OTEL_OOM_IDENTITY_FILE": "here"}, "OTEL_OOM_IDENTITY_FILE='here' is not an absolute path; write it as /a/"),
        ({"OTEL_OOM_FORK_IDENTITY": "never"}, "OTEL_OOM_FORK_IDENTITY='never' is not supported; use one of: changed,"),
        ({"OTEL_OOM_SCORE_ADJ": "low"}, "OTEL_OOM_SCORE_ADJ='low' is not a score; give -1000"),
        ({"OTEL_OOM_SPOOL_REQUIRED": "true", "OTEL_OOM_SPOOL": "none"},
         "OTEL_OOM_SPOOL_REQUIRED='true' and OTEL_OOM_SPOOL='none' contradict each other; name a directory with"),
        ({"OTEL_CONFIG_FILE": "/a"}, "OTEL_CONFIG_FILE is set, and otel-oom reads no configuration file; unset it for"),
        ({"OTEL_EXPERIMENTAL_CONFIG_FILE": "/a", "OTEL_SDK_DISABLED": "true", f"{E}ENDPOINT": "nonsense:x"},
         "OTEL_EXPERIMENTAL_CONFIG_FILE is set, and otel-oom reads no configuration file; unset it for otel-oom"),
        ({"OTEL_OOM_FROM_RING": "yes"}, "OTEL_OOM_FROM_RING='yes' is neither true nor false; write true or false"),
    ],
)  # fmt: skip
def test_a_variable_that_makes_no_sense_is_one_line_with_its_remedy(environment: dict[str, str], line: str) -> None:
    with pytest.raises(UsageError) as raised:
        load_config(environment)
    assert line in str(raised.value)
    assert "\n" not in str(raised.value)
    assert "--" not in str(raised.value).partition(";")[0], "the variable was written, not the flag"


@pytest.mark.parametrize(
    ("environment", "line", "expected"),
    [
        ({f"{E}PROTOCOL": "http/json"}, "PROTOCOL='http/json' is not supported, so http/protobuf applies; use one of:",
         {"logs.protocol": "http/protobuf"}),
        ({f"{E}LOGS_PROTOCOL": "tcp"}, "LOGS_PROTOCOL='tcp' is not supported, so http/protobuf applies; use one of:",
         {"logs.protocol": "http/protobuf"}),
        ({f"{E}LOGS_PROTOCOL": "tcp", f"{E}PROTOCOL": "grpc"},
         "LOGS_PROTOCOL='tcp' is not supported, so OTEL_EXPORTER_OTLP_PROTOCOL applies; use one of: grpc, http/pro",
         {"logs.protocol": "grpc", "metrics.protocol": "grpc"}),
        ({"OTEL_LOGS_EXPORTER": "otlp,console"}, "OTEL_LOGS_EXPORTER='otlp,console' is not supported, so otlp applies;",
         {"logs.exporter": "otlp"}),
        ({"OTEL_METRICS_EXPORTER": "prometheus"}, "='prometheus' is not supported, so otlp applies; use one of: otlp,",
         {"metrics.exporter": "otlp"}),
        ({f"{E}PROTOCOL": "grpc", f"{E}ENDPOINT": "c:1", f"{E}INSECURE": "yes"},
         "INSECURE='yes' is neither true nor false, so false applies; write true or false", {}),
        ({"OTEL_SDK_DISABLED": "1"}, "OTEL_SDK_DISABLED='1' is neither true nor false, so false applies; write true or",
         {"logs.exporter": "otlp"}),
        ({f"{E}PROTOCOL": "grpc", f"{E}COMPRESSION": "deflate"},
         "COMPRESSION='deflate' is not supported, so none applies; use one of: none, gz", {"logs.compression": "none"}),
        ({f"{E}COMPRESSION": "zstd"}, "COMPRESSION='zstd' is not supported, so none applies; use one of: none, gzip, d",
         {"metrics.compression": "none"}),
        *(
            ({f"{E}TIMEOUT": value}, f"TIMEOUT={value!r} is not valid, so 4000 applies; give milliseconds as a whole",
             {"logs.timeout_s": 4.0})
            for value in ("-1", "1.5", "5s", "\u0663", "1_000", "9" * 5000)
        ),
        ({f"{E}TIMEOUT": "0", f"{E}LOGS_TIMEOUT": "x"}, "LOGS_TIMEOUT='x' is not valid, so OTEL_EXPORTER_OTLP_TI",
         {"logs.timeout_s": 60.0}),
        ({f"{E}INSECURE": "yes"}, "INSECURE='yes' is neither true nor false, so false applies; write", {}),
        ({f"{E}METRICS_TEMPORALITY_PREFERENCE": "sum", "OTEL_METRICS_EXPORTER": "console"},
         "PREFERENCE='sum' is not supported, so cumulative applies; use", {}),
        ({"OTEL_METRIC_EXPORT_INTERVAL": "1e3"}, "OTEL_METRIC_EXPORT_INTERVAL='1e3' is not valid, so 60000 applie",
         {"heartbeat_s": 60.0}),
        ({"OTEL_METRIC_EXPORT_INTERVAL": "0"}, "OTEL_METRIC_EXPORT_INTERVAL='0' is not valid, so 60000 applies",
         {"heartbeat_s": 60.0}),
        ({"OTEL_METRIC_EXPORT_TIMEOUT": "-1"}, "OTEL_METRIC_EXPORT_TIMEOUT='-1' is not valid, so 30000 applies; giv",
         {"metrics.timeout_s": 4.0}),
        ({f"{E}METRICS_TEMPORALITY_PREFERENCE": "sum"}, "PREFERENCE='sum' is not supported, so cumulative applies; use",
         {"is_delta": False}),
        ({"OTEL_LOG_LEVEL": "loud"}, "OTEL_LOG_LEVEL='loud' is not supported, so info applies; use one of: none, fatal",
         {"log.level": logging.INFO}),
        ({"OTEL_ENTITIES": "host{host.id=1}"}, "OTEL_ENTITIES has no effect; write its attributes into OTEL_RESOU", {}),
    ],
)  # fmt: skip
def test_a_standard_variable_that_makes_no_sense_is_a_warning(
    environment: dict[str, str], line: str, expected: dict[str, Any]
) -> None:
    """Environment variable specification: such a value counts as unset."""
    settings = load_config(environment)
    assert [line in warning for warning in settings.warnings] == [True], settings.warnings
    for path, value in expected.items():
        assert attrgetter(path)(settings) == value, path


@pytest.mark.parametrize(
    "environment", [{}, {"OTEL_BSP_SCHEDULE_DELAY": "x", "OTEL_TRACES_EXPORTER": "zipkin", "OTEL_PYTHON_CONTEXT": "a"}]
)
def test_a_usual_start_has_no_warning(environment: dict[str, str]) -> None:
    assert load_config(environment).warnings == ()


@pytest.mark.parametrize(
    ("environment", "why"),
    [
        (
            {"OTEL_SDK_DISABLED": "TRUE"},
            "because OTEL_SDK_DISABLED is true; unset it for otel-oom",
        ),
        (
            {"OTEL_LOGS_EXPORTER": "none", "OTEL_METRICS_EXPORTER": "none"},
            "because both exporters are `none`; set OTEL_LOGS_EXPORTER=otlp for otel-oom",
        ),
    ],
)
def test_an_agent_that_reports_nothing_says_so(environment: dict[str, str], why: str) -> None:
    assert load_config(environment).warnings == (f"no kill is reported to anybody, {why}",)
    assert load_config({"OTEL_LOGS_EXPORTER": "none"}).warnings == ()


@pytest.mark.parametrize(
    ("environment", "expected_s"),
    [
        ({}, (4.0, 4.0)),
        ({"OTEL_METRIC_EXPORT_TIMEOUT": "1500"}, (4.0, 1.5)),
        ({"OTEL_METRIC_EXPORT_TIMEOUT": "0"}, (4.0, 4.0)),
        ({f"{E}TIMEOUT": "60000"}, (60.0, 30.0)),
        ({f"{E}TIMEOUT": "60000", "OTEL_METRIC_EXPORT_TIMEOUT": "0"}, (60.0, 60.0)),
    ],
)
def test_an_export_of_metrics_has_a_limit_of_its_own(
    environment: dict[str, str], expected_s: tuple[float, float]
) -> None:
    settings = load_config(environment)
    assert (settings.logs.timeout_s, settings.metrics.timeout_s) == expected_s


@pytest.mark.parametrize(
    ("preference", "is_delta"),
    [("", False), ("cumulative", False), ("delta", True), ("DELTA", True), ("lowmemory", False)],
)
def test_the_preference_of_temporality_decides_on_deltas(preference: str, *, is_delta: bool) -> None:
    """`lowmemory` is about synchronous counters alone (OTLP metric exporter specification)."""
    environment = {f"{E}METRICS_TEMPORALITY_PREFERENCE": preference}
    assert load_config(environment).is_delta is is_delta
    for exporter in ("none", "console"):
        assert not load_config(environment | {"OTEL_METRICS_EXPORTER": exporter}).is_delta


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
        ({"OTEL_LOGS_EXPORTER": "console"}, "can standard output be written? redirect it to another place"),
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
