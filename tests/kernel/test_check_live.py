"""`otel-oom check --live` beside a real agent on the real kernel log."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support.agents import AgentProcess, environment
from support.kernel_log import require_device
from support.levels import missing
from support.waiting import eventually

from otel_oom.liveness.socket_name import socket_name

NOWHERE = {"OTEL_LOGS_EXPORTER": "none", "OTEL_METRICS_EXPORTER": "none"}
NOBODY = 65534


def check(spool: str, *before: str) -> tuple[int, dict[str, Any]]:
    done = subprocess.run(
        [*before, sys.executable, "-m", "otel_oom", "check", "--live", "--output", "json", "--spool", spool],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, json.loads(done.stdout)


def test_a_check_tells_a_reading_agent_from_one_that_hangs_or_is_gone(tmp_path: Path) -> None:
    require_device()
    spool = str(tmp_path / "spool")
    with AgentProcess(tmp_path, NOWHERE) as agent:
        alive = (0, {"live": True, "pid": agent.process.pid})
        assert check(spool) == alive
        agent.process.send_signal(signal.SIGSTOP)
        code, found = check(spool)
        assert (code, found["live"], "gave no answer" in found["problem"]) == (1, False, True)
        agent.process.send_signal(signal.SIGCONT)
        assert check(spool) == alive
        agent.process.kill()
        agent.process.wait()
        code, found = check(spool)
        assert (code, found["problem"]) == (1, f"no agent with the spool {spool} runs here")


def test_a_whole_check_does_not_disturb_a_running_agent(tmp_path: Path) -> None:
    require_device()
    with AgentProcess(tmp_path, NOWHERE) as agent:
        spool = tmp_path / "spool"
        eventually(lambda: len(list(spool.iterdir())) > 1, within_s=60)
        changed_ns = spool.stat().st_mtime_ns
        done = subprocess.run(
            [sys.executable, "-m", "otel_oom", "check", "--output", "json", "--spool", str(spool)],
            env=environment(**NOWHERE),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stdout
        texts = {one["name"]: one["text"] for one in json.loads(done.stdout)["checks"]}
        assert texts["kernel log"] == "/dev/kmsg can be read"
        assert texts["spool"] == f"{spool} is used by process {agent.process.pid}, and was not written by this check"
        assert spool.stat().st_mtime_ns == changed_ns
        assert check(str(spool)) == (0, {"live": True, "pid": agent.process.pid})


def test_it_finds_an_agent_in_another_mount_namespace_by_its_lock(tmp_path: Path) -> None:
    require_device()
    apart = ("unshare", "--mount")
    if subprocess.run([*apart, "true"], capture_output=True, check=False).returncode:
        missing("kernel", "unshare --mount is refused")
    with AgentProcess(tmp_path, NOWHERE) as agent:
        assert check(str(tmp_path / "spool"), *apart) == (0, {"live": True, "pid": agent.process.pid})


def test_an_agent_without_a_spool_answers_too(tmp_path: Path) -> None:
    """Also from read-only file systems, since nothing is written. One of a developer may have the name already."""
    require_device()
    with AgentProcess(tmp_path, {**NOWHERE, "OTEL_OOM_SPOOL": "none"}) as agent:
        if "another process has the agent's name" in agent.said():
            pytest.skip("an agent without a spool runs on this machine")
        assert check("none") == (0, {"live": True, "pid": agent.process.pid})


def test_questions_of_another_user_are_ignored_however_many(tmp_path: Path) -> None:
    require_device()
    if os.geteuid():
        missing("kernel", "it needs root to become another user")
    with AgentProcess(tmp_path, NOWHERE):
        name = socket_name(tmp_path / "spool")
        flood = subprocess.Popen([sys.executable, "-c", FLOOD, name.hex(), str(NOBODY)], stdout=subprocess.PIPE)
        try:
            assert flood.stdout is not None
            assert flood.stdout.readline() == b"flooding\n"
            assert eventually(lambda: check(str(tmp_path / "spool"))[0] == 0, within_s=60)
        finally:
            flood.kill()
            answers, _ = flood.communicate()
        assert answers == b""


FLOOD = """
import os, socket, sys
os.setgid(int(sys.argv[2]))
os.setuid(int(sys.argv[2]))
asking = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
asking.bind("")
asking.connect(bytes.fromhex(sys.argv[1]))
asking.send(b"?")
print("flooding", flush=True)
while True:
    asking.send(b"?" * 1000)
    try:
        print(asking.recv(1000, socket.MSG_DONTWAIT), flush=True)
    except BlockingIOError:
        pass
"""
