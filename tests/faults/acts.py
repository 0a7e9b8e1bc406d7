"""The action of each case, and what it asserts beyond the judgement that all cases share."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from faults.scene import Scene
from grpc import StatusCode
from support.certificates import make_certificates
from support.http2_server import Frames, Http2Server
from support.otlp_receiver import Request
from support.otlp_servers import Answer
from support.repeating_thread import repeating
from support.waiting import eventually

_SOON_S: Final = 1.5
"""From the return of a collector on this machine to the first record."""
_PROBE_S: Final = 1.0
"""From a kill to its record, however long the sender's current pause is."""
_DEAD_S: Final = 5.0
"""From the first request into a dead connection to its receipt over a new one."""
_LONG_PAUSES_S: Final = 4.0
"""After this time the pauses between two tries have their greatest length, or nearly so."""
_ON_THE_WAY_S: Final = 0.2  # a busy machine needs it
_RARE_PROBE_S: Final = 5.0
"""From a kill to its record, where waiting does not help and the sender tries rarely."""
_RARELY_S: Final = 8.0
_RARELY: Final = 20
"""Requests of both signals in that time; a collector on this machine got 32 before attempts were rare."""


def refused(scene: Scene) -> None:
    scene.receiver.stop()
    *_, last = scene.kill(3)
    scene.said("Connection refused")
    time.sleep(_LONG_PAUSES_S)
    began_s = time.monotonic()
    scene.receiver.start()
    assert scene.arrival_s(last) - began_s < _SOON_S


def next_kill(scene: Scene) -> None:
    scene.receiver.stop()
    scene.kill()
    scene.said("Connection refused")
    time.sleep(_LONG_PAUSES_S)
    with scene.collectors_machine():
        scene.receiver.start()
    began_s = time.monotonic()
    *_, last = scene.kill()
    assert scene.arrival_s(last) - began_s < _PROBE_S + _ON_THE_WAY_S


def slow(scene: Scene) -> None:
    scene.answer_always(Answer(delay_s=0.4))
    began_s = time.monotonic()
    scene.kill(3)
    assert time.monotonic() - began_s < 1.0, "no kill waits for the collector"
    scene.everything_arrives()
    assert not [one for one in scene.receiver.requests if not one.accepted]


def hang(scene: Scene) -> None:
    scene.answer_always(Answer(kind="hang"))
    scene.kill(3)
    scene.refused(2)
    scene.said("timed out")
    scene.recover()


def drip(scene: Scene) -> None:
    scene.receiver.script.logs.append(Answer(kind="drip", details="HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n"))
    *_, last = scene.kill()
    scene.refused(1)
    assert scene.arrival_s(last) - scene.receiver.of("logs")[0].arrived_s < 1.0 + _SOON_S
    scene.said("timed out")


def answers(http: Answer, grpc: Answer, words: str = "cannot deliver logs, will retry") -> Callable[[Scene], None]:
    def run(scene: Scene) -> None:
        scene.answer_always(scene.choose(http, grpc))
        *_, last = scene.kill(3)
        scene.refused(3)
        scene.said(words)
        assert last not in scene.receiver.delivered
        began_s = scene.recover()
        assert scene.arrival_s(last) - began_s < _SOON_S
        assert not [one for one in scene.receiver.requests if "elsewhere" in one.path]

    return run


def needs_operator(http: Answer, grpc: Answer | Frames, words: str) -> Callable[[Scene], None]:
    """Only somebody can end it: the agent tries rarely, keeps all, and delivers at the next kill after its end."""

    def run(scene: Scene) -> None:
        with _always(scene, grpc if scene.protocol == "grpc" else http) as requests:
            scene.kill(3)
            time.sleep(_RARELY_S)
            scene.said(words)
            assert 4 <= requests() <= _RARELY
            assert scene.receiver.delivered == []
        began_s = time.monotonic()
        *_, last = scene.kill()
        assert scene.arrival_s(last) - began_s < _RARE_PROBE_S + _ON_THE_WAY_S
        assert not [one for one in scene.receiver.requests if "elsewhere" in one.path]

    return run


@contextmanager
def _always(scene: Scene, answer: Answer | Frames) -> Iterator[Callable[[], int]]:
    """Every request gets this answer; yields the number of requests so far."""
    if isinstance(answer, Frames):
        scene.receiver.stop()
        with Http2Server(answer, scene.receiver.port) as server:
            yield lambda: server.requests
        scene.receiver.start()
    else:
        before = len(scene.receiver.requests)
        scene.answer_always(answer)
        yield lambda: len(scene.receiver.requests) - before
        scene.recover()


def warning(scene: Scene) -> None:
    scene.answer_always(Answer(details="attribute names were changed"))
    scene.kill()
    scene.said("the collector accepted logs with a warning: attribute names were changed")
    scene.kill()


def retry_later(scene: Scene) -> None:
    answer = scene.choose(Answer(429, retry_after_s=2), Answer(StatusCode.RESOURCE_EXHAUSTED, retry_after_s=2))
    scene.receiver.script.logs.append(answer)
    first, *_ = scene.kill()
    scene.refused(1)
    *_, last = scene.kill()  # without Retry-After, a new kill is tried at once
    refused_s = scene.receiver.of("logs")[0].arrived_s
    assert 2.0 <= scene.arrival_s(first) - refused_s < 2.0 + _SOON_S
    assert len(scene.receiver.of("logs")) == 2
    assert last in scene.receiver.delivered


def poisoned(scene: Scene) -> None:
    """The collector refuses one event of eight, alone and together with others."""
    scene.answer_always(scene.choose(Answer(503), Answer(StatusCode.UNAVAILABLE)))
    uids = scene.kill(8)
    poisoned = uids[5]
    scene.given_up.add(poisoned)

    def has_it(request: Request) -> bool:
        return request.signal == "logs" and poisoned in request.uids

    scene.answer_always(scene.choose(Answer(400, when=has_it), Answer(StatusCode.INVALID_ARGUMENT, when=has_it)))
    scene.arrival_s(uids[-1])
    scene.said(f"the collector rejects {poisoned} permanently")
    scene.recover()


def too_large(scene: Scene) -> None:
    scene.answer_always(scene.choose(Answer(503), Answer(StatusCode.UNAVAILABLE)))
    scene.kill(8)
    scene.answer_always(
        scene.choose(
            Answer(413, when=_has_three),
            Answer(
                StatusCode.RESOURCE_EXHAUSTED, details="received message larger than max (9 vs. 4)", when=_has_three
            ),
        )
    )
    scene.everything_arrives()
    assert {len(one.uids) for one in scene.receiver.accepted("logs")} <= {1, 2}


def _has_three(request: Request) -> bool:
    return request.signal == "logs" and len(request.uids) > 2


def partial_success(scene: Scene) -> None:
    scene.receiver.script.logs.append(Answer(rejected=1, details="no room for one"))
    scene.kill()
    scene.said("partial success: no room for one")
    scene.kill()


def lost_answer(scene: Scene) -> None:
    """The server stores everything, and then resets the connection or answers with a failure."""
    http = Answer(kind="reset", stores=True)
    scene.receiver.script.logs.extend([scene.choose(http, Answer(StatusCode.UNAVAILABLE, stores=True))] * 2)
    scene.kill(2)
    scene.receiver.wait(lambda: len(scene.receiver.delivered) - len(set(scene.receiver.delivered)) >= 2)


def half_a_certificate(scene: Scene) -> None:
    files = make_certificates(scene.directory)
    *_, first = scene.kill()
    scene.arrival_s(first)
    assert scene.agent.terminate() == 0
    scene.receiver.stop()
    scene.receiver.secure(files.server_of_clients)
    scene.receiver.start()
    scene.kill(2)
    right = {"CERTIFICATE": "ca.pem", "CLIENT_CERTIFICATE": "client.pem", "CLIENT_KEY": "client.key"}
    for name, value in (
        ("CERTIFICATE", "none.pem"),
        ("CLIENT_CERTIFICATE", "none.pem"),
        ("CLIENT_CERTIFICATE", ""),
        ("CLIENT_KEY", "none.key"),
        ("CLIENT_KEY", ""),
    ):
        wrong = {**right, name: value}
        agent = scene.start_agent(
            {f"OTEL_EXPORTER_OTLP_{key}": path and files.path(path) for key, path in wrong.items()}
        )
        assert agent.process.wait(30) == 2
        (line,) = agent.said().splitlines()
        assert f"OTEL_EXPORTER_OTLP_{name}" in line
    scene.agent = scene.start_agent({f"OTEL_EXPORTER_OTLP_{key}": files.path(path) for key, path in right.items()})
    scene.said("watching")


def restarts(scene: Scene) -> None:
    def step(ended: threading.Event) -> None:
        scene.kill()
        ended.wait(0.05)

    with repeating(step):
        for _ in range(4):
            scene.refused(len(scene.receiver.of("logs")) + 2)
            scene.receiver.stop()
            scene.kill(2)
            scene.receiver.start()


def dead_connection(scene: Scene) -> None:
    """The connections of both signals are dead. The signal that notices it first must not delay the other one."""
    assert scene.network
    *_, first = scene.kill()
    scene.arrival_s(first)
    lost = set(scene.open_connections())
    for port in lost:
        scene.network.lose(port)
    stuck = eventually(
        lambda: lost & {port for port, unacknowledged in scene.open_connections().items() if unacknowledged}
    )
    began_s = time.monotonic()
    assert stuck
    *_, last = scene.kill()
    took_s = scene.arrival_s(last) - began_s
    assert took_s < _DEAD_S
    assert took_s > 1.0, "an agent that got a reset would be faster, and would prove nothing"
    assert scene.receiver.delivered == [first, last]


def cut(scene: Scene) -> None:
    assert scene.network
    *_, first = scene.kill()
    scene.arrival_s(first)
    scene.network.cut()
    *_, last = scene.kill(3)
    scene.said("cannot deliver logs")
    scene.network.remedy()
    began_s = time.monotonic()
    assert scene.arrival_s(last) - began_s < _DEAD_S
