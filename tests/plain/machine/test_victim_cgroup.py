"""The cgroup of a victim from /proc: only of a process that SIGKILL ends, and that has its name."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.waiting import eventually

from otel_oom.machine.victim_cgroup import Glance, cgroup_of, glance, sees_host_cgroups

V1 = b"9:memory:/limits/a\n3:cpu,cpuacct:/other\n1:name=systemd:/a\n0::/unified\n"
V2 = b"0::/kubepods/pod1/abc\n"


def stat(comm: bytes = b"victim", *, pending: int = 0, exit_code: int = 9) -> bytes:
    """A line of /proc/PID/stat. pending, exit_code: its fields 31 and 52."""
    fields = [b"%d" % number for number in range(4, 53)]
    fields[31 - 4], fields[52 - 4] = b"%d" % pending, b"%d" % exit_code
    return b"77 (%s) R %s\n" % (comm, b" ".join(fields))


@pytest.mark.parametrize(
    ("cgroup", "expected"),
    [
        (V2, "/kubepods/pod1/abc"),
        (V1, "/limits/a"),
        (b"4:cpuset,memory,cpu:/b\n0::/c\n", "/b"),
        (b"3:cpu:/b\n0::/c\n", "/c"),  # the memory controller is on v2
        (b"9:memory:/\n0::/\n", None),  # v1: an exiting task
        (b"0::/\n", "/"),
        (b"0::/gone (deleted)\n", "/gone"),
        (b"0::/a:b,memory:c\n", "/a:b,memory:c"),
        (b"9:name=memory:/a\n0::/c\n", "/c"),
        (b"0::/a\xff\x1b\\\xc3\xa9\n", r"/a\xff\x1b\x5cé"),
        (b"", None),
        (b"garbage\n\n:\n", None),
    ],
)
def test_the_path_is_that_of_the_memory_controller(cgroup: bytes, expected: str | None) -> None:
    assert cgroup_of(Glance(cgroup, stat()), "victim") == expected


@pytest.mark.parametrize(
    ("line", "comm", "expected"),
    [
        pytest.param(stat(), "victim", "/kubepods/pod1/abc", id="it has the exit code"),
        pytest.param(stat(pending=1 << 8, exit_code=0), "victim", "/kubepods/pod1/abc", id="SIGKILL is pending"),
        pytest.param(stat(exit_code=0), "victim", None, id="alive: the pid was used again"),
        pytest.param(stat(exit_code=9 << 8), "victim", None, id="the pid was used again, and exited with code 9"),
        pytest.param(stat(pending=1 << 14, exit_code=0), "victim", None, id="another signal is pending"),
        pytest.param(stat(b"other"), "victim", None, id="another name"),
        pytest.param(stat(b"a) Z (b"), "a) Z (b", "/kubepods/pod1/abc", id="a name with brackets"),
        pytest.param(stat(b") Z 1 2", exit_code=0), ") Z 1 2", None, id="a name like other fields"),
        pytest.param(stat(b"\xff\n"), r"\xff\x0a", "/kubepods/pod1/abc", id="a name of bytes"),
        pytest.param(stat(), None, None, id="no name in the kill line"),
        pytest.param(b"", "victim", None, id="empty"),
        pytest.param(b"77 (victim) Z", "victim", None, id="cut"),
    ],
)
def test_the_process_must_be_dying_and_have_the_name(line: bytes, comm: str | None, expected: str | None) -> None:
    assert cgroup_of(Glance(V2, line), comm) == expected


@given(st.binary(), st.binary(), st.text())
def test_no_content_of_proc_is_an_error(cgroup: bytes, line: bytes, comm: str) -> None:
    cgroup_of(Glance(cgroup, line), comm)


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as process:
        yield process
        process.kill()


def test_a_live_process_is_no_victim_and_a_killed_one_is(child: subprocess.Popen[bytes]) -> None:
    comm = Path(f"/proc/{child.pid}/comm").read_text().strip()
    found = glance(child.pid)
    assert found is not None
    assert cgroup_of(found, comm) is None
    child.send_signal(signal.SIGKILL)
    assert eventually(lambda: Path(f"/proc/{child.pid}/stat").read_bytes().rpartition(b") ")[2].startswith(b"Z"))
    found = glance(child.pid)
    assert found is not None
    lines = found.cgroup.splitlines()
    is_v1 = any(b":memory:" in line for line in lines)  # there an exiting process says `/`
    own = Path("/proc/self/cgroup").read_bytes().splitlines()[-1].partition(b"::")[2].decode()
    assert cgroup_of(found, comm) == (None if is_v1 else own)


def test_a_process_that_is_gone_has_no_answer() -> None:
    child = os.fork()
    if not child:
        os._exit(0)
    os.waitpid(child, 0)
    assert glance(child) is None


def test_another_cgroup_namespace_is_recognized() -> None:
    link = Path("/proc/self/ns/cgroup").readlink()
    assert sees_host_cgroups() == (str(link) == f"cgroup:[{0xEFFFFFFB}]")
    assert not sees_host_cgroups("/proc/self/ns/uts")
    assert sees_host_cgroups("/proc/self/ns/none"), "a kernel without cgroup namespaces"
