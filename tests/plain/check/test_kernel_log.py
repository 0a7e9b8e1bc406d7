"""The checks of the kernel log: readable or not, and the size of its ring."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from otel_oom.check import kernel_log
from otel_oom.check.finding import Finding
from otel_oom.check.kernel_log import check_kernel_log, ring_bytes, ring_finding
from otel_oom.errors import NoPermissionError
from otel_oom.kernel.log_source import Closed, Item, Reading


class Opened:
    """A device that can be opened. reading: the answer of its first read."""

    closed = 0

    def __init__(self, reading: Reading) -> None:
        self._reading = reading

    def __call__(self, *_: object, **__: object) -> Opened:
        return self

    def open(self) -> None:
        if isinstance(self._reading, Closed) and self._reading.reason == "forbidden":
            raise NoPermissionError("no permission to read /dev/kmsg", "run as root")

    def read(self) -> Reading:
        return self._reading

    def close(self) -> None:
        Opened.closed += 1


@pytest.fixture(autouse=True)
def everything_is_closed() -> Iterator[None]:
    Opened.closed = 0
    yield
    assert Opened.closed <= 1


@pytest.mark.parametrize("reading", [None, Item(b"6,1,1,-;text\n", 1)])
def test_a_log_that_can_be_read(reading: Reading, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel_log, "Device", Opened(reading))
    readable, ring = check_kernel_log("/dev/kmsg")
    assert readable == Finding("kernel log", "ok", "/dev/kmsg can be read")
    assert (ring.name, Opened.closed) == ("log ring", 1)


def test_a_log_that_gives_no_records(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel_log, "Device", Opened(Closed("end of file: not a kernel log device")))
    (found,) = check_kernel_log("/a")
    assert (found.status, found.text) == ("failed", "/a cannot be read: end of file: not a kernel log device")
    assert Opened.closed == 1


def test_no_permission(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel_log, "Device", Opened(Closed("forbidden")))
    assert list(check_kernel_log("/dev/kmsg")) == [
        Finding("kernel log", "failed", "no permission to read /dev/kmsg", "run as root")
    ]


@pytest.mark.parametrize(("path", "text"), [("/nowhere", "cannot open /nowhere"), ("/dev/zero", "is no kernel log")])
def test_no_device(path: str, text: str) -> None:
    (found,) = check_kernel_log(path)
    assert (found.status, text in found.text, bool(found.remedy)) == ("failed", True, True)


@pytest.mark.parametrize(
    ("size", "status", "text"),
    [
        (None, "warning", "its size is unknown: no permission"),
        (1 << 17, "warning", "128 KiB: it holds the lines of some 485 kills of a storm"),
        (1 << 18, "ok", "256 KiB: it holds the lines of some 970 kills of a storm"),
        (1 << 20, "ok", "1024 KiB: it holds the lines of some 3,883 kills of a storm"),
    ],
)
def test_the_size_of_the_ring(size: int | None, status: str, text: str) -> None:
    found = ring_finding(size)
    assert (found.status, found.text, bool(found.remedy)) == (status, text, status != "ok")


def test_the_ring_of_this_machine() -> None:
    size = ring_bytes()
    assert size is None or size >= 1 << 12
