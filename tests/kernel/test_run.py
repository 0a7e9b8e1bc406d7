"""`otel-oom run` on the real kernel, with a receiver in the test: what only the kernel can show."""

from __future__ import annotations

import ctypes
import os
import platform
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support import real_kills
from support.agents import AgentProcess, environment
from support.kernel_log import KernelLog, require_device, write_line
from support.levels import missing
from support.otlp_receiver import OtlpReceiver
from support.received_telemetry import newest_value
from support.waiting import eventually

from otel_oom import schema, surroundings

OPENER = "forger invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=0"
SUMMARY = (
    "oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,oom_memcg=/x,task_memcg=/x,"
    "task=init,pid=1,uid=0"
)
KILLED = (
    "Memory cgroup out of memory: Killed process 1 (init) total-vm:1kB, anon-rss:1kB, file-rss:1kB, "
    "shmem-rss:0kB, UID:0 pgtables:1kB oom_score_adj:0"
)
REPORT = (OPENER, SUMMARY, KILLED)


@pytest.fixture
def receiver() -> Iterator[OtlpReceiver]:
    with OtlpReceiver("http/protobuf") as listening:
        yield listening


def settings(receiver: OtlpReceiver) -> dict[str, str]:
    return {**receiver.settings, "OTEL_METRIC_EXPORT_INTERVAL": "200"}


def attributes(receiver: OtlpReceiver) -> list[dict[str, Any]]:
    """Of all log records so far."""
    return [record.attributes for request in receiver.accepted("logs") for record in request.log_records]


def test_what_user_space_writes_is_refused_and_counted(receiver: OtlpReceiver, tmp_path: Path) -> None:
    require_device()
    with AgentProcess(tmp_path, settings(receiver)), KernelLog() as log:
        counted = real_kills.oom_kill_count()
        for priority in range(192):
            for line in REPORT:
                write_line(f"<{priority}>{line}")
        forged = [one for one in log.read() if any(line in one.text for line in REPORT)]
        assert len(forged) == 192 * len(REPORT)
        assert not [one for one in forged if one.priority >> 3 == 0]
        assert eventually(lambda: newest_value(receiver, schema.RECORDS, "refused") == len(forged))
        assert set(receiver.accepted("metrics")[-1].values(schema.KILLS.name).values()) == {0}
        assert real_kills.oom_kill_count() == counted
        assert attributes(receiver) == []


def test_the_name_of_a_victim_cannot_forge_anything(receiver: OtlpReceiver, tmp_path: Path) -> None:
    names = [b") total-vm:1kB", b"x\n<3>oom", b"p,pid=1,uid=0", b",task=init", b"\xff\xc3\xa9\\"]
    shown = [") total-vm:1kB", "x\\x0a<3>oom", "p,pid=1,uid=0", ",task=init", "\\xffé\\x5c"]
    time.sleep(5.1)  # the kernel prints ten reports in 5 s, and the tests before may have used them
    with real_kills.sandbox() as made, AgentProcess(tmp_path, settings(receiver)):
        for name in names:
            real_kills.kill(made, comm=name)
        assert eventually(lambda: len(attributes(receiver)) == len(names))
        assert [record["oom.victim.comm"] for record in attributes(receiver)] == shown
        assert {record["oom.memcg.path"] for record in attributes(receiver)} == {real_kills.printed_path(made)}
        assert {record["oom.victim.cgroup"] for record in attributes(receiver)} == {real_kills.printed_path(made)}


def test_a_start_reads_from_the_end_and_from_ring_marks_the_backlog(receiver: OtlpReceiver, tmp_path: Path) -> None:
    with real_kills.sandbox() as made, KernelLog() as log:
        real_kills.kill(made)
        (line,) = log.kill_lines()
        with AgentProcess(tmp_path, settings(receiver)):
            real_kills.kill(made)
            (live,) = eventually(lambda: attributes(receiver))
            assert live["oom.kmsg.sequence"] > line.sequence
            assert "oom.backlog" not in live
            assert abs(live["oom.kmsg.skew"]) < 1
        with (
            OtlpReceiver("http/protobuf") as other,
            AgentProcess(tmp_path, settings(other), "--from-ring", "--spool", "none"),
        ):
            of_both = {line.sequence, live["oom.kmsg.sequence"]}
            assert eventually(lambda: of_both <= {one["oom.kmsg.sequence"] for one in attributes(other)})
            by_sequence = {one["oom.kmsg.sequence"]: one for one in attributes(other)}
            assert by_sequence[line.sequence]["oom.backlog"] is True
            assert "oom.kmsg.skew" not in by_sequence[line.sequence]
            assert by_sequence[live["oom.kmsg.sequence"]]["log.record.uid"] == live["log.record.uid"]


@pytest.mark.parametrize("collector", ["down", "hanging", "unreachable name"])
def test_sigterm_ends_it_within_three_seconds(collector: str, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:  # accepts connections and never answers
        endpoint = {
            "down": "http://127.0.0.1:9",
            "hanging": f"http://127.0.0.1:{server.getsockname()[1]}",
            "unreachable name": "http://no-such-host.invalid:4318",
        }[collector]
        for protocol in ("http/protobuf", "grpc"):
            variables = {"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "OTEL_EXPORTER_OTLP_PROTOCOL": protocol}
            with real_kills.sandbox() as made, AgentProcess(tmp_path, variables) as agent:
                real_kills.kill(made)
                if collector != "hanging":
                    assert eventually(lambda: "cannot deliver" in agent.said()), agent.said()
                began = time.monotonic()
                assert agent.terminate() == 0
                assert time.monotonic() - began < 3


def test_without_permission_the_error_has_the_remedy(tmp_path: Path) -> None:
    device = tmp_path / "kmsg"
    device.touch(mode=0)
    if os.geteuid() != 0:
        missing("kernel", "only root has the capabilities that this test drops")
    tmp_path.chmod(0o755)
    # With CAP_DAC_OVERRIDE root can read any file: the agent runs without it.
    command = [sys.executable, "-m", "otel_oom", "run", "--device", str(device)]
    ended = subprocess.run(
        ["setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-all", *command],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert ended.returncode == 77
    assert ended.stderr == (f"otel-oom: error: no permission to read {device}; {surroundings.NO_PERMISSION.here()}\n")


def test_a_signal_to_any_thread_ends_it(receiver: OtlpReceiver, tmp_path: Path) -> None:
    """The kernel delivers a signal to any thread of a process, and Python handles it in the main thread only."""
    tgkill = {"x86_64": 234, "aarch64": 131}.get(platform.machine())
    if tgkill is None:
        missing("kernel", f"the number of tgkill(2) on {platform.machine()} is unknown to this test")
    with AgentProcess(tmp_path, settings(receiver)) as agent:
        pid = agent.process.pid
        threads = [int(path.name) for path in Path(f"/proc/{pid}/task").iterdir() if path.name != str(pid)]
        assert threads
        assert ctypes.CDLL(None).syscall(tgkill, pid, threads[0], signal.SIGTERM) == 0
        assert agent.process.wait(3.0) == 0
