"""Text that a user chose in facility 0 of the real kernel's log, beside real kills: refused, and without effect."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support import real_kills
from support.agents import RECONCILED_S, AgentProcess
from support.kernel_log import KernelLog
from support.levels import missing
from support.otlp_receiver import OtlpReceiver
from support.received_telemetry import newest_value
from support.waiting import eventually

from otel_oom import schema
from otel_oom.agent.reconciliation import MIN_SURPLUS_AGE_S

SIZES = "total-vm:9kB, anon-rss:1kB, file-rss:0kB, shmem-rss:0kB, UID:0 pgtables:0kB oom_score_adj:0"
SUMMARY = (
    "oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,oom_memcg=/a,task_memcg=/a,task=x"
)
SEGFAULT = "import ctypes\nctypes.CDLL(None).prctl(15, b'Tasks in /x', 0, 0, 0)\nctypes.string_at(0)"


@pytest.fixture
def receiver() -> Iterator[OtlpReceiver]:
    with OtlpReceiver("http/protobuf") as listening:
        yield listening


def attributes(receiver: OtlpReceiver) -> list[dict[str, Any]]:
    """Of all log records so far."""
    return [record.attributes for request in receiver.accepted("logs") for record in request.log_records]


def mount(source: str, target: Path) -> None:
    """A mount that fails. The kernel prints `<source>: Can't lookup blockdev` (CAP_SYS_ADMIN of any user namespace)."""
    assert ctypes.CDLL(None).mount(source.encode(), os.fsencode(target), b"ext4", 0, None) == -1


def test_the_source_of_a_mount_is_no_kill(receiver: OtlpReceiver, tmp_path: Path) -> None:
    if os.geteuid() != 0:
        missing("kernel", "only root may mount")
    results = [
        f"Memory cgroup out of memory: Killed process 4242 (postgres) {SIZES}",
        f"Out of memory: Killed process 1 (init) {SIZES}",
        "Killed process 1 (init)",
        "Out of memory and no killable processes...",
    ]
    settings = {**receiver.settings, "OTEL_METRIC_EXPORT_INTERVAL": "200"}
    with real_kills.sandbox() as made, AgentProcess(tmp_path, settings), KernelLog() as log:
        counted = real_kills.oom_kill_count()
        for source in results:
            mount(source, tmp_path)
        assert [one.priority >> 3 for one in log.read() if one.text.endswith(": Can't lookup blockdev")] == [0] * 4
        assert eventually(lambda: newest_value(receiver, schema.RECORDS, "refused") == len(results))
        assert real_kills.oom_kill_count() == counted
        mount(SUMMARY, tmp_path)
        real_kills.kill(made, 12)  # the last ones have no report
        assert eventually(lambda: len(attributes(receiver)) == 12)
        assert real_kills.oom_kill_count() == counted + 12
        paths = {record.get("oom.memcg.path") for record in attributes(receiver)}
        assert paths <= {real_kills.printed_path(made), None}
        assert {record["event.name"] for record in attributes(receiver)} == {schema.OOM_KILL}


def test_a_process_that_is_named_like_a_group_line_groups_nothing(receiver: OtlpReceiver, tmp_path: Path) -> None:
    if Path("/proc/sys/debug/exception-trace").read_text().strip() != "1":
        missing("kernel", "this kernel prints no line about a segfault")
    with real_kills.sandbox() as one, real_kills.sandbox() as other, AgentProcess(tmp_path, receiver.settings):
        with KernelLog() as log:
            real_kills.await_reports()
            real_kills.kill(one, 10)  # more reports than the kernel prints in 5 s
            subprocess.run([sys.executable, "-c", SEGFAULT], check=False, capture_output=True)
            real_kills.kill(other)
            assert [line for line in log.read() if line.text.startswith("Tasks in /x[")]
        assert eventually(lambda: len(attributes(receiver)) == 11)
        *first, last = attributes(receiver)
        assert {kill["oom.memcg.path"] for kill in first} == {real_kills.printed_path(one)}
        assert last["oom.report"] == "suppressed"
        assert "oom.memcg.path" not in last
        assert not [kill for kill in (*first, last) if "oom.group.id" in kill]


def test_a_kill_line_that_the_counter_does_not_have_is_marked_counted_and_published(
    receiver: OtlpReceiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For this agent the counter of the kernel stands still: a copy is mounted over it, in its own mount namespace."""
    counter = tmp_path / "vmstat"
    counter.write_bytes(Path("/proc/vmstat").read_bytes())
    python = tmp_path / "python"
    mounted = f'mount --bind {counter} /proc/vmstat && exec {sys.executable} "$@"'
    python.write_text(f"#!/bin/sh\nexec unshare --mount sh -c '{mounted}' sh \"$@\"\n")
    python.chmod(0o755)
    with monkeypatch.context() as patch:
        patch.setattr(sys, "executable", str(python))
        agent = AgentProcess(tmp_path, {**receiver.settings, "OTEL_METRIC_EXPORT_INTERVAL": "200"})
    with real_kills.sandbox() as made, agent:
        # A new base is settled after 5 s: until then the line of one kill may be on its way.
        time.sleep(MIN_SURPLUS_AGE_S + 1)
        real_kills.kill(made, 2)
        assert eventually(lambda: newest_value(receiver, schema.UNCONFIRMED_KILLS) == 2, within_s=RECONCILED_S + 5)
    kills = [record for record in attributes(receiver) if record["event.name"] == schema.OOM_KILL]
    assert [record["oom.unconfirmed"] for record in kills] == [True, True]
    (published,) = [record for record in attributes(receiver) if record["event.name"] == schema.UNCONFIRMED]
    assert published["oom.count"] == 2
    assert newest_value(receiver, schema.KILLS, "cgroup") == 2
    assert newest_value(receiver, schema.UNACCOUNTED_KILLS) == 0
