"""THE table of faults: what a collector does to the agent, and what is expected. README shows it.

Every case ends in the same judgement (`test_faults`): the uids that were accepted are those of the kernel's log, in
its order, each once unless the case says that an answer gets lost; the counter's last value is the number of kills;
what was given up is counted. What `run` asserts goes beyond that.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from faults import acts
from faults.scene import Scene
from grpc import StatusCode
from support.otlp_receiver import Protocol
from support.otlp_servers import Answer

_SHORT: Final = {"OTEL_EXPORTER_OTLP_TIMEOUT": "1000"}


@dataclass(frozen=True)
class Case:
    """One fault.

    collector, expected: the row of the table; protocols: how it is made, where not both have it
    variables: settings of the agent; has_network: the collector is on a machine of its own
    may_repeat: an answer gets lost, so a record may come twice; given_up: how many are counted as rejected
    """

    name: str
    collector: str
    expected: str
    run: Callable[[Scene], None]
    protocols: tuple[Protocol, ...] = ("http/protobuf", "grpc")
    variables: Mapping[str, str] = field(default_factory=lambda: _SHORT)
    has_network: bool = False
    may_repeat: bool = False
    given_up: int = 0


CASES: Final = (
    Case("refused", "refuses connections, then is back", "The first record within 1.5 s of its return.", acts.refused),
    Case(
        "next kill",
        "on another machine refuses connections, then is back",
        "All within 1 s of the next kill, or at the next try, after 5 s at most in the first five minutes.",
        acts.next_kill,
        has_network=True,
    ),
    Case("slow", "answers slowly, within the timeout", "Nobody waits for it; one request after the other.", acts.slow),
    Case("hang", "takes requests and never answers", "Given up after the timeout, kept, said, sent again.", acts.hang),
    Case(
        "drip",
        "answers byte by byte, without an end",
        "The timeout bounds the whole request.",
        acts.drip,
        protocols=("http/protobuf",),
    ),
    Case(
        "moved",
        "answers 301",
        "A failure: kept, said with the place it names, never followed.",
        acts.answers(Answer(301), Answer(), "OTEL_EXPORTER_OTLP_ENDPOINT must name the final place"),
        protocols=("http/protobuf",),
    ),
    Case(
        "moved for now",
        "answers 307",
        "The same.",
        acts.answers(Answer(307), Answer(), "OTEL_EXPORTER_OTLP_ENDPOINT must name the final place"),
        protocols=("http/protobuf",),
    ),
    Case(
        "no key",
        "answers 401; UNAUTHENTICATED",
        "Kept until the key is right, and said.",
        acts.answers(Answer(401), Answer(StatusCode.UNAUTHENTICATED), "OTEL_EXPORTER_OTLP_HEADERS carries the key"),
    ),
    Case(
        "forbidden",
        "answers 403; PERMISSION_DENIED",
        "The same.",
        acts.answers(Answer(403), Answer(StatusCode.PERMISSION_DENIED), "OTEL_EXPORTER_OTLP_HEADERS carries the key"),
    ),
    Case(
        "unavailable",
        "answers 503; UNAVAILABLE",
        "Kept, said, sent again: the first record within 1.5 s of its return.",
        acts.answers(Answer(503), Answer(StatusCode.UNAVAILABLE)),
    ),
    Case(
        "told to wait",
        "answers 429 with Retry-After; RESOURCE_EXHAUSTED with RetryInfo",
        "Not tried before that time, not even for a new kill.",
        acts.told,
    ),
    Case(
        "poisoned",
        "refuses one event for good: 400; INVALID_ARGUMENT",
        "The request is halved until that one stands alone: set aside, counted as rejected; all others in order.",
        acts.poisoned,
        given_up=1,
    ),
    Case(
        "too large",
        "refuses more than two events at once: 413; message larger than max",
        "Halved until it is small enough.",
        acts.too_large,
    ),
    Case(
        "partial success",
        "accepts a request but for one record",
        "Counted as rejected, and not sent again.",
        acts.partly,
        given_up=1,
    ),
    Case(
        "lost answer",
        "stores a request, then resets the connection; says UNAVAILABLE",
        "Sent again with equal uids.",
        acts.lost_answer,
        may_repeat=True,
    ),
    Case(
        "restarts",
        "is stopped and started amid a storm, its connections cut",
        "Sent again, where the answer was lost with equal uids.",
        acts.restarts,
        may_repeat=True,
    ),
    Case(
        "dead connection",
        "is behind a firewall that forgot the connections: no packet passes, no reset comes",
        "A new connection: 5 s from the first request into the dead one to its receipt.",
        acts.dead,
        variables={},
        has_network=True,
    ),
    Case(
        "dead connection, long timeout",
        "the same, with a timeout of 10 s",
        "The same.",
        acts.dead,
        variables={"OTEL_EXPORTER_OTLP_TIMEOUT": "10000"},
        has_network=True,
    ),
    Case(
        "cut",
        "is behind a cable that is pulled out, and put back",
        "Noticed within 5 s; all arrive with the first try after its return, some twice with equal uids.",
        acts.cut,
        variables={},
        has_network=True,
        may_repeat=True,
    ),
)


def table() -> str:
    """The table of README.md."""
    rows = [f"| {case.name} | {case.collector} | {case.expected} |" for case in CASES]
    return "\n".join(["| case | the collector … | expected |", "| --- | --- | --- |", *rows])
