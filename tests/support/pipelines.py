"""The real way from the spool to a socket: the sender and its exporters as `run` builds them, without an agent."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import grpc
from support.agent_rig import first_checkpoint
from support.agents import environment
from support.otlp_receiver import OtlpReceiver
from support.otlp_servers import Answer

from otel_oom import schema
from otel_oom.config.settings import load_config
from otel_oom.health import Health
from otel_oom.otlp import build_sender
from otel_oom.otlp.sender import Sender
from otel_oom.spool.spool import Spool
from otel_oom.telemetry.event import Event
from otel_oom.totals import ResourceIdentity

CODE = grpc.StatusCode

#: what Go's server says to plain HTTP on a port of TLS: without a type
NOT_TLS = Answer(400, content_type=None, details="Client sent an HTTP request to an HTTPS server.\n")

#: what keeps the data, by protocol: the collector may take it later
FAILURES = {
    "http/protobuf": (
        NOT_TLS,
        Answer(400, content_type="text/plain; charset=utf-8", details="no"),
        Answer(422, content_type="text/html", details="<html>"),
        Answer(301),
        Answer(401),
        Answer(403),
        Answer(404),
        Answer(429),
        Answer(500),
        Answer(content_type="text/html", page=b"<html><title>Sign in</title></html>"),
        Answer(page=b"\xff\xff\xff"),
        Answer(503),
        Answer(kind="reset"),
    ),
    "grpc": (
        Answer(CODE.UNAVAILABLE),
        Answer(CODE.UNAUTHENTICATED),
        Answer(CODE.PERMISSION_DENIED),
        Answer(CODE.UNIMPLEMENTED),
        Answer(CODE.RESOURCE_EXHAUSTED, details="slow down"),
        Answer(CODE.DEADLINE_EXCEEDED),
        Answer(CODE.CANCELLED),
        Answer(CODE.INTERNAL),
    ),
}

#: what gives the request up, by protocol
REFUSALS = {
    "http/protobuf": (
        Answer(400),
        Answer(400, content_type="application/json; charset=utf-8", details='{"code":3}'),
        Answer(422),
        Answer(413),
        Answer(413, content_type="text/html", details="<html>"),
    ),
    "grpc": (
        Answer(CODE.INVALID_ARGUMENT),
        Answer(CODE.RESOURCE_EXHAUSTED, details="grpc: received message larger than max (9 vs. 4)"),
    ),
}

CASES = [(protocol, answer) for protocol, answers in FAILURES.items() for answer in answers]
REFUSING = [(protocol, answer) for protocol, answers in REFUSALS.items() for answer in answers]


def name(value: object) -> str:
    """Of a case, for pytest."""
    if isinstance(value, Answer):
        return str(getattr(value.status, "name", value.status)) if value.kind == "answer" else value.kind
    return str(value)


def event(uid: str) -> Event:
    attributes = {schema.EVENT_NAME.name: schema.OOM_KILL, schema.RECORD_UID.name: uid, schema.SCOPE.name: "cgroup"}
    return Event(schema.OOM_KILL, time.time_ns(), "a kill", dict(attributes))


@dataclass
class Rig:
    """A sender that runs, and what is beside it."""

    sender: Sender
    spool: Spool
    health: Health

    def kill(self, *uids: str) -> None:
        """One kill for each uid, in one step."""
        totals = self.spool.totals
        for _ in uids:
            totals = totals.plus("cgroup", time.time_ns())
        self.spool.put([event(uid) for uid in uids], replace(self.spool.checkpoint, totals=totals))


def settings(receiver: OtlpReceiver) -> dict[str, str]:
    return {
        "OTEL_EXPORTER_OTLP_PROTOCOL": receiver.protocol,
        "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.endpoint,
        "OTEL_EXPORTER_OTLP_TIMEOUT": "1000",
    }


def build(variables: dict[str, str], *, has_writer: bool = False, kernel_kills: Callable[[], int] = lambda: 7) -> Rig:
    """A sender that has opened its series, and does not run yet."""
    theirs = dict(os.environ)
    os.environ.clear()
    os.environ.update(environment(**variables))
    try:
        health = Health()
        begin = replace(first_checkpoint(time.time_ns()), identity=ResourceIdentity("here", "host"))
        spool = Spool(health, begin, has_writer=has_writer)
        sender = build_sender.build(
            load_config(os.environ),
            spool,
            health,
            resource_defaults={"service.name": "otel-oom"},
            kernel_kills=kernel_kills,
        )
    finally:
        os.environ.clear()
        os.environ.update(theirs)
    health.device_up()
    sender.open_series()
    return Rig(sender, spool, health)


@contextmanager
def sending(
    variables: dict[str, str],
    *,
    early: tuple[str, ...] = (),
    is_started: bool = True,
    has_writer: bool = False,
    kernel_kills: Callable[[], int] = lambda: 7,
) -> Iterator[Rig]:
    """A sender that has opened its series and runs. early: kills after the opening, before the first request."""
    rig = build(variables, has_writer=has_writer, kernel_kills=kernel_kills)
    if early:
        rig.kill(*early)
    if is_started:
        rig.sender.start()
    try:
        yield rig
    finally:
        if rig.sender.ident is not None:
            rig.sender.stop(0.0)
            rig.sender.join(6.0)
            assert not rig.sender.is_alive()
