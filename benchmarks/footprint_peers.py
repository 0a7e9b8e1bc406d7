"""What the processes take while nothing happens: otel-oom, a stock SDK process, a Collector and the peers' programs.

All run side by side, each round with new processes. The figures are the kernel's own: see `footprint.py`. The Collector
is the small one of the tests, with collector-config.yaml.
"""

from __future__ import annotations

import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from collector.otelcol import Collector
from support.otlp_receiver import OtlpReceiver

from benchmarks import watchers
from benchmarks.footprint import ProcessUsage, process, usage_of
from benchmarks.measured import Measure, program, progress

_SETTLE_S: Final = 6.0
_IDLE_S: Final = 20.0
_SDK: Final = str(Path(__file__).with_name("bare_sdk.py"))
_AGENT: Final = ["-m", "otel_oom", "run"]
_QUIET: Final = {"OTEL_LOG_LEVEL": "error"}
SCENARIO: Final = "idle"


@contextmanager
def processes(directory: Path) -> Iterator[dict[str, int]]:
    """The pid of each process, by name."""
    with ExitStack() as stack:
        http = stack.enter_context(OtlpReceiver("http/protobuf")).settings
        grpc = stack.enter_context(OtlpReceiver("grpc")).settings
        ways = {
            "otel-oom, HTTP, spool": (_AGENT, http, str(directory / "http")),
            "otel-oom, HTTP, no spool": (_AGENT, http, "none"),
            "otel-oom, gRPC, spool": (_AGENT, grpc, str(directory / "grpc")),
            "SDK alone, HTTP": ([_SDK, "http"], http, ""),
            "SDK alone, gRPC": ([_SDK, "grpc"], grpc, ""),
        }
        pids = {}
        for name, (arguments, settings, spool) in ways.items():
            pids[name] = stack.enter_context(process(arguments, {**settings, **_QUIET, "OTEL_OOM_SPOOL": spool}))
        (directory / "collector").mkdir()
        collector = stack.enter_context(Collector(directory / "collector"))
        assert collector._process
        pids["Collector"] = collector._process.pid
        running = stack.enter_context(watchers.watchers(directory))
        yield pids | {name: one.pid for name, one in running.items()}


def run(measure: Measure) -> None:
    """Measure."""
    rows: dict[tuple[str, str, str], list[float]] = defaultdict(list)
    for turn in range(measure.repeats):
        with tempfile.TemporaryDirectory() as directory, processes(Path(directory)) as pids:
            time.sleep(1.0 if measure.is_short else _SETTLE_S)
            before = {name: usage_of(pid) for name, pid in pids.items()}
            time.sleep(1.0 if measure.is_short else _IDLE_S)
            for name, pid in pids.items():
                for (quantity, unit), value in taken(before[name], usage_of(pid)).items():
                    rows[name, quantity, unit].append(value)
        progress(f"round {turn + 1} of {measure.repeats}")
    for (name, quantity, unit), values in rows.items():
        measure.add(SCENARIO, name, quantity, unit, values)
    measure.notes.append(
        "The peers' programs are their parsers in small programs of ours, not whole cAdvisor or node-problem-detector."
    )


def taken(begin: ProcessUsage, end: ProcessUsage) -> dict[tuple[str, str], float]:
    """Figures of one process by quantity and unit."""
    took_s = end.at_s - begin.at_s
    return {
        ("resident memory", "MiB"): end.rss / 1024,
        ("threads", ""): end.threads,
        ("wake-ups", "1/min"): (end.wake_ups - begin.wake_ups) * 60 / took_s,
        ("processor time", "% of a core"): (end.cpu_ns - begin.cpu_ns) / 1e7 / took_s,
    }


if __name__ == "__main__":
    program("footprint_peers", run)
