"""THE table of faults of a collector: what it does, and what the agent is expected to do. The documents show it.

tests/faults makes each of them. Every case ends in the same judgement, see faults/test_faults.py. A second table has
the faults of the agent's own standard error, see faults/test_stderr.py.
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
        "All within 1 s of the next kill, or at the next attempt, after 5 s at most in the first five minutes.",
    ),
    Fault("slow", "answers slowly, within the timeout", "Nothing else waits; one request follows the other."),
    Fault("hang", "accepts requests and never answers", "Ended at the timeout, kept, logged, sent again."),
    Fault("drip", "answers byte by byte, without an end", "The timeout bounds the whole request."),
    Fault(
        "moved",
        "answers 301, then itself",
        "Kept, logged with the place that it names, never followed. Attempts are rare, up to 30 s apart. All arrive "
        "within 5 s of the next kill.",
    ),
    Fault("moved for now", "answers 307, then itself", "The same."),
    Fault("no key", "answers 401; UNAUTHENTICATED", "Kept until the key is right, logged, and as rare."),
    Fault("forbidden", "answers 403; PERMISSION_DENIED", "The same."),
    Fault(
        "web page",
        "is a login page or a dashboard: 200 with text/html, over gRPC without a grpc-status",
        "No acceptance: kept, logged with the page's title, and as rare.",
    ),
    Fault("garbage", "answers a success with bytes that are no OTLP message", "The same."),
    Fault(
        "own words",
        "answers 500 with its reason; INTERNAL",
        "Kept, logged with the reason, sent again: the first record within 1.5 s of its return.",
    ),
    Fault("warning", "accepts all with a partial success that has only a message", "Accepted, and logged."),
    Fault(
        "half a certificate",
        "demands a client certificate, and the agent has only the half of it: a variable or a file is missing",
        "No start: exit code 2, and one line with the variable. After the correction all kills arrive.",
    ),
    Fault(
        "unavailable",
        "answers 503; UNAVAILABLE",
        "Kept, logged, sent again: the first record within 1.5 s of its return.",
    ),
    Fault(
        "retry later",
        "answers 429 with Retry-After; RESOURCE_EXHAUSTED with RetryInfo",
        "No attempt before that time, not even for a new kill.",
    ),
    Fault(
        "poisoned",
        "rejects one event permanently: 400; INVALID_ARGUMENT",
        "The request is halved until that event is alone: in quarantine, counted as rejected; all others in order.",
    ),
    Fault(
        "too large",
        "rejects more than two events at once: 413; message larger than max",
        "Halved until it is small enough.",
    ),
    Fault("partial success", "accepts a request except for one record", "Counted as rejected, and not sent again."),
    Fault(
        "lost answer",
        "stores a request, then resets the connection; says UNAVAILABLE",
        "Sent again with equal uids.",
    ),
    Fault(
        "restarts",
        "is stopped and started during a storm, its connections closed",
        "Sent again, with equal uids where the answer was lost.",
    ),
    Fault(
        "dead connection",
        "is behind a firewall that forgot the connections: no packet passes, no reset arrives",
        "A new connection: the first request on the dead one is received within 5 s.",
    ),
    Fault("dead connection, long timeout", "the same, with a timeout of 10 s", "The same."),
    Fault(
        "cut",
        "is behind a cable that is pulled out and put back",
        "Noticed within 5 s; all arrive with the first attempt after its return, some twice with equal uids.",
    ),
)


@dataclass(frozen=True)
class StderrFault:
    """A row. stderr: the end of a sentence that begins "standard error …"; expected: of the agent."""

    name: str
    stderr: str
    expected: str


STDERR_FAULTS: Final = (
    StderrFault(
        "full from the start",
        "is a pipe that is full and that nobody reads",
        "Kills arrive as from an agent beside it whose lines are read; a stop ends within 3 s.",
    ),
    StderrFault(
        "fills in a storm",
        "is a pipe that fills up in a storm of kills, while the collector refuses them and user space forges one",
        "The same; the lines that waited are written when the pipe is read again.",
    ),
)


def table() -> str:
    """The table of faults of a collector, in Markdown."""
    rows = [f"| {fault.name} | {fault.collector} | {fault.expected} |" for fault in FAULTS]
    return "\n".join(["| case | the collector … | expected |", "| --- | --- | --- |", *rows])


def stderr_table() -> str:
    """The table of faults of standard error, in Markdown."""
    rows = [f"| {fault.name} | {fault.stderr} | {fault.expected} |" for fault in STDERR_FAULTS]
    return "\n".join(["| case | standard error … | expected |", "| --- | --- | --- |", *rows])
