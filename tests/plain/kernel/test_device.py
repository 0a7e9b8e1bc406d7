"""The device reader with a scripted read(2): every errno is a result, every loss is counted."""

from __future__ import annotations

import errno
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from otel_oom.errors import NoDeviceError, NoPermissionError
from otel_oom.kernel import device as device_module
from otel_oom.kernel.device import Device
from otel_oom.kernel.log_source import Closed, Item, Lost, Reading, Skipped

NOW_NS = 1_700_000_000_000_000_000
Step = bytes | int
"""What a read gives: bytes, or an errno."""


def record(sequence: int) -> bytes:
    return f"6,{sequence},100,-;text {sequence}\n".encode()


class World:
    """`os` for the device: a pipe stands for the device, and read(2) of it is a script."""

    def __init__(self) -> None:
        self.script: deque[Step] = deque()
        self.open_error: OSError | None = None
        self.rdev = os.makedev(1, 11)
        self.writers: list[int] = []
        self.on_read: Callable[[], None] = lambda: None
        self._device = -1

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)

    def open(self, _path: str, flags: int) -> int:
        assert flags & os.O_NONBLOCK
        assert flags & os.O_CLOEXEC
        if self.open_error:
            raise self.open_error
        self._device, writer = os.pipe()
        self.writers.append(writer)
        return self._device

    def lseek(self, fd: int, offset: int, whence: int) -> int:
        assert (fd, offset, whence) == (self._device, 0, os.SEEK_SET)
        return 0

    def fstat(self, fd: int) -> os.stat_result:
        assert fd == self._device
        mode = Path("/dev/null").stat().st_mode
        return os.stat_result((mode, *[0] * 9), {"st_rdev": self.rdev})

    def read(self, fd: int, size: int) -> bytes:
        if fd != self._device:
            return os.read(fd, size)
        assert size == 8192
        self.on_read()
        step = self.script.popleft() if self.script else errno.EAGAIN
        if isinstance(step, int):
            raise OSError(step, os.strerror(step))
        return step


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    made = World()
    monkeypatch.setattr(device_module, "os", made)
    return made


def opened(world: World, *steps: Step, **options: Any) -> Device:
    device = Device(clock=lambda: NOW_NS, **options)
    device.open()
    world.script.extend(steps)
    return device


def readings(device: Device, words: Sequence[bytes] = ()) -> list[Reading]:
    """All up to the first None or Closed, with it."""
    found: list[Reading] = []
    while True:
        found.append(device.read(words))
        if found[-1] is None or isinstance(found[-1], Closed):
            return found


def item(sequence: int) -> Item:
    return Item(record(sequence), NOW_NS)


def lost(count: int, first: int | None) -> Lost:
    return Lost(count, NOW_NS, first)


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        pytest.param([], [None], id="nothing"),
        pytest.param([record(7), record(8)], [item(7), item(8), None], id="two"),
        pytest.param([record(7), errno.EPIPE, record(12)], [item(7), lost(4, 8), item(12), None], id="overrun"),
        pytest.param([record(7), errno.EPIPE, record(8)], [item(7), item(8), None], id="overrun of nothing new"),
        pytest.param([record(7), errno.EINVAL, record(9)], [item(7), lost(1, 8), item(9), None], id="too long"),
        pytest.param([record(7), record(10)], [item(7), lost(2, 8), item(10), None], id="a gap without an errno"),
        pytest.param([errno.EPIPE, record(12)], [lost(1, None), item(12), None], id="overrun before the first"),
        pytest.param([errno.EPIPE, errno.EPIPE, errno.EAGAIN], [None], id="overrun, then nothing yet"),
        pytest.param([b"garbage"], [Item(b"garbage", NOW_NS), None], id="no record"),
        pytest.param([record(7), b"x", record(8)], [item(7), Item(b"x", NOW_NS), item(8), None], id="one is no record"),
        pytest.param([b""], [Closed("end of file: not a kernel log device")], id="end"),
        pytest.param([record(7), errno.ENODEV], [item(7), Closed("No such device")], id="gone"),
        pytest.param([errno.EPERM], [Closed("Operation not permitted")], id="locked down"),
    ],
)
def test_every_read_has_a_result(world: World, steps: list[Step], expected: list[Reading]) -> None:
    assert readings(opened(world, *steps)) == expected


WORDS = (b"oom", b"other word")


def wanted(sequence: int) -> bytes:
    return f"6,{sequence},100,-;invoked oom-killer {sequence}\n".encode()


def found(sequence: int) -> Item:
    return Item(wanted(sequence), NOW_NS)


@pytest.mark.parametrize(
    ("steps", "expected", "next_sequence"),
    [
        pytest.param([], [None], None, id="nothing"),
        pytest.param([record(7), record(8)], [Skipped(2), None], 9, id="nothing wanted"),
        pytest.param([record(7), record(8), wanted(9)], [Skipped(1), item(8), found(9), None], 10, id="one wanted"),
        pytest.param([wanted(7), wanted(8), record(9)], [found(7), found(8), Skipped(1), None], 10, id="wanted first"),
        pytest.param(
            [record(7), record(8), errno.EPIPE, record(20), wanted(21)],
            [Skipped(2), lost(11, 9), item(20), found(21), None],
            22,
            id="overrun",
        ),
        pytest.param(
            [record(7), errno.EINVAL, wanted(9)], [Skipped(1), lost(1, 8), found(9), None], 10, id="too long at once"
        ),
        pytest.param(
            [record(7), record(8), errno.EPIPE, errno.EAGAIN, record(9)], [Skipped(2), None], 9, id="overrun, then none"
        ),
        pytest.param(
            [record(7), record(10), wanted(11)],
            [Skipped(1), lost(2, 8), item(10), found(11), None],
            12,
            id="a gap without an errno",
        ),
        pytest.param([record(7), b"x", wanted(8)], [Skipped(1), Item(b"x", NOW_NS), found(8), None], 9, id="no record"),
        pytest.param([record(7), b"x", record(8)], [Skipped(3), None], 9, id="one skipped is no record"),
        pytest.param([record(7), record(8), errno.ENODEV], [Skipped(2), Closed("No such device")], 9, id="gone"),
        pytest.param(
            [*map(record, range(7, 1107)), wanted(1107)],
            [Skipped(1009), Skipped(81), *map(item, range(1097, 1107)), found(1107), None],
            1108,
            id="many",
        ),
    ],
)
def test_records_without_a_word_are_counted_and_no_loss_is_missed(
    world: World, steps: list[Step], expected: list[Reading], next_sequence: int | None
) -> None:
    device = opened(world, *steps)
    assert readings(device, WORDS)[: len(expected)] == expected
    assert device.next_sequence == next_sequence


def test_records_after_skipped_ones_are_stamped_when_they_were_read(world: World) -> None:
    reads: list[int] = []
    device = Device(clock=lambda: len(reads))
    device.open()
    world.script.extend([record(7), record(8), wanted(9)])
    world.on_read = lambda: reads.append(0)
    assert device.read(WORDS) == Skipped(1)
    reads.extend([0] * 10)
    assert readings(device, WORDS)[:2] == [Item(record(8), 4), Item(wanted(9), 4)]


def test_a_record_that_was_found_before_the_device_was_closed_is_not_lost(world: World) -> None:
    device = opened(world, record(7), wanted(8))
    assert device.read(WORDS) == Skipped(1)
    assert device.next_sequence == 8
    world.script.extend([errno.ENODEV])
    assert readings(device, WORDS) == [found(8), Closed("No such device")]


def test_a_loss_stays_known_until_the_next_record(world: World) -> None:
    device = opened(world, record(7), errno.EPIPE, errno.EAGAIN)
    assert readings(device) == [item(7), None]
    world.script.append(record(9))
    assert readings(device) == [lost(1, 8), item(9), None]


RING = [record(5), record(6), b"x", record(7)]


@pytest.mark.parametrize(
    ("options", "ring", "expected", "next_sequence"),
    [
        pytest.param({}, RING, [None], 8, id="at the end"),
        pytest.param({}, [record(5), errno.EPIPE, record(7)], [None], 8, id="an overrun on the way there"),
        pytest.param({}, [], [None], None, id="at the end of nothing"),
        pytest.param({"from_ring": True}, RING[:2], [item(5), item(6), None], 7, id="at the oldest record"),
        pytest.param({"from_ring": True, "resume_at": 6}, RING[:2], [item(6), None], 7, id="at a record"),
        pytest.param({"resume_at": 7}, RING[:2], [None], 7, id="at a record of the future"),
        pytest.param({"resume_at": 10**17}, RING[:2], [None], 7, id="beyond the end"),
        pytest.param({"resume_at": 2}, RING[:2], [lost(3, 2), item(5), item(6), None], 7, id="after a gap"),
    ],
)
def test_reading_starts_at_the_given_place(
    world: World, options: dict[str, Any], ring: list[Step], expected: list[Reading], next_sequence: int | None
) -> None:
    world.script.extend(ring)
    device = opened(world, **options)
    assert readings(device) == expected
    assert device.next_sequence == next_sequence


def test_the_record_after_a_gap_is_the_next_one_until_it_is_returned(world: World) -> None:
    device = opened(world, record(9), resume_at=5)
    assert (device.read(), device.next_sequence) == (lost(4, 5), 9)
    assert (device.read(), device.next_sequence) == (item(9), 10)


def test_an_overrun_on_the_way_to_the_end_is_no_loss(world: World) -> None:
    world.script.extend([errno.EPIPE, errno.EAGAIN])
    device = opened(world, record(5))
    assert readings(device) == [item(5), None]


def test_a_device_that_fails_while_it_is_read_to_its_end(world: World) -> None:
    world.script.extend([record(5), errno.ENODEV])
    with pytest.raises(NoDeviceError, match="No such device"):
        Device().open()


def test_a_file_that_ends_while_it_is_read_to_its_end(world: World) -> None:
    world.script.extend([record(5), b"", b""])
    device = opened(world)
    assert readings(device) == [Closed("end of file: not a kernel log device")]


def test_opened_again_it_continues_after_the_last_record(world: World) -> None:
    device = opened(world, record(7), record(8), errno.ENODEV)
    readings(device)
    device.open()
    world.script.extend([record(6), record(7), record(8), record(9)])
    assert readings(device) == [item(9), None]
    world.script.append(errno.ENODEV)
    readings(device)
    device.open()
    world.script.extend([errno.EPIPE, record(14), record(15)])
    assert readings(device) == [lost(4, 10), item(14), item(15), None]


def test_opened_again_before_the_first_record_it_starts_at_the_end(world: World) -> None:
    device = opened(world, errno.ENODEV)
    readings(device)
    world.script.append(record(5))
    device.open()
    world.script.append(record(6))
    assert readings(device) == [item(6), None]


@pytest.mark.parametrize(
    ("error", "kind", "line"),
    [
        (
            PermissionError(errno.EACCES, "Permission denied"),
            NoPermissionError,
            "no permission to read /dev/kmsg; ",
        ),
        (FileNotFoundError(errno.ENOENT, "No such file or directory"), NoDeviceError, "cannot open /dev/kmsg: No such"),
        (OSError(errno.ENXIO, "No such device or address"), NoDeviceError, "cannot open /dev/kmsg: No such device or"),
    ],
)
def test_an_open_that_fails_is_an_error_with_its_remedy(
    world: World, error: OSError, kind: type[Exception], line: str
) -> None:
    world.open_error = error
    with pytest.raises(kind) as raised:
        Device().open()
    assert str(raised.value).startswith(line)


def test_another_device_is_refused(world: World) -> None:
    world.rdev = os.makedev(1, 3)
    with pytest.raises(NoDeviceError, match="/dev/kmsg is no kernel log device; name the character device 1:11"):
        Device().open()


@pytest.mark.parametrize("path", ["/dev/null", "/dev/zero", "/etc/hostname"])
def test_a_file_that_is_no_kernel_log_is_refused(path: str) -> None:
    with pytest.raises(NoDeviceError, match=f"{path} is no kernel log device"):
        Device(path).open()


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NoDeviceError, match="is no kernel log device"):
        Device(str(tmp_path)).open()


def spent(wait: Callable[[], object]) -> float:
    began = time.monotonic()
    wait()
    return time.monotonic() - began


def test_a_wait_ends_with_data_a_wake_or_its_time(world: World) -> None:
    device = opened(world)
    assert 0.04 < spent(lambda: device.wait(0.05)) < 1
    assert spent(lambda: device.wait(-1)) < 1
    timer = threading.Timer(0.05, device.wake)
    timer.start()
    assert 0.03 < spent(lambda: device.wait(10)) < 5
    timer.join()
    for _ in range(100_000):  # a full pipe must not block the caller
        device.wake()
    while spent(lambda: device.wait(0.05)) < 0.04:
        pass
    os.write(world.writers[-1], b"x")
    assert spent(lambda: device.wait(10)) < 5


def test_a_hang_up_does_not_spin(world: World) -> None:
    device = opened(world)
    os.close(world.writers.pop())
    assert spent(lambda: device.wait(10)) < 5, "read must return the reason"
    assert spent(lambda: device.wait(0.1)) > 0.09
    world.script.append(errno.ENODEV)
    assert device.read() == Closed("No such device")
    assert device.read() == Closed("No such device"), "each time until it is opened again"
    device.open()
    os.write(world.writers[-1], b"x")
    assert spent(lambda: device.wait(10)) < 5, "watched again"


def test_a_closed_device_writes_to_no_file() -> None:
    """A second SIGTERM may come while the last events are sent: the number may belong to a socket then."""
    device = Device()
    device.close()
    reader, writer = os.pipe2(os.O_NONBLOCK)
    others = [os.dup(writer) for _ in range(8)]
    device.wake()
    device.close()
    with pytest.raises(BlockingIOError):
        os.read(reader, 1)
    for fd in (reader, writer, *others):
        os.close(fd)
    assert device.read() == Closed("it was not opened")


class Asker:
    """Asks through a pipe whether the log is read."""

    def __init__(self) -> None:
        self._read, self._write = os.pipe2(os.O_NONBLOCK)
        self.reasons: list[str | None] = []

    def ask(self) -> None:
        os.write(self._write, b"?")

    def fileno(self) -> int:
        return self._read

    def answer(self, reason: str | None) -> None:
        os.read(self._read, 1)
        self.reasons.append(reason)

    def close(self) -> None:
        for fd in (self._read, self._write):
            os.close(fd)


def test_the_wait_answers_whether_the_device_is_open(world: World) -> None:
    asker = Asker()
    device = opened(world, errno.ENODEV, asked=asker)
    asker.ask()
    assert spent(lambda: device.wait(60)) < 50
    assert isinstance(device.read(), Closed)
    asker.ask()
    device.wait(60)
    device.open()
    asker.ask()
    device.wait(60)
    assert asker.reasons == [None, "No such device", None]
    device.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        asker.ask()
