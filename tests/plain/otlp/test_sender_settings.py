"""The standard variables reach the wire: headers, compression, endpoints, TLS, resource, exporters."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from grpc import StatusCode
from support.levels import missing
from support.otlp_receiver import OtlpReceiver, Protocol
from support.otlp_servers import Answer
from support.pipelines import sending, settings
from support.waiting import eventually

BOTH = pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that signs itself, and its key."""
    if not shutil.which("openssl"):
        missing("plain", "no openssl to make a certificate with")
    at = tmp_path_factory.mktemp("tls")
    chain, key = at / "chain.pem", at / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
         "-days", "30000", "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1",
         "-keyout", key, "-out", chain],
        check=True, capture_output=True,
    )  # fmt: skip
    return chain, key


@BOTH
def test_headers_and_compression(protocol: Protocol) -> None:
    variables = {
        "OTEL_EXPORTER_OTLP_HEADERS": "x-key=common,x-text=two%20words",
        "OTEL_EXPORTER_OTLP_METRICS_HEADERS": "x-key=metrics",
        "OTEL_EXPORTER_OTLP_COMPRESSION": "none",
        "OTEL_EXPORTER_OTLP_LOGS_COMPRESSION": "gzip",
    }
    with OtlpReceiver(protocol) as receiver, sending(settings(receiver) | variables) as rig:
        rig.kill("first")
        (logs,) = receiver.wait(lambda: receiver.accepted("logs"))
        metrics = receiver.wait(lambda: receiver.accepted("metrics"))[0]
        assert (logs.headers["x-key"], logs.headers["x-text"]) == ("common", "two words")
        assert metrics.headers["x-key"] == "metrics"
        if protocol == "http/protobuf":
            assert logs.headers["content-encoding"] == "gzip"
            assert "content-encoding" not in metrics.headers
            assert logs.headers["content-type"] == "application/x-protobuf"


@BOTH
def test_each_signal_goes_to_its_own_endpoint(protocol: Protocol) -> None:
    with OtlpReceiver(protocol) as common, OtlpReceiver(protocol) as own:
        variables = {"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": f"{own.endpoint}/my/metrics"}
        with sending(settings(common) | variables) as rig:
            rig.kill("first")
            common.wait(lambda: common.delivered)
            own.wait(lambda: own.accepted("metrics"))
            assert not common.of("metrics")
            assert not own.of("logs")
            if protocol == "http/protobuf":
                assert common.requests[0].path == "/v1/logs"
                assert own.requests[0].path == "/my/metrics"


@pytest.mark.parametrize("ending", ["", "/", "/base", "/base/"])
def test_the_path_is_added_to_a_base_url(ending: str) -> None:
    with OtlpReceiver("http/protobuf") as receiver:
        variables = {"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.endpoint + ending}
        with sending(settings(receiver) | variables):
            (first,) = receiver.wait(lambda: receiver.of("metrics"))
            assert first.path == f"{ending.rstrip('/')}/v1/metrics"


def test_the_scheme_decides_on_tls() -> None:
    """OTEL_EXPORTER_OTLP_INSECURE applies to endpoints without a scheme (OTLP exporter specification)."""
    with OtlpReceiver("grpc") as receiver:
        with sending(settings(receiver) | {"OTEL_EXPORTER_OTLP_INSECURE": "false"}):
            receiver.exports(1)
        bare = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"127.0.0.1:{receiver.port}", "OTEL_EXPORTER_OTLP_INSECURE": "true"}
        with sending(settings(receiver) | bare):
            receiver.exports(2)


@BOTH
def test_empty_variables_are_unset_ones(protocol: Protocol) -> None:
    empty = ("HEADERS", "COMPRESSION", "CERTIFICATE", "CLIENT_KEY", "CLIENT_CERTIFICATE", "INSECURE")
    names = [f"OTEL_EXPORTER_OTLP_{part}{name}" for part in ("", "LOGS_", "METRICS_") for name in empty]
    names += [
        "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT",
        "OTEL_EXPORTER_OTLP_LOGS_TIMEOUT",
        "OTEL_EXPORTER_OTLP_METRICS_TIMEOUT",
    ]
    names += ["OTEL_SERVICE_NAME", "OTEL_LOGS_EXPORTER", "OTEL_SDK_DISABLED"]
    with OtlpReceiver(protocol) as receiver, sending(settings(receiver) | dict.fromkeys(names, "")) as rig:
        rig.kill("first")
        receiver.wait(lambda: receiver.delivered and receiver.accepted("metrics"))
        assert receiver.requests[0].resource["service.name"] == "otel-oom"


@BOTH
def test_tls_is_checked_against_the_certificate(protocol: Protocol, certificate: tuple[Path, Path]) -> None:
    with OtlpReceiver(protocol, certificate=certificate) as receiver:
        # Twice: a connection that is opened after a failure is checked like the first.
        receiver.script.logs.append(Answer(503 if "http" in protocol else StatusCode.UNAVAILABLE))
        variables = {"OTEL_EXPORTER_OTLP_CERTIFICATE": str(certificate[0]), "OTEL_EXPORTER_OTLP_HEADERS": "x-key=1"}
        with sending(settings(receiver) | variables) as rig:
            rig.kill("first")
            receiver.wait(lambda: receiver.delivered and receiver.accepted("metrics"))
            assert [request.headers["x-key"] for request in receiver.of("logs")] == ["1", "1"]


@BOTH
def test_tls_without_the_certificate_is_refused(
    protocol: Protocol, certificate: tuple[Path, Path], caplog: pytest.LogCaptureFixture
) -> None:
    with OtlpReceiver(protocol, certificate=certificate) as receiver, sending(settings(receiver)):
        assert eventually(lambda: caplog.messages)
        assert "self-signed certificate" in caplog.messages[0] or "CERTIFICATE_VERIFY_FAILED" in caplog.messages[0]
        assert not receiver.requests


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, {"service.name": "otel-oom", "service.instance.id": "here", "host.name": "host"}),
        ({"OTEL_SERVICE_NAME": "mine"}, {"service.name": "mine", "host.name": "host"}),
        (
            {"OTEL_RESOURCE_ATTRIBUTES": "service.name=theirs,host.name=web-1,team=a%20b,service.instance.id=i"},
            {"service.name": "theirs", "host.name": "web-1", "team": "a b", "service.instance.id": "i"},
        ),
        (
            {"OTEL_RESOURCE_ATTRIBUTES": "service.name=theirs", "OTEL_SERVICE_NAME": "mine"},
            {"service.name": "mine", "service.instance.id": "here"},
        ),
    ],
)
def test_the_users_resource_wins(variables: dict[str, str], expected: dict[str, str]) -> None:
    with OtlpReceiver("http/protobuf") as receiver, sending(settings(receiver) | variables) as rig:
        rig.kill("first")
        receiver.wait(lambda: receiver.delivered and receiver.accepted("metrics"))
        for request in receiver.requests:
            assert expected.items() <= request.resource.items()


@pytest.mark.parametrize(
    ("variables", "signals"),
    [
        ({"OTEL_SDK_DISABLED": "true"}, set()),
        ({"OTEL_SDK_DISABLED": "TRUE"}, set()),
        ({"OTEL_LOGS_EXPORTER": "none"}, {"metrics"}),
        ({"OTEL_METRICS_EXPORTER": "none"}, {"logs"}),
        ({"OTEL_LOGS_EXPORTER": "console", "OTEL_METRICS_EXPORTER": "console"}, set()),
    ],
)
def test_other_exporters(variables: dict[str, str], signals: set[str], capsys: pytest.CaptureFixture[str]) -> None:
    with OtlpReceiver("http/protobuf") as receiver, sending(settings(receiver) | variables) as rig:
        rig.kill("first")
        assert eventually(lambda: not len(rig.spool))
        rig.sender.stop(2.0)
        assert {request.signal for request in receiver.requests} == signals
        printed = capsys.readouterr().out
        is_console = variables.get("OTEL_LOGS_EXPORTER") == "console"
        counted = {"logs", "metrics"} if is_console else signals
        assert {signal for signal, _ in rig.health.exports} == counted, (
            "what is thrown away is not counted as delivered"
        )
        assert ('"log.record.uid": "first"' in printed) is is_console
        assert ("oom.kills" in printed) is is_console


@BOTH
def test_a_broken_endpoint_of_a_disabled_sdk_is_no_error(protocol: Protocol) -> None:
    variables = {"OTEL_SDK_DISABLED": "true", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://host:port"}
    with sending({"OTEL_EXPORTER_OTLP_PROTOCOL": protocol, **variables}) as rig:
        rig.kill("first")
        assert eventually(lambda: not len(rig.spool))
