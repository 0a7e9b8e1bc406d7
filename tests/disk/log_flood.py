"""Two programs: one floods the kernel log, the other reads it. The test does something else meanwhile.

flood LINES_PER_S SECONDS   writes lines as user space, and prints their number
watch                       reads from the end of the log until stdin ends, and prints its report as JSON

Rules:
- The reader is independent of the package, and continues when it is overrun: sequence numbers show the gap.
- The kernel limits writes to /dev/kmsg to 10 lines in 5 s for each open file, unless printk.devkmsg is `on`
  (Documentation/admin-guide/kernel-parameters.txt). Where that cannot be set, each line opens the file again, which
  is slower.
"""

from __future__ import annotations

import json
import os
import select
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_SWITCH = Path("/proc/sys/kernel/printk_devkmsg")
_BATCHES_PER_S = 100


@contextmanager
def without_limit() -> Iterator[bool]:
    """Set printk.devkmsg to `on` while the context lasts; yields whether it is `on`."""
    before = _SWITCH.read_text() if _SWITCH.exists() else ""
    try:
        _SWITCH.write_text("on\n")
    except OSError:  # locked by the kernel's command line
        yield before.strip() == "on"
        return
    try:
        yield True
    finally:
        _SWITCH.write_text(before)


def flood(lines_per_s: int, seconds: float) -> int:
    """Write lines at this rate, or as fast as possible; returns their number."""
    is_limited = _SWITCH.read_text().strip() != "on"
    kept = os.open("/dev/kmsg", os.O_WRONLY)
    written, began_s = 0, time.monotonic()
    while (now_s := time.monotonic()) < began_s + seconds:
        due = int((now_s - began_s) * lines_per_s) + lines_per_s // _BATCHES_PER_S
        while written < due and time.monotonic() < began_s + seconds:
            line = f"<14>otel-oom test: line {written} of a flood\n".encode()
            if is_limited:
                fd = os.open("/dev/kmsg", os.O_WRONLY)
                os.write(fd, line)
                os.close(fd)
            else:
                os.write(kept, line)
            written += 1
        time.sleep(1 / _BATCHES_PER_S)
    return written


def watch() -> dict[str, object]:
    """read: number of records; first, last: their sequence numbers; overruns: number; kills: raw kill lines."""
    fd = os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK)
    os.lseek(fd, 0, os.SEEK_END)
    print("watching", flush=True)  # noqa: T201 the test waits for it
    sequences: list[int] = [0, 0]
    read = overruns = 0
    kills: list[str] = []
    is_last = False
    while True:
        try:
            raw = os.read(fd, 8192)
        except BlockingIOError:
            if is_last:
                break
            ready, _, _ = select.select([fd, 0], [], [])
            is_last = 0 in ready
            continue
        except BrokenPipeError:
            overruns += 1
            continue
        priority, sequence, _ = raw.split(b",", 2)
        sequences = [sequences[0] if read else int(sequence), int(sequence)]
        read += 1
        if int(priority) >> 3 == 0 and b"Killed process " in raw:
            kills.append(raw.decode("ascii").partition("\n")[0])
    return {"read": read, "first": sequences[0], "last": sequences[1], "overruns": overruns, "kills": kills}


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["flood", lines_per_s, seconds]:
            print(flood(int(lines_per_s), float(seconds)))  # noqa: T201
        case ["watch"]:
            print(json.dumps(watch()))  # noqa: T201
        case _:
            sys.exit(__doc__)
