"""A program to be measured from outside: an agent with a silent log, whose queue is filled on request.

It writes `ready` when it watches. Each line of stdin is a number of events to queue; then it writes `queued`.
It ends at the end of stdin.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import replace
from itertools import chain, cycle, islice

from support import corpus
from support.agents import agent_thread
from support.klog import CAPTURES
from support.sources import Script

from otel_oom import schema
from otel_oom.agent.start import ReadyAgent
from otel_oom.telemetry.event import Event
from otel_oom.telemetry.kill_event import LiveFacts, kill_event

BURST = 20


def storm(count: int) -> Iterator[Event]:
    """Real kills of a storm, the first with its report, all others without one. Their uids are numbers."""
    (capture,) = [path for path in CAPTURES if path.stem == "v618-storm"]
    first, *others = [kill_event(kill, LiveFacts(skew_s=0.001)) for kill in corpus.kills(capture.read_bytes())]
    for number, event in enumerate(islice(chain([first], cycle(others)), count)):
        yield replace(event, attributes={**event.attributes, schema.RECORD_UID.name: uid(number)})


def uid(number: int) -> str:
    return f"{number:036}"


def queue(agent: ReadyAgent, count: int) -> None:
    """Put events into the spool in bursts, as the reader does."""
    events = storm(count)
    while burst := list(islice(events, BURST)):
        checkpoint = agent.spool.checkpoint
        totals = checkpoint.totals
        for event in burst:
            totals = totals.plus("cgroup", event.observed_ns)
        agent.spool.put(burst, replace(checkpoint, totals=totals))


def main() -> None:
    settings = {name: value for name, value in os.environ.items() if name.startswith("OTEL_")}
    with agent_thread(settings, source=Script()) as agent:
        print("ready", flush=True)  # noqa: T201 its interface
        for line in sys.stdin:
            queue(agent, int(line))
            print("queued", flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
