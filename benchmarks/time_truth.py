"""How wrong the time of a kill is after a standby of 30 s: otel-oom beside a reader that uses the record's own time.

In a guest (QEMU, tests/vm): the machine is stopped for 30 s, then its wall clock is set from the hardware clock, to
within a second, as a resume does. The kernel's log clock has stood still. The truth is this machine's clock around each
kill. The reader lays the record's time on the wall clock with the offset of the first kill, as cAdvisor and
node-problem-detector do with the boot time that they compute at their start.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Final

from vm.scene import Between, Received, scene

from benchmarks.measured import Measure, program, progress
from otel_oom import schema

OTEL_OOM: Final = "otel-oom"
READER: Final = "a reader that uses the record's time"
ERROR: Final = "error of the time of a kill"
SCENARIO: Final = "standby of 30 s"
_KERNEL: Final = "6.12"
_STANDBY_S: Final = 30.0


def error_s(time_ns: int, killed: Between) -> float:
    """Seconds from the middle of the true interval, without a sign."""
    return abs(time_ns - (killed.after_ns + killed.before_ns) / 2) / 1e9


def readers_time_ns(kill: Received, first: Received) -> int:
    """What the reader computes."""
    return first.time_ns + int((kill[schema.KMSG_TIMESTAMP] - first[schema.KMSG_TIMESTAMP]) * 1e9)


def run(measure: Measure) -> None:
    """Measure."""
    with tempfile.TemporaryDirectory() as directory, scene(_KERNEL, Path(directory)) as stage:
        stage.start()
        stage.kill()
        (first,) = stage.await_received(1)
        progress("the guest runs")
        stage.guest.sleep(5.0 if measure.is_short else _STANDBY_S)
        stage.set_clock()
        errors: dict[str, list[float]] = {OTEL_OOM: [], READER: []}
        for number in range(measure.repeats):
            killed = stage.kill()
            kill = stage.await_received(number + 2)[-1]
            errors[OTEL_OOM].append(error_s(kill.time_ns, killed))
            errors[READER].append(error_s(readers_time_ns(kill, first), killed))
    for name, values in errors.items():
        measure.add(SCENARIO, name, ERROR, "s", values)
    measure.notes.append("The guest's clock is set to within one second, so an error below one second is none.")


if __name__ == "__main__":
    program("time_truth", run)
