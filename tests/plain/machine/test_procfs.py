"""The kernel's kill counter in /proc/vmstat, where absent is not zero, and the pid namespace."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from otel_oom.machine import procfs


@pytest.mark.parametrize(
    ("vmstat", "expected"),
    [
        pytest.param(b"nr_free_pages 1\noom_kill 7\nnuma_hit 2\n", 7, id="4.13+"),
        pytest.param(b"oom_kill 0\n", 0, id="no kill yet"),
        pytest.param(b"nr_free_pages 1\n", None, id="before 4.13"),
        pytest.param(b"oom_kill x\n", None, id="no number"),
        pytest.param(b"oom_killer 7\n", None, id="another counter"),
        pytest.param(b"", None, id="empty"),
    ],
)
def test_the_counter_is_read(tmp_path: Path, vmstat: bytes, expected: int | None) -> None:
    path = tmp_path / "vmstat"
    path.write_bytes(vmstat)
    assert procfs.oom_kills(str(path)) == expected


def test_without_proc_there_is_no_counter(tmp_path: Path) -> None:
    assert procfs.oom_kills(str(tmp_path / "vmstat")) is None


@pytest.mark.parametrize(
    ("inode", "expected"),
    [
        pytest.param(4026531836, True, id="of the host"),
        pytest.param(4026532198, False, id="of a container"),
        pytest.param(None, False, id="without proc"),
    ],
)
def test_the_pid_namespace_of_the_host_is_recognised(
    inode: int | None, monkeypatch: pytest.MonkeyPatch, *, expected: bool
) -> None:
    def stat(path: Path) -> SimpleNamespace:
        assert str(path) == "/proc/self/ns/pid"
        if inode is None:
            raise FileNotFoundError(path)
        return SimpleNamespace(st_ino=inode)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "stat", stat)
        found = procfs.sees_host_pids()
    assert found is expected
