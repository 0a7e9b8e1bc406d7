"""The name under which one agent answers: another one for each spool and each mount namespace."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from otel_oom.liveness.socket_name import socket_name

LONG = "/a" * 100


def test_each_spool_has_a_name() -> None:
    paths = [None, Path("/a"), Path("/b"), Path(f"/c{LONG}"), Path(f"/d{LONG}")]
    names = {socket_name(path) for path in paths}
    assert len(names) == len(paths)
    assert all(name.startswith(b"\0otel-oom/live/mnt:[") and len(name) <= 108 for name in names)


def test_the_form_of_the_path_does_not_matter() -> None:
    assert socket_name(Path("/a/../b/c/")) == socket_name(Path("/b/c"))


def test_another_process_of_this_mount_namespace_has_the_same_name() -> None:
    assert socket_name(Path("/a"), str(os.getpid())) == socket_name(Path("/a"))


def test_a_process_that_is_gone_has_none() -> None:
    with pytest.raises(FileNotFoundError):
        socket_name(Path("/a"), "4194305")  # above the kernel's greatest pid, PID_MAX_LIMIT
