"""Each variable with an effect, at real servers: HTTP, HTTPS, mutual TLS, gRPC, gRPC with TLS, a unix socket.

A case sets a variable and looks at what a server has received. A variable that exists per signal has each case twice:
with its common name, and with that of logs, which must leave the metrics as they are.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeAlias

import pytest
from opentelemetry.proto.metrics.v1 import metrics_pb2
from support.certificates import Certificates, make_certificates
from support.otlp_decoding import LogRecord
from support.otlp_receiver import Request
from support.otlp_servers import Answer, Signal
from support.otlp_ways import ALL, GRPC, HTTP, MUTUAL, SHORT_S, TLS, E, Server, Way, server
from support.waiting import eventually

from otel_oom import schema
from otel_oom.config.python_sdk_variables import WITH_EFFECT
from otel_oom.config.standard_variables import STANDARD
from otel_oom.telemetry.event import Event

SIGNALS: tuple[Signal, ...] = ("logs", "metrics")
ELSEWHERE = "http://127.0.0.1:9"
LIMIT_S = 0.4

Case: TypeAlias = Callable[[Server, str, tuple[Signal, ...]], None]
CASES: dict[str, list[tuple[Way, Case]]] = {}


def case(variable: str, *ways: Way) -> Callable[[Case], Case]:
    """Registers a case of a variable. Its arguments: the server, the name to set, the signals that it concerns."""

    def register(check: Case) -> Case:
        CASES.setdefault(variable, []).extend((way, check) for way in ways)
        return check

    return register


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("tls"))


def received(at: Server, signal: Signal) -> Request:
    return at.receiver.wait(lambda: at.receiver.accepted(signal))[0]


def record(at: Server) -> LogRecord:
    return received(at, "logs").log_records[0]


def full_event(uid: str = "0190163d-8694-739b-aea5-966c26f8ad91") -> Event:
    """An event with every attribute."""
    values: dict[str, Any] = {"string": "x" * 50, "int": 7, "double": 0.5, "bool": True, "map[]": ({"pid": 1},)}
    attributes = {item.name: values.get(item.kind, ("x" * 50,)) for item in schema.ATTRIBUTES}
    attributes |= {schema.EVENT_NAME.name: schema.OOM_KILL, schema.RECORD_UID.name: uid, schema.SCOPE.name: "cgroup"}
    return Event(schema.OOM_KILL, time.time_ns(), "a kill", attributes)


def sent(at: Server, variables: dict[str, str]) -> LogRecord:
    """The log record of an event with every attribute."""
    with at.sending(variables) as rig:
        rig.spool.put([full_event()], replace(rig.spool.checkpoint))
        return record(at)


@case(f"{E}ENDPOINT", *ALL)
def endpoint(at: Server, name: str, signals: tuple[Signal, ...]) -> None:
    """The other signal goes elsewhere, where nobody listens."""
    is_common = name == f"{E}ENDPOINT"
    whole = at.endpoint if is_common or at.protocol == "grpc" else f"{at.endpoint}/my/logs"
    with at.sending({f"{E}ENDPOINT": ELSEWHERE, name: whole}) as rig:
        rig.kill("first")
        for signal in signals:
            request = received(at, signal)
            if at.protocol != "grpc":
                assert request.path == (f"/v1/{signal}" if is_common else "/my/logs")
        assert {request.signal for request in at.receiver.requests} == set(signals)


@case(f"{E}PROTOCOL", "http", "gRPC")
def protocol(at: Server, name: str, signals: tuple[Signal, ...]) -> None:
    """The other signal is sent in the other protocol, which the server does not speak."""
    other = "http/protobuf" if at.protocol == "grpc" else "grpc"
    with at.sending({f"{E}PROTOCOL": other, name: at.protocol}) as rig:
        rig.kill("first")
        for signal in signals:
            received(at, signal)
        assert {request.signal for request in at.receiver.accepted("logs") + at.receiver.accepted("metrics")} == {
            *signals
        }


@case(f"{E}HEADERS", *ALL)
def headers(at: Server, name: str, signals: tuple[Signal, ...]) -> None:
    with at.sending({name: "x-key=k%2C1,x-other=two%20words"}) as rig:
        rig.kill("first")
        for signal in SIGNALS:
            found = received(at, signal).headers
            expected = ("k,1", "two words") if signal in signals else (None, None)
            assert (found.get("x-key"), found.get("x-other")) == expected


@case(f"{E}TIMEOUT", *ALL)
def timeout(at: Server, name: str, signals: tuple[Signal, ...]) -> None:
    """A request that hangs is ended at its timeout, and made again. The other signal waits for a slow answer."""
    for signal in SIGNALS:
        answer = Answer(kind="hang") if signal in signals else Answer(delay_s=2 * LIMIT_S)
        getattr(at.receiver.script, signal).append(answer)
    with at.sending({f"{E}TIMEOUT": "20000", name: str(int(LIMIT_S * 1000))}) as rig:
        rig.kill("first")
        for signal in SIGNALS:
            received(at, signal)
        assert eventually(lambda: not len(rig.spool))
        for signal in SIGNALS:
            first, *others = at.receiver.of(signal)
            assert first.accepted is (signal not in signals)
            assert first.accepted or LIMIT_S * 0.8 < others[0].arrived_s - first.arrived_s < LIMIT_S + 4.0
        at.receiver.released.set()


@case(f"{E}TIMEOUT", "http", "gRPC")
def no_timeout(at: Server, name: str, signals: tuple[Signal, ...]) -> None:
    """0 is no limit, in practice a long one: a slow answer is waited for."""
    answer = Answer(delay_s=SHORT_S * 1.5)
    at.receiver.script.logs.append(answer)
    with at.sending({name: "0"}) as rig:
        rig.kill("first")
        assert eventually(lambda: not len(rig.spool))
        assert len(at.receiver.of("logs")) == 1
    assert "logs" in signals


@case(f"{E}COMPRESSION", *HTTP)
def compression(at: Server, name: str, signals: tuple[Signal, ...]) -> None:
    with at.sending({name: "gzip"}) as rig:
        rig.kill("first")
        for signal in SIGNALS:
            assert received(at, signal).headers.get("content-encoding") == ("gzip" if signal in signals else None)


@case(f"{E}CERTIFICATE", *TLS)
def certificate(at: Server, name: str, signals: tuple[Signal, ...]) -> None:
    """The other signal trusts the system's certificates, and refuses the server."""
    ca = at.variables[f"{E}CERTIFICATE"]
    with at.sending({name: ca}, *({f"{E}CERTIFICATE"} - {name})) as rig:
        rig.kill("first")
        for signal in signals:
            received(at, signal)
        assert {request.signal for request in at.receiver.requests} == set(signals)


def of_client(at: Server, name: str, signals: tuple[Signal, ...]) -> None:
    """The other signal has no certificate, and the server refuses it."""
    pair = (f"{E}CLIENT_CERTIFICATE", f"{E}CLIENT_KEY")
    given = {variable: at.variables[variable] for variable in pair}
    if "LOGS_" in name:
        given = {variable.replace("OTLP_", "OTLP_LOGS_"): path for variable, path in given.items()}
    with at.sending(given, *(set(pair) - set(given))) as rig:
        rig.kill("first")
        for signal in signals:
            received(at, signal)
        assert {request.signal for request in at.receiver.requests} == set(signals)


case(f"{E}CLIENT_CERTIFICATE", *MUTUAL)(of_client)
case(f"{E}CLIENT_KEY", *MUTUAL)(of_client)


@case(f"{E}INSECURE", "gRPC")
def insecure(at: Server, name: str, signals: tuple[Signal, ...]) -> None:
    """Without a scheme TLS is the default, which this server does not speak."""
    with at.sending({f"{E}ENDPOINT": f"127.0.0.1:{at.receiver.port}", name: "true"}) as rig:
        rig.kill("first")
        for signal in signals:
            received(at, signal)
        assert {request.signal for request in at.receiver.requests} == set(signals)


@case(f"{E}METRICS_TEMPORALITY_PREFERENCE", *ALL)
def temporality(at: Server, name: str, _: tuple[Signal, ...]) -> None:
    with at.sending({name: "delta"}):
        message = received(at, "metrics").message
        sums = [
            metric.sum
            for resource in message.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
            if metric.HasField("sum") and metric.sum.is_monotonic
        ]
        assert {one.aggregation_temporality for one in sums} == {metrics_pb2.AGGREGATION_TEMPORALITY_DELTA}


@case("OTEL_LOGS_EXPORTER", *ALL)
@case("OTEL_METRICS_EXPORTER", *ALL)
def exporter(at: Server, name: str, _: tuple[Signal, ...]) -> None:
    other: Signal = "metrics" if "LOGS" in name else "logs"
    with at.sending({name: "none"}) as rig:
        rig.kill("first")
        received(at, other)
        assert eventually(lambda: not len(rig.spool))
        rig.sender.stop(1.0)
    assert {request.signal for request in at.receiver.requests} == {other}


@case("OTEL_METRIC_EXPORT_INTERVAL", *ALL)
def interval(at: Server, name: str, _: tuple[Signal, ...]) -> None:
    with at.sending({name: "150"}):
        arrived = [request.arrived_s for request in at.receiver.exports(4)]
        assert arrived[3] - arrived[1] > 0.25


@case("OTEL_METRIC_EXPORT_TIMEOUT", *ALL)
def export_timeout(at: Server, name: str, _: tuple[Signal, ...]) -> None:
    timeout(at, name, ("metrics",))


@case("OTEL_RESOURCE_ATTRIBUTES", *ALL)
def resource_attributes(at: Server, name: str, _: tuple[Signal, ...]) -> None:
    with at.sending({name: "team=a%2Cb, host.name=web-1 ,"}) as rig:
        rig.kill("first")
        for signal in SIGNALS:
            found = received(at, signal).resource
            assert (found["team"], found["host.name"], found["service.name"]) == ("a,b", "web-1", "otel-oom")


@case("OTEL_RESOURCE_ATTRIBUTES", "http")
def malformed_resource_attributes(at: Server, name: str, _: tuple[Signal, ...]) -> None:
    with at.sending({name: "host.name=web-1,secret"}):
        assert received(at, "metrics").resource["host.name"] == "host"


@case("OTEL_SERVICE_NAME", *ALL)
def service_name(at: Server, name: str, _: tuple[Signal, ...]) -> None:
    with at.sending({name: "mine", "OTEL_RESOURCE_ATTRIBUTES": "service.name=theirs"}) as rig:
        rig.kill("first")
        assert {received(at, signal).resource["service.name"] for signal in SIGNALS} == {"mine"}


@case("OTEL_ATTRIBUTE_COUNT_LIMIT", *ALL)
@case("OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT", *ALL)
def count_limit(at: Server, name: str, _: tuple[Signal, ...]) -> None:
    found = sent(at, {"OTEL_ATTRIBUTE_COUNT_LIMIT": "20", name: "6"})
    assert {"event.name", "log.record.uid", "oom.scope", "process.pid"} < set(found.attributes)
    assert len(found.attributes) == 6
    (resource,) = received(at, "logs").message.resource_logs
    assert resource.scope_logs[0].log_records[0].dropped_attributes_count == len(schema.ATTRIBUTES) - 6


@case("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", *ALL)
@case("OTEL_LOGRECORD_ATTRIBUTE_VALUE_LENGTH_LIMIT", *ALL)
def length_limit(at: Server, name: str, _: tuple[Signal, ...]) -> None:
    found = sent(at, {"OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT": "20", name: "5"})
    assert found.uid == "0190163d-8694-739b-aea5-966c26f8ad91"
    assert found.attributes["log.record.original"] == "xxxxx"


@case("OTEL_SDK_DISABLED", *ALL)
def disabled(at: Server, name: str, _: tuple[Signal, ...]) -> None:
    with at.sending({name: "true"}) as rig:
        rig.kill("first")
        assert eventually(lambda: not len(rig.spool))
        rig.sender.stop(1.0)
    assert at.receiver.requests == []


def names(variable: str) -> tuple[str, ...]:
    """The common variable, and that of logs."""
    item = next((item for item in STANDARD if item.variable == variable), None)
    return (variable, item.variables("logs")[0]) if item is not None and item.is_per_signal else (variable,)


def checks() -> list[Any]:
    params = []
    for variable, cases in CASES.items():
        for way, check in cases:
            for name in names(variable):
                signals = SIGNALS if name == variable else ("logs",)
                params.append(pytest.param(way, check, name, signals, id=f"{name}-{check.__name__}-{way}"))
    return params


@pytest.mark.parametrize(("way", "check", "name", "signals"), checks())
def test_a_variable_has_its_effect(
    way: Way, check: Case, name: str, signals: tuple[Signal, ...], certificates: Certificates
) -> None:
    with server(way, certificates) as at:
        check(at, name, signals)


#: Variables whose effect no server sees: tests/plain/cli/test_run_variables.py
OF_THE_PROCESS = {"OTEL_LOG_LEVEL", *WITH_EFFECT}


def test_every_variable_with_an_effect_has_a_case() -> None:
    assert set(CASES) | OF_THE_PROCESS == {item.variable for item in STANDARD} | set(WITH_EFFECT)


def test_every_way_to_a_server_has_cases() -> None:
    assert {way for cases in CASES.values() for way, _ in cases} == set(ALL)
    assert set(GRPC) | set(HTTP) == set(ALL)
