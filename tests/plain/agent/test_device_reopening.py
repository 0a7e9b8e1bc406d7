"""A device that closed: reported at once, and opened again."""

from __future__ import annotations

import time

import pytest
from support.agent_rig import Rig, kill
from support.waiting import eventually

from otel_oom.errors import NoDeviceError
from otel_oom.kernel.log_source import Closed


def test_a_device_that_closed_is_opened_again() -> None:
    rig = Rig()
    with rig.running():
        assert rig.health.down_reason is None
        rig.source.put(kill(1), Closed("No such device"))
        assert eventually(lambda: rig.health.down_reason == "No such device")
        assert rig.kills == {"cgroup": 1}, "what came before is passed on first"
        rig.source.put(kill(2))
        assert eventually(lambda: rig.health.down_reason is None)
        assert eventually(lambda: rig.kills == {"cgroup": 2})
    assert rig.source.opened == 2
    assert rig.health.down_reasons == {"No such device"}


def test_a_device_that_does_not_open_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    rig = Rig()
    with rig.running():
        with monkeypatch.context() as patch:
            patch.setattr(rig.source, "open", lambda: (_ for _ in ()).throw(NoDeviceError("cannot open it", "remedy")))
            rig.source.put(Closed("gone"))
            assert eventually(lambda: rig.health.down_reason == "gone")
            rig.source.wake()
            assert eventually(lambda: rig.health.down_reason == "cannot open it")
        rig.source.wake()
        assert eventually(lambda: rig.health.down_reason is None)
    assert rig.health.down_reasons == {"gone", "cannot open it"}


def test_a_stop_ends_a_device_that_stays_away() -> None:
    rig = Rig()
    began = time.monotonic()
    with rig.running():
        rig.source.put(Closed("gone"))
        assert eventually(lambda: rig.health.down_reason == "gone")
    assert time.monotonic() - began < 2


def test_the_sender_is_woken_at_once_when_the_device_is_back() -> None:
    rig = Rig()
    with rig.running():
        version = rig.spool.wait(0, 0)
        rig.source.put(Closed("gone"))
        down = rig.spool.wait(version, 10)
        assert (down > version, rig.health.down_reason) == (True, "gone")
        rig.source.wake()
        up = rig.spool.wait(down, 10)
        assert (up > down, rig.health.down_reason) == (True, None)
