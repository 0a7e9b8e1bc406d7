"""From the kill line to the collector: how long a log record is on its way, beside the SDK's own processors.

All ways end in one OTLP/HTTP receiver in this process and take their turns record by record, so the machine's mood
strikes all of them alike. Emitting begins where a ready-made record is handed over: to the SDK's logger, to the agent's
spool. The agent's ways are shown from the read of a recorded kill line as well: with the parsing and a look at /proc.

One agent also reads the state of a real cgroup for each kill: that of this process. Its last rows are ratios to the
agent without it.

    python benchmarks/latency.py [RECORDS]
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from opentelemetry._logs import SeverityNumber
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.sdk._logs import LoggerProvider, LogRecordProcessor
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor, SimpleLogRecordProcessor

from otel_oom.agent import start
from otel_oom.cgroupfs.cgroup_mounts import MemoryHierarchy, mounts_of_this_process
from otel_oom.cgroupfs.memory_state import MemoryStates, State
from otel_oom.config.settings import load_config
from otel_oom.demo.otlp_receiver import Receiver
from otel_oom.kernel.recorded_log import RecordedLog
from otel_oom.machine import procfs
from otel_oom.spool.checkpoint import Checkpoint
from otel_oom.spool.spool import Commit
from otel_oom.telemetry.event import Event

_WITH = "otel-oom with the spool"
_WITHOUT = "otel-oom --spool none"
_STATE = "otel-oom --spool none, with the cgroup's state"
_SIMPLE = "SimpleLogRecordProcessor"


def stock(processor: LogRecordProcessor) -> Callable[[], None]:
    """A logger of the SDK's own with a record of about the size of ours."""
    provider = LoggerProvider(shutdown_on_exit=False)
    provider.add_log_record_processor(processor)
    logger = provider.get_logger("benchmark")
    attributes = {f"oom.attribute.number{number}": "some twenty characters" for number in range(32)}

    def emit() -> None:
        now = time.time_ns()
        logger.emit(
            timestamp=now,
            observed_timestamp=now,
            severity_number=SeverityNumber.ERROR,
            body="python3 (pid 2110) was OOM-killed",
            attributes=attributes,
        )

    return emit


@dataclass
class Moments:
    """When the last record was emitted, and what was written to the disk since."""

    emitted: float = 0.0
    written: list[float] = field(default_factory=list)


class OwnCgroup(MemoryStates):
    """Reads the cgroup of this process in place of the recorded one, and notes the processor time that it takes."""

    def __init__(self, hierarchy: MemoryHierarchy) -> None:
        super().__init__(hierarchy)
        self.took_ms: list[float] = []
        self._path = own_cgroup(hierarchy)

    def of(self, limit: str | None, victim: str | None) -> State:
        """The state of this process's cgroup, whatever cgroup the recording names."""
        assert limit
        assert victim
        began_ns = time.thread_time_ns()
        state = super().of(self._path, None)
        self.took_ms.append((time.thread_time_ns() - began_ns) / 1e6)
        return state


def own_cgroup(hierarchy: MemoryHierarchy) -> str:
    """The path of this process in the hierarchy, from /proc/self/cgroup."""
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if ("memory" in controllers.split(",")) if hierarchy.version == 1 else not controllers:
            return path
    raise LookupError("/proc/self/cgroup")


@contextmanager
def agent(
    endpoint: str, spool: str, moments: Moments, memory_states: MemoryStates | None = None
) -> Iterator[Callable[[], None]]:
    """An agent that reads a recording. As beside a real kernel it reads the counter, which has each kill."""
    feed = RecordedLog()
    played = 0

    def kernel_kills() -> int:
        assert procfs.oom_kills() is not None
        return played

    def play() -> None:
        nonlocal played
        played += 1
        feed.play()

    made = start.prepare(
        load_config({"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint}, spool=spool),
        source=feed,
        kernel_kills=kernel_kills,
        memory_states=memory_states,
    )
    put, saved = made.spool.put, made.spool.saved

    def note_emitted(events: Sequence[Event], checkpoint: Checkpoint | None = None) -> None:
        if events:
            moments.emitted = time.perf_counter()
        put(events, checkpoint)

    def note_written(commit: Commit) -> None:
        saved(commit)
        moments.written.append(time.perf_counter())

    made.spool.put = note_emitted  # type: ignore[method-assign]
    made.spool.saved = note_written  # type: ignore[method-assign]
    thread = threading.Thread(target=made.run)
    thread.start()
    try:
        yield play
    finally:
        made.stop()
        thread.join()


def main(records: int) -> None:
    """Measure and print."""
    moments = {_WITH: Moments(), _WITHOUT: Moments(), _STATE: Moments()}
    hierarchy = mounts_of_this_process().memory
    states = OwnCgroup(hierarchy) if hierarchy else None
    with ExitStack() as stack:
        receiver = stack.enter_context(Receiver())
        endpoint = f"{receiver.endpoint}/v1/logs"
        directory = stack.enter_context(tempfile.TemporaryDirectory())
        ways = {
            _WITH: stack.enter_context(agent(receiver.endpoint, directory, moments[_WITH])),
            _WITHOUT: stack.enter_context(agent(receiver.endpoint, "none", moments[_WITHOUT])),
        }
        if states is not None:
            ways[_STATE] = stack.enter_context(agent(receiver.endpoint, "none", moments[_STATE], states))
        ways[_SIMPLE] = stock(SimpleLogRecordProcessor(OTLPLogExporter(endpoint=endpoint)))
        ways["BatchLogRecordProcessor"] = stock(BatchLogRecordProcessor(OTLPLogExporter(endpoint=endpoint)))
        took_ms: dict[str, list[float]] = {}
        durable_ms: list[float] = []
        for turn in range(records + 5):
            for way, go in ways.items():
                moment = moments.get(way, Moments())
                moment.written.clear()
                began = time.perf_counter()
                go()
                receiver.logs.get(timeout=10)
                ended = time.perf_counter()
                time.sleep(0.12)  # past the commit and the counter, as one kill among others of a day
                if turn < 5:
                    continue  # the first ones pay for connections
                took_ms.setdefault(way, []).append((ended - (moment.emitted or began)) * 1e3)
                if moment.emitted:
                    took_ms.setdefault(f"{way}, from the kill line", []).append((ended - began) * 1e3)
                durable_ms += [(moment.written[0] - began) * 1e3] if moment.written else []
    print(f"{records} records each, one at a time, OTLP/HTTP to a receiver in the same process: emit to receipt\n")
    print(f"{'':<68}{'p50 ms':>8}{'p99 ms':>8}{'p50 ratio':>11}{'p99 ratio':>11}")
    simple = _p50_p99(took_ms[_SIMPLE])
    for way, samples in took_ms.items():
        p50, p99 = _p50_p99(samples)
        print(f"{way:<68}{p50:>8.2f}{p99:>8.2f}{p50 / simple[0]:>11.2f}{p99 / simple[1]:>11.2f}")
    if states is not None:
        for ending in ("", ", from the kill line"):
            p50, p99 = _p50_p99(took_ms[_STATE + ending])
            p50_without, p99_without = _p50_p99(took_ms[_WITHOUT + ending])
            print(f"the cgroup's state{ending}: {p50 / p50_without:.2f} of p50, {p99 / p99_without:.2f} of p99")
        print("its look alone, processor time: p50 {:.2f} ms, p99 {:.2f} ms".format(*_p50_p99(states.took_ms)))
    print(f"\non disk after: p50 {statistics.median(durable_ms):.1f} ms, at most {max(durable_ms):.1f} ms")


def _p50_p99(samples: list[float]) -> tuple[float, float]:
    return statistics.median(samples), statistics.quantiles(samples, n=100)[98]


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200)
