"""THE table of faults of a collector: what it does, and what the agent is expected to do. The documents show it.

tests/faults makes each of them. Every case ends in the same judgement, see faults/test_faults.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Fault:
    """A row. collector: the end of a sentence that begins "the collector …"; expected: of the agent."""

    name: str
    collector: str
    expected: str


FAULTS: Final = (
    Fault("refused", "refuses connections, then is back", "The first record within 1.5 s of its return."),
    Fault(
        "next kill",
        "on another machine refuses connections, then is back",
        "All within 1 s of the next kill, or at the next try, after 5 s at most in the first five minutes.",
    ),
    Fault("slow", "answers slowly, within the timeout", "Nobody waits for it; one request after the other."),
    Fault("hang", "takes requests and never answers", "Given up after the timeout, kept, said, sent again."),
    Fault("drip", "answers byte by byte, without an end", "The timeout bounds the whole request."),
    Fault("moved", "answers 301", "A failure: kept, said with the place it names, never followed."),
    Fault("moved for now", "answers 307", "The same."),
    Fault("no key", "answers 401; UNAUTHENTICATED", "Kept until the key is right, and said."),
    Fault("forbidden", "answers 403; PERMISSION_DENIED", "The same."),
    Fault(
        "unavailable",
        "answers 503; UNAVAILABLE",
        "Kept, said, sent again: the first record within 1.5 s of its return.",
    ),
    Fault(
        "told to wait",
        "answers 429 with Retry-After; RESOURCE_EXHAUSTED with RetryInfo",
        "Not tried before that time, not even for a new kill.",
    ),
    Fault(
        "poisoned",
        "refuses one event for good: 400; INVALID_ARGUMENT",
        "The request is halved until that one stands alone: set aside, counted as rejected; all others in order.",
    ),
    Fault(
        "too large",
        "refuses more than two events at once: 413; message larger than max",
        "Halved until it is small enough.",
    ),
    Fault("partial success", "accepts a request but for one record", "Counted as rejected, and not sent again."),
    Fault(
        "lost answer",
        "stores a request, then resets the connection; says UNAVAILABLE",
        "Sent again with equal uids.",
    ),
    Fault(
        "restarts",
        "is stopped and started amid a storm, its connections cut",
        "Sent again, where the answer was lost with equal uids.",
    ),
    Fault(
        "dead connection",
        "is behind a firewall that forgot the connections: no packet passes, no reset comes",
        "A new connection: 5 s from the first request into the dead one to its receipt.",
    ),
    Fault("dead connection, long timeout", "the same, with a timeout of 10 s", "The same."),
    Fault(
        "cut",
        "is behind a cable that is pulled out, and put back",
        "Noticed within 5 s; all arrive with the first try after its return, some twice with equal uids.",
    ),
)


def table() -> str:
    """The table in Markdown."""
    rows = [f"| {fault.name} | {fault.collector} | {fault.expected} |" for fault in FAULTS]
    return "\n".join(["| case | the collector … | expected |", "| --- | --- | --- |", *rows])
