"""The state of a cgroup after a real kill is what the kernel's files say."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support import real_kills
from support.agents import AgentProcess
from support.levels import missing
from support.otlp_receiver import OtlpReceiver
from support.waiting import eventually

#: by attribute: the file of v1, and that of v2
SIZES = {
    "oom.memcg.max": ("memory.limit_in_bytes", "memory.max"),
    "oom.memcg.peak": ("memory.max_usage_in_bytes", "memory.peak"),
    "oom.memcg.failcnt": ("memory.failcnt", ""),
    "oom.memcg.memsw.max": ("memory.memsw.limit_in_bytes", ""),
    "oom.memcg.soft_limit": ("memory.soft_limit_in_bytes", ""),
    "oom.memcg.swap.max": ("", "memory.swap.max"),
    "oom.memcg.high": ("", "memory.high"),
    "oom.memcg.low": ("", "memory.low"),
}


@pytest.fixture
def receiver() -> Iterator[OtlpReceiver]:
    with OtlpReceiver("http/protobuf") as listening:
        yield listening


def records(receiver: OtlpReceiver) -> list[dict[str, Any]]:
    return [record.attributes for request in receiver.accepted("logs") for record in request.log_records]


def sizes(directory: Path) -> dict[str, int]:
    """What the files say now, without those that are no limit."""
    is_v2 = (directory / "memory.max").exists()
    texts = {
        name: (directory / files[is_v2]).read_text().strip()
        for name, files in SIZES.items()
        if files[is_v2] and (directory / files[is_v2]).exists()
    }
    return {name: int(text) for name, text in texts.items() if text != "max" and int(text) < 2**62}


def counter(directory: Path, name: str) -> int:
    file = next(path for path in (directory / "memory.events", directory / "memory.oom_control") if path.exists())
    return int(dict(line.split() for line in file.read_text().splitlines())[name])


def test_the_values_are_those_of_the_kernels_files(receiver: OtlpReceiver, tmp_path: Path) -> None:
    with real_kills.sandbox(24) as made, AgentProcess(tmp_path, receiver.settings):
        directory = made.processes.parent
        for kills in (1, 2):
            real_kills.await_reports()
            real_kills.kill(made)
            record = eventually(lambda: records(receiver)[kills - 1 :])[0]  # noqa: B023 it is called at once
            assert record["oom.memcg.path"] == real_kills.printed_path(made)
            assert record["oom.memcg.read_from"] == "limit"
            expected = sizes(directory)
            assert {name: value for name, value in record.items() if name in SIZES} == expected
            assert expected["oom.memcg.max"] == record["oom.memcg.limit"] == 24 << 20
            assert expected["oom.memcg.peak"] == 24 << 20
            assert record["oom.memcg.events.oom_kill"] == counter(directory, "oom_kill") == kills
        if not Path("/proc/pressure/memory").exists():
            missing("kernel", "this kernel has no pressure stall information")
        pressure = {name: value for name, value in record.items() if name.startswith("oom.memory.pressure.")}
        assert len(pressure) == 4
        assert all(0 <= value <= 100 for value in pressure.values())


def test_a_limit_above_the_victims_cgroup_is_the_one_that_is_read(receiver: OtlpReceiver, tmp_path: Path) -> None:
    """On v1 that cgroup does not count the kill: its counter is of its own processes alone."""
    with real_kills.sandbox(24) as made, AgentProcess(tmp_path, receiver.settings):
        directory = made.processes.parent
        child = directory / "child"
        child.mkdir()
        try:
            real_kills.await_reports()
            command = [str(real_kills.oomer()), str(child / "cgroup.procs"), "1", "1", "64"]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            (record,) = eventually(lambda: records(receiver))
        finally:
            child.rmdir()
        assert record["oom.memcg.path"] == real_kills.printed_path(made)
        assert (record["oom.memcg.read_from"], record["oom.memcg.max"]) == ("limit", 24 << 20)
        is_v2 = (directory / "memory.max").exists()
        assert record["oom.memcg.events.oom_kill"] == counter(directory, "oom_kill") == int(is_v2)


def test_another_path_without_a_cgroup_filesystem_gives_the_kill_alone(receiver: OtlpReceiver, tmp_path: Path) -> None:
    with real_kills.sandbox() as made, AgentProcess(tmp_path, receiver.settings, "--cgroupfs", "/proc") as agent:
        assert "no whole cgroup filesystem with the memory controller is mounted at /proc or below it" in agent.said()
        real_kills.kill(made)
        (record,) = eventually(lambda: records(receiver))
        assert record["oom.scope"] == "cgroup"
        assert [name for name in record if name in SIZES or name == "oom.memcg.read_from"] == []
