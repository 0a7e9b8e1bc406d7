"""Where a memory cgroup can be made, and what is left of it. Real kills are the business of tests/kernel."""

from __future__ import annotations

from pathlib import Path

import pytest

from otel_oom.demo import kill_sandbox
from otel_oom.demo.kill_sandbox import NoSandboxError, Sandbox, _memory_hierarchy

V1 = "cgroup /sys/fs/cgroup/memory cgroup rw,nosuid,memory 0 0"
CPU = "cgroup /sys/fs/cgroup/cpu cgroup rw,nosuid,cpu 0 0"


def v2(root: Path, controllers: str | None) -> str:
    if controllers is not None:
        (root / "cgroup.subtree_control").write_text(controllers)
    return f"cgroup2 {root} cgroup2 rw,nosuid 0 0"


def sandbox(root: Path, monkeypatch: pytest.MonkeyPatch, *, is_v2: bool) -> Sandbox:
    monkeypatch.setattr(kill_sandbox, "_memory_hierarchy", lambda _: (root, is_v2))
    monkeypatch.setattr(kill_sandbox, "_REMOVE_S", 0.05)
    return Sandbox("demo", 20)


def test_version_1_has_a_hierarchy_for_memory(tmp_path: Path) -> None:
    assert _memory_hierarchy(f"{CPU}\n{V1}\n") == (Path("/sys/fs/cgroup/memory"), False)
    assert _memory_hierarchy(f"{v2(tmp_path, 'memory')}\n{V1}\n") == (Path("/sys/fs/cgroup/memory"), False)


def test_version_2_must_give_its_children_the_memory_controller(tmp_path: Path) -> None:
    assert _memory_hierarchy(v2(tmp_path, "cpu memory pids")) == (tmp_path, True)
    with pytest.raises(NoSandboxError, match="gives its children no memory controller"):
        _memory_hierarchy(v2(tmp_path, "cpu pids"))
    with pytest.raises(NoSandboxError, match="gives its children no memory controller"):
        _memory_hierarchy(v2(tmp_path / "gone", None))


def test_a_machine_may_have_no_cgroups() -> None:
    with pytest.raises(NoSandboxError, match="no cgroup file system is mounted"):
        _memory_hierarchy("tmpfs /tmp tmpfs rw 0 0\n")


@pytest.mark.parametrize(
    ("is_v2", "limits"),
    [
        (True, {"memory.max": "20971520", "memory.swap.max": "0"}),
        (False, {"memory.limit_in_bytes": "20971520", "memory.memsw.limit_in_bytes": "20971520"}),
    ],
)
def test_the_limit_is_set_before_a_process_joins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, is_v2: bool, limits: dict[str, str]
) -> None:
    with sandbox(tmp_path, monkeypatch, is_v2=is_v2) as made:
        assert {file.name: file.read_text() for file in (tmp_path / "demo").iterdir()} == limits
        assert made.processes == tmp_path / "demo" / "cgroup.procs"


def test_a_cgroup_that_cannot_be_made_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", fail)
    with (
        pytest.raises(NoSandboxError, match=r"cannot make the memory cgroup .*/demo: No space left on device"),
        sandbox(tmp_path, monkeypatch, is_v2=True),
    ):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_cgroup_that_cannot_be_removed_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with sandbox(tmp_path, monkeypatch, is_v2=True):
        pass
    assert (tmp_path / "demo" / "memory.max").exists()  # a plain directory with files stays


def test_a_process_that_is_not_killed_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kill_sandbox, "_KILL_S", 0.5)
    monkeypatch.setattr(kill_sandbox, "_PROGRAM", "import time; time.sleep(60)")
    sandbox(tmp_path, monkeypatch, is_v2=True).kill_one()  # returns long before the 60 s
