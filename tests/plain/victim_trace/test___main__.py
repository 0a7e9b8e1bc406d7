"""`python -m otel_oom.victim_trace`, as the systemd unit runs it."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

from otel_oom.victim_trace import victim_trace
from otel_oom.victim_trace.tracefs_setup import Instance, Unavailable

PREFIX = "the kernel does not record the cgroups of victims: "


@pytest.mark.parametrize(
    ("made", "code"),
    [
        (Instance(Path("/x"), ()), 0),
        (Instance(Path("/x"), (), "no probe"), f"{PREFIX}no probe"),
        (Unavailable("no tracefs"), f"{PREFIX}no tracefs"),
    ],
)
def test_the_exit_code_says_whether_victims_are_recorded(
    monkeypatch: pytest.MonkeyPatch, made: Instance | Unavailable, code: int | str
) -> None:
    monkeypatch.setattr(victim_trace, "set_up_machine", lambda: made)
    with pytest.raises(SystemExit) as ended:
        runpy.run_module("otel_oom.victim_trace", run_name="__main__")
    assert ended.value.code == code
