"""A receiver, a cgroup for kills and a judge that reads the log; what arrived, and what is stored.

- OTEL_OOM_FREEZE_S: how long a disk hangs, seconds (3; the long form has 20)
- OTEL_OOM_STORM: number of kills in a storm (100; the long form has 500)
"""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

from support import real_kills, received_telemetry
from support.agents import AgentProcess
from support.kernel_judge import Judge, judging
from support.otlp_receiver import OtlpReceiver, Request
from support.spool_files import NEWEST_CHECKPOINT
from support.waiting import eventually

from otel_oom import schema
from otel_oom.demo.kill_sandbox import Sandbox

FREEZE_S = float(os.environ.get("OTEL_OOM_FREEZE_S", "3"))
STORM = int(os.environ.get("OTEL_OOM_STORM", "100"))
HEARTBEAT_MS = 200


@dataclass
class Scene:
    """What the tests of this folder share. directory: on a disk without a fault."""

    directory: Path
    receiver: OtlpReceiver
    judge: Judge
    made: Sandbox

    def agent(self, name: str, spool: Path, *flags: str) -> AgentProcess:
        """An agent with a stderr file of its own, so that two can run at the same time."""
        directory = self.directory / name
        directory.mkdir()
        settings = {
            **self.receiver.settings,
            "OTEL_METRIC_EXPORT_INTERVAL": str(HEARTBEAT_MS),
            "OTEL_OOM_SPOOL": str(spool),
        }
        return AgentProcess(directory, settings, *flags)

    def kill(self, kills: int = 1, *, every_s: float = 0.0) -> None:
        """Make real kills with a pause after each."""
        for _ in range(kills):
            real_kills.kill(self.made)
            time.sleep(every_s)

    def storm(self, kills: int) -> None:
        """Make real kills as fast as the kernel can."""
        real_kills.kill(self.made, kills, parallel=2)

    def said(self, agent: AgentProcess, words: str) -> None:
        """Wait until an agent has written these words."""
        assert eventually(lambda: words in agent.said()), agent.said()

    def everything_arrives(self, within_s: float = 10.0) -> None:
        """Wait until the accepted kills are those of the kernel's log."""
        eventually(lambda: received_telemetry.uids(self.receiver) >= self.judge.uids, within_s=within_s)
        assert received_telemetry.uids(self.receiver) == self.judge.uids
        assert self.judge.counted == len(self.judge.kills)

    def last(self, metric: schema.Metric, attributes: str = "") -> Any:
        """The newest accepted value of a metric."""
        return received_telemetry.newest_value(self.receiver, metric, attributes)

    def becomes(self, metric: schema.Metric, value: int, attributes: str = "", *, within_s: float = 10.0) -> None:
        """Wait until this is the newest accepted value of a metric."""
        eventually(lambda: self.last(metric, attributes) == value, within_s=within_s)
        assert self.last(metric, attributes) == value

    def becomes_durable(self, since_s: float, within_s: float) -> float:
        """Wait until the spool is durable again; returns how long that took since `since_s`, seconds."""
        self.receiver.wait(lambda: self.last(schema.SPOOL_DURABLE) == 1, within_s)
        durable = [value for when_s, value in self.durable() if when_s < since_s]
        assert not durable or durable[-1] == 0
        return next(when_s for when_s, value in self.durable() if value and when_s >= since_s) - since_s

    def durable(self) -> list[tuple[float, int]]:
        """Each export: its arrival, monotonic seconds, and the value of `otel_oom.spool.durable` in it."""
        return [
            (one.arrived_s, values[""])
            for one in self.receiver.accepted("metrics")
            if (values := one.values(schema.SPOOL_DURABLE.name))
        ]

    def delays_ms(self) -> dict[str, float]:
        """Time from the stamp of each kill to its arrival, by uid, in the order of the stamps."""
        wall_s = time.time() - time.monotonic()
        found: dict[str, tuple[float, float]] = {}
        for request in self.receiver.accepted("logs"):
            for stamp_ns, uid in zip(stamps_ns(request), request.uids, strict=True):
                found.setdefault(uid, (stamp_ns / 1e9, (request.arrived_s + wall_s - stamp_ns / 1e9) * 1000))
        return {uid: delay for uid, (_, delay) in sorted(found.items(), key=lambda item: item[1])}

    def counter_delays_s(self) -> list[float]:
        """Time from the stamp of the nth kill to the first export whose total has it."""
        wall_s = time.time() - time.monotonic()
        stamps_s = sorted(stamp / 1e9 for one in self.receiver.accepted("logs") for stamp in stamps_ns(one))
        totals = [
            (one.arrived_s + wall_s, one.values(schema.KILLS.name).get("cgroup", 0))
            for one in self.receiver.accepted("metrics")
        ]
        return [
            next(when_s for when_s, total in totals if total >= nth) - stamp_s
            for nth, stamp_s in enumerate(stamps_s, 1)
        ]

    def assert_one_series(self) -> None:
        """All points have one instance and one start time, and neither time nor total decreases."""
        points = received_telemetry.points(self.receiver, schema.KILLS, "cgroup")
        assert len({(point.instance, point.start_time_unix_nano) for point in points}) == 1
        assert all(after.time_unix_nano > before.time_unix_nano for before, after in pairwise(points))
        assert all(after.value >= before.value for before, after in pairwise(points))


def stamps_ns(request: Request) -> list[int]:
    """The timestamps of the log records, ns since the Unix epoch."""
    return [record.time_unix_nano for record in request.log_records]


def spread_ms(delays_ms: Sequence[float]) -> str:
    """Median and maximum, to be printed."""
    return f"p50 {median(delays_ms):.1f} ms, max {max(delays_ms):.1f} ms ({len(delays_ms)} kills)"


def stored_kills(spool: Path) -> int:
    """The total of kills in the store. The disk must not hang."""
    return int(_state(spool)["totals"]["kills"].get("cgroup", 0))


def stored_events(spool: Path) -> int:
    """The number of events in the store. The disk must not hang."""
    with closing(sqlite3.connect(spool / "spool.db")) as database:
        (count,) = database.execute("SELECT count(*) FROM events").fetchone()
        return int(count)


def _state(spool: Path) -> dict[str, Any]:
    with closing(sqlite3.connect(spool / "spool.db")) as database:
        (text,) = database.execute(f"SELECT state FROM {NEWEST_CHECKPOINT}").fetchone()
        state: dict[str, Any] = json.loads(text)
        return state


@contextmanager
def scene(directory: Path) -> Iterator[Scene]:
    """A scene without an agent."""
    with real_kills.sandbox() as made, OtlpReceiver("http/protobuf") as receiver, judging() as judge:
        yield Scene(directory, receiver, judge, made)
