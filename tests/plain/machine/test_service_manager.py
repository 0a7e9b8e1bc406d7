"""Messages to systemd over a real datagram socket."""

from __future__ import annotations

import logging
import math
import os
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from otel_oom.machine.service_manager import NO_SERVICE_MANAGER, find_service_manager

PID = 4711


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[socket.socket, str]]:
    """The socket of a service manager, and its address as systemd writes it."""
    name = f"otel-oom-test-{os.getpid()}" if request.param == "abstract" else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(f"\0{name}" if request.param == "abstract" else name)
        receiver.setblocking(False)
        yield receiver, f"@{name}" if request.param == "abstract" else name


def messages(receiver: socket.socket) -> list[bytes]:
    found: list[bytes] = []
    with suppress(BlockingIOError):
        while message := receiver.recv(4096):
            found.append(message)
    return found


def test_the_states_of_a_run(manager: tuple[socket.socket, str]) -> None:
    receiver, address = manager
    environ = {"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "60000000", "WATCHDOG_PID": str(PID), "HOME": "/"}
    service = find_service_manager(environ, PID)
    assert environ == {"HOME": "/"}
    assert service.longest_wait_s == 20
    service.ready("watching /dev/kmsg")
    for now_s in (100.0, 105.0, 119.9, 120.0, 125.0):
        service.turned(now_s)
    service.stopping("SIGTERM")
    assert messages(receiver) == [
        b"READY=1\nSTATUS=watching /dev/kmsg",
        b"WATCHDOG=1",
        b"WATCHDOG=1",
        b"STOPPING=1\nSTATUS=SIGTERM",
    ]


@pytest.mark.parametrize(
    ("watchdog", "expected"),
    [
        pytest.param({}, None, id="no WatchdogSec="),
        pytest.param({"WATCHDOG_USEC": "0"}, None, id="off"),
        pytest.param({"WATCHDOG_USEC": "-5"}, None, id="negative"),
        pytest.param({"WATCHDOG_USEC": "6s"}, None, id="not a number"),
        pytest.param({"WATCHDOG_USEC": "6000000", "WATCHDOG_PID": "1"}, None, id="of another process"),
        pytest.param({"WATCHDOG_USEC": "6000000"}, 2.0, id="of whatever process"),
    ],
)
def test_when_the_watchdog_is_on(
    tmp_path: Path, watchdog: dict[str, str], expected: float | None, caplog: pytest.LogCaptureFixture
) -> None:
    service = find_service_manager({"NOTIFY_SOCKET": str(tmp_path / "notify"), **watchdog}, PID)
    assert service.longest_wait_s == (math.inf if expected is None else expected)
    service.turned(1.0)
    assert bool(caplog.records) is (expected is not None), "a message was tried"


@pytest.mark.parametrize("address", ["", "@", "/", "notify", "vsock:2:1234"])
def test_without_a_usable_address_nothing_is_sent(address: str) -> None:
    environ = {"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "6000000"}
    assert find_service_manager(environ, PID) is NO_SERVICE_MANAGER
    assert environ == {}
    NO_SERVICE_MANAGER.ready("watching")
    NO_SERVICE_MANAGER.turned(1.0)


def test_a_manager_that_is_gone_is_one_line_and_the_next_turn_tries_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "notify"
    service = find_service_manager({"NOTIFY_SOCKET": str(path), "WATCHDOG_USEC": "60000000"}, PID)
    with caplog.at_level(logging.WARNING):
        service.turned(100.0)
        service.turned(105.0)
    (record,) = caplog.records
    assert record.getMessage() == (
        "the service manager does not take the state of this agent (No such file or directory), and may restart it; "
        "set NotifyAccess=main in its unit, or Type=exec without WatchdogSec="
    )
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(str(path))
        receiver.setblocking(False)
        service.turned(110.0)
        assert messages(receiver) == [b"WATCHDOG=1"]


def test_a_manager_that_reads_nothing_is_not_waited_for(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(str(path))
        service = find_service_manager({"NOTIFY_SOCKET": str(path)}, PID)
        for _ in range(10_000):  # net.unix.max_dgram_qlen is 10 to 512
            service.ready("watching")
            if caplog.records:
                break
    assert "Resource temporarily unavailable" in caplog.text
