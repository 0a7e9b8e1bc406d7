"""The device reader on the real /dev/kmsg, judged by an independent reader."""

from __future__ import annotations

import threading
import time

import pytest
from support.kernel_log import KernelLog, require_device, write_line
from support.levels import missing

from otel_oom.kernel.device import Device
from otel_oom.kernel.log_source import Item, Lost, Reading

OVERRUN_LINES = 6_000  # the default ring of 128 KiB holds some 1,900 records; a larger one is not overrun


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
