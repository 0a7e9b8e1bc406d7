"""The check of the spool: written, refused, not there yet, not lasting, and that of a running agent left alone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from otel_oom.check import spool_place
from otel_oom.check.spool_place import check_spool_place, filesystem_of

MOUNTS = r"""21 1 254:0 / / rw - ext4 /dev/vda rw
30 21 0:25 / /run rw,nosuid shared:4 - tmpfs tmpfs rw
31 21 0:26 / /var/lib rw - overlay overlay rw
32 31 254:16 / /var/lib/otel-oom rw - xfs /dev/vdb rw
33 30 0:27 / /run rw - ramfs none rw
broken
"""


def test_a_spool_that_can_be_written(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    found = check_spool_place(tmp_path)
    assert found.text.startswith(f"{tmp_path} can be written; a write reached its disk within ")
    assert found.status == "ok" or "is in memory" in found.text
    assert list(tmp_path.iterdir()) == []


def test_no_spool() -> None:
    found = check_spool_place(None)
    assert (found.status, found.text) == ("warning", "none: undelivered events and counts end with the process")


def test_a_spool_that_is_not_there_yet(tmp_path: Path) -> None:
    found = check_spool_place(tmp_path / "a" / "b")
    assert found.text.startswith(f"{tmp_path}/a/b is not there yet, and can be made in {tmp_path}")
    assert list(tmp_path.iterdir()) == []


def test_a_spool_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    found = check_spool_place(tmp_path / "file" / "spool")
    assert found.status == "failed"
    assert found.remedy == "repair it, or name another place with --spool"


def test_a_disk_that_refuses_the_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    found = check_spool_place(tmp_path)
    assert (found.status, found.text) == ("failed", f"{tmp_path} cannot be written: No space left on device")
    assert list(tmp_path.iterdir()) == []


def test_a_directory_of_another_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("otel_oom.spool.file_trust.is_trusted", lambda _: False)
    found = check_spool_place(tmp_path)
    assert (found.status, f"the directory {tmp_path} belongs to uid" in found.text) == ("failed", True)


def test_a_directory_that_others_may_write(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    found = check_spool_place(tmp_path)
    assert (found.status, "they can remove the spool" in found.text) == ("warning", True)
    assert found.remedy.startswith("chmod go-w it")


def test_the_spool_of_a_running_agent_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool_place, "_write", lambda _: pytest.fail("it was written"))
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        (tmp_path / "lock").write_text(f"{process.pid}\n")
        found = check_spool_place(tmp_path)
        process.kill()
    assert (found.status, found.text) == (
        "ok",
        f"{tmp_path} is used by process {process.pid}, and was not written by this check",
    )


@pytest.mark.parametrize("pid", ["4194305", "unknown", str(os.getpid())], ids=["gone", "unknown", "another"])
def test_a_lock_file_without_a_live_holder_does_not_matter(pid: str, tmp_path: Path) -> None:
    (tmp_path / "lock").write_text(f"{pid}\n")
    assert "can be written" in check_spool_place(tmp_path).text


@pytest.mark.parametrize(
    ("path", "kind"),
    [("/etc", "ext4"), ("/run/a", "ramfs"), ("/var/lib/x", "overlay"), ("/var/lib/otel-oom", "xfs"), ("/runs", "ext4")],
)
def test_the_filesystem_of_a_path(path: str, kind: str) -> None:
    assert filesystem_of(Path(path), MOUNTS) == kind


@pytest.mark.parametrize("kind", ["tmpfs", "ramfs", "overlay"])
def test_a_place_that_does_not_last(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tmp_path.chmod(0o700)
    monkeypatch.setattr(spool_place, "filesystem_of", lambda *_: kind)
    found = check_spool_place(tmp_path)
    assert (found.status, kind in found.text) == ("warning", True)
