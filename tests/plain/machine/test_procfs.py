"""The kernel's kill counter in /proc/vmstat: absent is not zero."""

from __future__ import annotations

from pathlib import Path

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
