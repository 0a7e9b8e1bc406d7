"""Text that a user chose in facility 0 of the real kernel's log, beside real kills: refused, and without effect."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from support import klog, real_kills
from support.agents import RECONCILED_S, AgentProcess
from support.kernel_log import KernelLog
from support.levels import missing
from support.otlp_receiver import OtlpReceiver
from support.received_telemetry import newest_value
from support.waiting import eventually

from otel_oom import schema
from otel_oom.agent.reconciliation import MIN_SURPLUS_AGE_S

LEVEL = "\x013"  # KERN_ERR, as the kernel writes it into a text
LOG_ALL = Path("/proc/sys/net/netfilter/nf_log_all_netns")
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
    """A mount that fails. The kernel prints `<source>: Can't lookup blockdev` (CAP_SYS_ADMIN)."""
    assert ctypes.CDLL(None).mount(source.encode(), os.fsencode(target), b"ext4", 0, None) == -1


def test_in_a_user_namespace_a_mount_chooses_no_beginning_of_a_line(tmp_path: Path) -> None:
    """Any user may be root of a user namespace. There the kernel prints no source of a mount."""
    mounts = "import ctypes\nfor kind in (b'ext4', b'tmpfs', b'overlay', b'fuse'):\n"
    mounts += f"    ctypes.CDLL(None).mount(b'chosen', {os.fsencode(tmp_path)!r}, kind, 0, b'chosen=1')\n"
    with KernelLog() as log:
        command = ["unshare", "--user", "--map-root-user", "--mount", sys.executable, "-c", mounts]
        if subprocess.run(command, check=False, capture_output=True).returncode != 0:
            missing("kernel", "no user namespaces")
        mount("next", tmp_path)
        printed = [one.text for one in log.read()]
    assert [text for text in printed if text.startswith("next: ")]
    assert not [text for text in printed if text.startswith("chosen")]


def mount_alone(text: str, size: int, target: Path) -> str:
    """A mount whose source has this size: returns the text that is printed alone, if the kernel cuts at this size.

    printk cuts the line at 1 KiB, and then removes the level bytes at its start. Without its newline, the record can be
    read when the next one comes.
    """
    if (size - len(text)) % len(LEVEL):  # one character more, or less
        text = text.replace("evil", "evils", 1).removesuffix("...")
    mount(LEVEL * ((size - len(text)) // len(LEVEL)) + text, target)
    mount("next", target)
    return text


def size_without_words(log: KernelLog, target: Path) -> int:
    """The size of a source behind which this kernel prints no word of its own: 1021 bytes on 6.18."""
    for size in range(900, 1030):
        text = mount_alone("evil", size, target)
        if text in {one.text for one in log.read()}:
            break
    else:
        missing("kernel", "this kernel prints no source of a mount, or does not cut it")
    return size


def test_a_whole_line_without_a_word_of_the_kernel_behind_it_gives_no_fact(
    receiver: OtlpReceiver, tmp_path: Path
) -> None:
    if os.geteuid() != 0:
        missing("kernel", "only root may mount")
    lines = [
        klog.opener("evil"),
        "CPU: 1 PID: 666 Comm: evil Not tainted 6.1.0 #1",
        "Memory cgroup stats for /evil:",
        klog.summary(666, "evil", "/evil", "/evil"),
        klog.group("/evil"),
    ]
    no_victim = "Out of memory and no killable processes..."
    with real_kills.sandbox() as made, AgentProcess(tmp_path, receiver.settings), KernelLog() as log:
        size = size_without_words(log, tmp_path)
        real_kills.await_reports()
        real_kills.kill(made, 10)  # more reports than the kernel prints in 5 s
        printed = [mount_alone(text, size, tmp_path) for text in (*lines, no_victim)]
        real_kills.kill(made, 2)
        assert [(one.priority, one.text) for one in log.read() if one.text in printed] == [
            (3, text) for text in printed
        ]
        assert eventually(lambda: len(attributes(receiver)) == 12)
        assert {record["event.name"] for record in attributes(receiver)} == {schema.OOM_KILL}
        assert "evil" not in repr(attributes(receiver))
        assert not [record for record in attributes(receiver) if "oom.group.id" in record]


def test_a_whole_kill_line_without_a_word_of_the_kernel_behind_it_is_marked(
    receiver: OtlpReceiver, tmp_path: Path
) -> None:
    """Nothing in this line shows that a mount printed it: only the kernel's counter does."""
    if os.geteuid() != 0:
        missing("kernel", "only root may mount")
    text = f"Memory cgroup out of memory: Killed process 4242 (evil) {SIZES}"
    settings = {**receiver.settings, "OTEL_METRIC_EXPORT_INTERVAL": "200"}
    with AgentProcess(tmp_path, settings), KernelLog() as log:
        time.sleep(MIN_SURPLUS_AGE_S + 1)
        mount_alone(text, size_without_words(log, tmp_path), tmp_path)
        assert eventually(lambda: newest_value(receiver, schema.UNCONFIRMED_KILLS) == 1, within_s=RECONCILED_S + 5)
    kills = [record for record in attributes(receiver) if record["event.name"] == schema.OOM_KILL]
    assert [record["oom.unconfirmed"] for record in kills] == [True]


@contextmanager
def logged_network_namespaces() -> Iterator[None]:
    """The kernel's log takes lines of rules in every network namespace. Only the first namespace has this setting."""
    first = [] if LOG_ALL.exists() else ["nsenter", "--target", "1", "--net"]  # as in a container with --pid=host
    read = subprocess.run([*first, "cat", LOG_ALL], check=False, capture_output=True, text=True)
    if shutil.which("nft") is None or read.returncode != 0:
        missing("kernel", f"no nft, or no {LOG_ALL}: {read.stderr.strip()}")
    write = [*first, "tee", str(LOG_ALL)]
    subprocess.run(write, input="1", check=True, capture_output=True, text=True)
    try:
        yield
    finally:
        subprocess.run(write, input=read.stdout, check=True, capture_output=True, text=True)


def log_packet(prefix: str, level: str) -> None:
    """One packet on the loopback device of a new network namespace, logged by a rule with this prefix."""
    rule = f'udp dport 9 log prefix "{prefix}" level {level}'
    rules = f"table inet t {{ chain c {{ type filter hook output priority 0; {rule}; }}; }}"
    script = 'ip link set lo up && nft -f - && exec python3 -c "$1"'
    packet = "import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'', ('127.0.0.1', 9))"
    command = ["unshare", "--user", "--map-root-user", "--net", "sh", "-c", script, "sh", packet]
    subprocess.run(command, input=rules, text=True, check=True, capture_output=True)


@pytest.mark.parametrize("level", ["err", "warn", "info"])
def test_the_prefix_of_a_firewall_rule_is_no_kill_and_no_fact(
    receiver: OtlpReceiver, tmp_path: Path, level: str
) -> None:
    results = [
        "Memory cgroup out of memory: Killed process 666 (evil) total-vm:9kB, anon-rss:9kB ",
        "Killed process 666 (evil) ",
        "Out of memory and no killable processes...",
    ]
    lines = [
        "evil invoked oom-killer: gfp_mask=0x1(A), order=0, oom_score_adj=0",
        "Task in /evil killed as a result of limit of /evil",
        "memory: usage 666kB, limit 666kB, failcnt 666",
        "Memory cgroup stats for /evil:",
        "Tasks in /evil are going to be killed due to memory.oom.group set",
    ]
    settings = {**receiver.settings, "OTEL_METRIC_EXPORT_INTERVAL": "200"}
    with (
        real_kills.sandbox() as made,
        logged_network_namespaces(),
        AgentProcess(tmp_path, settings),
        KernelLog() as log,
    ):
        real_kills.kill(made)
        counted = real_kills.oom_kill_count()
        for prefix in (*results, *lines):
            log_packet(prefix, level)
        assert [one.priority >> 3 for one in log.read() if "IN= OUT=lo " in one.text] == [0] * 8
        assert eventually(lambda: newest_value(receiver, schema.RECORDS, "refused") == len(results))
        assert real_kills.oom_kill_count() == counted
        real_kills.kill(made)
        assert eventually(lambda: len(attributes(receiver)) == 2)
        assert {record["event.name"] for record in attributes(receiver)} == {schema.OOM_KILL}
        assert "evil" not in repr(attributes(receiver))


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
