"""How each row of the table of faults (support/fault_table.py) is made, and with which settings of the agent.

Every case ends in the same judgement (`test_faults`). The accepted uids are those of the kernel's log, in its order,
each once unless an answer gets lost. The counter's last value is the number of kills. Refused events are counted.
What `run` asserts goes beyond that.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from faults import acts
from faults.scene import Scene
from grpc import StatusCode
from support.http2_server import GARBAGE, WEB_PAGE
from support.otlp_receiver import Protocol
from support.otlp_servers import Answer

_SHORT: Final = {"OTEL_EXPORTER_OTLP_TIMEOUT": "1000"}


@dataclass(frozen=True)
class Case:
    """One fault.

    name: of its row in the table
    protocols: those that can have it
    variables: settings of the agent; has_network: the collector is on a machine of its own
    may_repeat: an answer gets lost, so a record may arrive twice; given_up: how many are counted as rejected
    """

    name: str
    run: Callable[[Scene], None]
    protocols: tuple[Protocol, ...] = ("http/protobuf", "grpc")
    variables: Mapping[str, str] = field(default_factory=lambda: _SHORT)
    has_network: bool = False
    may_repeat: bool = False
    given_up: int = 0


_FINAL_PLACE: Final = "OTEL_EXPORTER_OTLP_ENDPOINT must name the final place"
_KEY: Final = "set the key in OTEL_EXPORTER_OTLP_HEADERS"

_PAGE: Final = Answer(content_type="text/html", page=b"<html><title>Sign in</title></html>")
_DELTA: Final = 'invalid temporality and type combination for metric "oom.kills"'
_REASON: Final = Answer(500, content_type="text/plain; charset=utf-8", details=f"{_DELTA}\n")

CASES: Final = (
    Case("refused", acts.refused),
    Case("next kill", acts.next_kill, has_network=True),
    Case("slow", acts.slow),
    Case("hang", acts.hang),
    Case("drip", acts.drip, protocols=("http/protobuf",)),
    Case("moved", acts.needs_operator(Answer(301), WEB_PAGE, _FINAL_PLACE), protocols=("http/protobuf",)),
    Case("moved for now", acts.needs_operator(Answer(307), WEB_PAGE, _FINAL_PLACE), protocols=("http/protobuf",)),
    Case("no key", acts.needs_operator(Answer(401), Answer(StatusCode.UNAUTHENTICATED), _KEY)),
    Case("forbidden", acts.needs_operator(Answer(403), Answer(StatusCode.PERMISSION_DENIED), _KEY)),
    Case("web page", acts.needs_operator(_PAGE, WEB_PAGE, "is this a login page, a proxy or a dashboard's port?")),
    Case("garbage", acts.needs_operator(Answer(page=b"\xff\xff\xff"), GARBAGE, "is this a login page")),
    Case(
        "own words", acts.answers(_REASON, Answer(StatusCode.INTERNAL, details=_DELTA), f": {_DELTA}; see the server")
    ),
    Case("warning", acts.warning),
    Case("half a certificate", acts.half_a_certificate),
    Case("unavailable", acts.answers(Answer(503), Answer(StatusCode.UNAVAILABLE))),
    Case("retry later", acts.retry_later),
    Case("poisoned", acts.poisoned, given_up=1),
    Case("too large", acts.too_large),
    Case("partial success", acts.partial_success, given_up=1),
    Case("lost answer", acts.lost_answer, may_repeat=True),
    Case("restarts", acts.restarts, may_repeat=True),
    Case("dead connection", acts.dead_connection, variables={}, has_network=True),
    Case(
        "dead connection, long timeout",
        acts.dead_connection,
        variables={"OTEL_EXPORTER_OTLP_TIMEOUT": "10000"},
        has_network=True,
    ),
    Case("cut", acts.cut, variables={}, has_network=True, may_repeat=True),
)
