"""The device reader on the real /dev/kmsg, judged by an independent reader."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.kernel_log import KernelLog, require_device, write_line
from support.levels import missing

from otel_oom.kernel.device import Device
from otel_oom.kernel.log_source import Item, Lost, Reading

OVERRUN_LINES = 6_000  # the default ring of 128 KiB holds some 1,900 records; a larger one is not overrun
DMESG_RESTRICT = Path("/proc/sys/kernel/dmesg_restrict").read_text() == "1\n"


def read_all(device: Device) -> list[Reading]:
    readings: list[Reading] = []
    while (reading := device.read()) is not None:
        readings.append(reading)
    return readings


@pytest.fixture
def device() -> Device:
    require_device()
    return Device()


def test_it_reads_from_the_end(device: Device) -> None:
    write_line("otel-oom test: before the open")
    device.open()
    write_line("otel-oom test: after the open")
    before_ns = time.time_ns()
    items = [reading for reading in read_all(device) if isinstance(reading, Item)]
    assert not [item for item in items if b"before the open" in item.raw]
    (item,) = [item for item in items if b"after the open" in item.raw]
    assert before_ns <= item.observed_ns <= time.time_ns()
    device.close()


def test_with_from_ring_it_reads_what_the_ring_holds() -> None:
    require_device()
    write_line("otel-oom test: in the ring")
    device = Device(from_ring=True)
    device.open()
    assert [one for one in read_all(device) if isinstance(one, Item) and b"in the ring" in one.raw]
    device.close()


def test_it_waits_for_a_record_without_polling(device: Device) -> None:
    device.open()
    read_all(device)
    threading.Timer(0.2, write_line, ["otel-oom test: wake up"]).start()
    began = time.monotonic()
    used = time.thread_time()
    seen: list[Reading] = []
    while not seen and time.monotonic() - began < 10:
        device.wait(10)
        seen += [one for one in read_all(device) if isinstance(one, Item) and b"wake up" in one.raw]
    assert 0.1 < time.monotonic() - began < 5
    assert time.thread_time() - used < 0.05
    device.close()


def test_an_overrun_is_counted_exactly(device: Device) -> None:
    device.open()
    with KernelLog() as log:
        write_line("otel-oom test: first")
        first = log.read()[-1].sequence
        assert [one for one in read_all(device) if isinstance(one, Item) and b"test: first" in one.raw]
        for number in range(OVERRUN_LINES):
            write_line(f"otel-oom test: filling the ring, line {number}")
    readings = read_all(device)
    if not isinstance(readings[0], Lost):
        missing("kernel", f"the ring holds more than {OVERRUN_LINES} records (log_buf_len)")
    lost = [one.count for one in readings if isinstance(one, Lost)]
    items = [one for one in readings if isinstance(one, Item)]
    last = int(items[-1].raw.split(b",")[1])
    assert last - first == sum(lost) + len(items)
    device.close()


@pytest.fixture
def log_as_stdin() -> Iterator[None]:
    """As systemd does with StandardInput=file:/dev/kmsg."""
    require_device()
    stdin = os.dup(0)
    log = os.open("/dev/kmsg", os.O_RDONLY)
    os.dup2(log, 0)
    os.close(log)
    yield
    os.dup2(stdin, 0)
    os.close(stdin)


@pytest.mark.usefixtures("log_as_stdin")
def test_readers_of_one_open_file_miss_nothing_and_repeat_nothing() -> None:
    def count(device: Device) -> int:
        return sum(isinstance(one, Item) and b"one open file" in one.raw for one in read_all(device))

    first, second = Device("/dev/stdin"), Device("/dev/stdin", from_ring=True)
    first.open()
    write_line("otel-oom test: one open file")
    second.open()
    assert count(second) >= 1
    second.close()
    assert (count(first), count(first)) == (1, 0)
    write_line("otel-oom test: one open file")
    assert (count(first), count(first)) == (1, 0)
    first.close()


@pytest.mark.usefixtures("log_as_stdin")
def test_a_log_that_was_opened_for_it_is_read_without_a_permission() -> None:
    command = [
        *("setpriv", "--reuid=65534", "--clear-groups", "--bounding-set=-all", "--inh-caps=-all"),
        sys.executable,
    ]
    for path, expected in (("/dev/stdin", 0), ("/dev/kmsg", 1)):
        script = f"from otel_oom.kernel.device import Device; Device({path!r}).open()"
        done = subprocess.run([*command, "-c", script], stdin=0, capture_output=True, text=True, check=False)
        assert done.returncode == expected or (expected and not DMESG_RESTRICT), done.stderr
