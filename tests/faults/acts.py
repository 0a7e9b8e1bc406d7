"""What is done in each case of the table, and what is asserted beyond the judgement that all cases share."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final

from crash.background import repeating
from faults.scene import Scene
from grpc import StatusCode
from support.kernel import eventually
from support.otlp_receiver import Request
from support.otlp_servers import Answer

_SOON_S: Final = 1.5
"""The first record after the return of a collector on this machine."""
_PROBE_S: Final = 1.0
"""The first record after a kill, whatever the pause was that the sender was in."""
_DEAD_S: Final = 5.0
_LONG_PAUSES_S: Final = 4.0
"""After it every pause between two tries has grown to its longest, or nearly so."""
_ON_THE_WAY_S: Final = 0.2  # of a busy machine


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
    assert time.monotonic() - began_s < 1.0, "nobody waits for the collector"
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


def answers(
    http: Answer, grpc: Answer, words: str = "cannot deliver logs (kept, and tried again)"
) -> Callable[[Scene], None]:
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


def told(scene: Scene) -> None:
    answer = scene.choose(Answer(429, retry_after_s=2), Answer(StatusCode.RESOURCE_EXHAUSTED, retry_after_s=2))
    scene.receiver.script.logs.append(answer)
    first, *_ = scene.kill()
    scene.refused(1)
    *_, last = scene.kill()  # would probe early otherwise
    refused_s = scene.receiver.of("logs")[0].arrived_s
    assert 2.0 <= scene.arrival_s(first) - refused_s < 2.0 + _SOON_S
    assert len(scene.receiver.of("logs")) == 2
    assert last in scene.receiver.delivered


def poisoned(scene: Scene) -> None:
    """The collector refuses one event of eight, alone and in company."""
    scene.answer_always(scene.choose(Answer(503), Answer(StatusCode.UNAVAILABLE)))
    uids = scene.kill(8)
    poisoned = uids[5]
    scene.given_up.add(poisoned)

    def has_it(request: Request) -> bool:
        return request.signal == "logs" and poisoned in request.uids

    scene.answer_always(scene.choose(Answer(400, when=has_it), Answer(StatusCode.INVALID_ARGUMENT, when=has_it)))
    scene.arrival_s(uids[-1])
    scene.said(f"the collector refuses {poisoned} for good")
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


def partly(scene: Scene) -> None:
    scene.receiver.script.logs.append(Answer(rejected=1, details="no room for one"))
    scene.kill()
    scene.said("partial success: no room for one")
    scene.kill()


def lost_answer(scene: Scene) -> None:
    """Both kinds: the connection is reset, and the server says that it failed, having stored all."""
    http = Answer(kind="reset", stores=True)
    scene.receiver.script.logs.extend([scene.choose(http, Answer(StatusCode.UNAVAILABLE, stores=True))] * 2)
    scene.kill(2)
    scene.receiver.wait(lambda: len(scene.receiver.delivered) - len(set(scene.receiver.delivered)) >= 2)


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


def dead(scene: Scene) -> None:
    """The heartbeat's connection is dead too, and whichever signal is first must not cost the other its time."""
    assert scene.network
    *_, first = scene.kill()
    scene.arrival_s(first)
    lost = set(scene.open_connections())
    for port in lost:
        scene.network.lose(port)
    stuck = eventually(lambda: lost & {port for port, unheard in scene.open_connections().items() if unheard})
    began_s = time.monotonic()
    assert stuck
    *_, last = scene.kill()
    took_s = scene.arrival_s(last) - began_s
    assert took_s < _DEAD_S
    assert took_s > 1.0, "nobody may have told the agent, or this proves nothing"
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
