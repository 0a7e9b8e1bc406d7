"""A device that was never opened: nothing is read from another file of the process, and no other file is closed."""

from __future__ import annotations

import os

import pytest

from otel_oom.kernel.device import Device
from otel_oom.kernel.log_source import Closed


def test_it_closes_its_pipe_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []
    pipe = os.pipe2

    def noted(flags: int) -> tuple[int, int]:
        ends = pipe(flags)
        made.extend(ends)
        return ends

    monkeypatch.setattr(os, "pipe2", noted)
    device = Device("/dev/null")
    closed: list[int] = []
    close = os.close
    monkeypatch.setattr(os, "close", closed.append)
    assert device.read() == Closed("it was not opened")
    device.close()
    monkeypatch.undo()
    for fd in made:
        close(fd)
    assert sorted(closed) == sorted(made)
