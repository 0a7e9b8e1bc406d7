"""What the agent does for itself, in processes of their own: all of it is for the whole process, and to stay."""

from __future__ import annotations

import errno
import json
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support.agents import environment
from support.levels import missing

_CAP_IPC_LOCK, _CAP_SYS_RESOURCE = 14, 24
_LOCK_REFUSED = "give its unit LimitMEMLOCK=infinity, or CAP_IPC_LOCK"


def ask(script: str, *, before: str = "") -> Any:
    """Run it in a new process; `answer(value)` ends it. before: what happens to the process first."""
    program = f"""
import ctypes, json, os, resource, sys, threading
from pathlib import Path
def answer(value): print(json.dumps(value))
def status(name): return next(
    int(line.split()[1]) for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name + ":"))
def drop_capability(number):  # PR_CAPBSET_DROP would wait for an exec: capset(2) at once
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    data = (ctypes.c_uint32 * 6)()
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.capget(header, data) == 0
    for word in (0, 1, 2):  # effective, permitted, inheritable
        data[3 * (number // 32) + word] &= ~(1 << number % 32)
    assert libc.capset(header, data) == 0
{before}
from otel_oom.machine import memory_protection
{script}
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def has_capability(number: int) -> bool:
    line = next(one for one in Path("/proc/self/status").read_text().splitlines() if one.startswith("CapEff:"))
    return bool(int(line.split()[1], 16) >> number & 1)


@pytest.mark.parametrize(
    ("wanted", "after"),
    [
        pytest.param(300, 300, id="lower: written"),
        pytest.param(500, 500, id="the same: left"),
        pytest.param(700, 500, id="higher: what systemd set stays"),
        pytest.param(0, 0, id="back to where it came from"),
    ],
)
def test_the_score_is_lowered_and_never_raised(wanted: int, after: int) -> None:
    # Up is free to anyone, and so is down to the lowest value that a privileged process ever set.
    own = Path("/proc/self/oom_score_adj")
    if int(own.read_text()) > 0:
        missing("plain", "these tests run with a raised oom_score_adj themselves")
    assert ask(
        f"warning = memory_protection.lower_oom_score({wanted}); answer([warning, Path({str(own)!r}).read_text()])",
        before=f"Path({str(own)!r}).write_text('500')",
    ) == [None, f"{after}\n"]


def test_a_score_that_may_not_be_lowered_is_one_line_with_its_mend() -> None:
    own = Path("/proc/self/oom_score_adj")
    if int(own.read_text()) < -998:
        missing("plain", "these tests run with the lowest oom_score_adj themselves")
    warning, after = ask(
        "warning = memory_protection.lower_oom_score(-999); answer([warning, Path('/proc/self/oom_score_adj').read_text()])",
        before=f"drop_capability({_CAP_SYS_RESOURCE})",
    )
    assert warning == (
        "the OOM killer may end this agent as any other process (oom_score_adj -999: Permission denied); "
        "give it CAP_SYS_RESOURCE, or its unit OOMScoreAdjust="
    )
    assert after == own.read_text(), "unchanged"


def test_without_proc_the_score_is_a_warning_too(tmp_path: Path) -> None:
    warning = ask(f"answer(memory_protection.lower_oom_score(-999, {str(tmp_path / 'oom_score_adj')!r}))")
    assert "oom_score_adj -999: No such file or directory" in warning


_LOCK = """
before = status("VmRSS")
warning = memory_protection.lock_memory()
after = status("VmRSS")
locked = status("VmLck")
import mmap
later = mmap.mmap(-1, 64 << 20)  # more than any small limit
answer([warning, locked, after - before, status("VmLck") - locked, resource.getrlimit(resource.RLIMIT_MEMLOCK)])
"""
_NO_PRIVILEGE = f"drop_capability({_CAP_IPC_LOCK})"


def limit(soft: int, hard: int) -> str:
    return f"resource.setrlimit(resource.RLIMIT_MEMLOCK, ({soft}, {hard}))"


@pytest.mark.parametrize(
    "before",
    [
        pytest.param(limit(8 << 20, 8 << 20), id="by privilege, above the limit"),
        pytest.param(limit(0, 0), id="by privilege, with a limit of 0"),
    ],
)
def test_memory_is_locked_costs_none_and_later_memory_is_had(before: str) -> None:
    if not has_capability(_CAP_IPC_LOCK):
        missing("plain", "no CAP_IPC_LOCK: memory may not be locked above the limit here")
    warning, locked_kib, grown_kib, later_kib, limits = ask(_LOCK, before=before)
    assert warning is None
    assert locked_kib > 10_000
    assert grown_kib < 1_500, "pages that nobody touched are not read in"
    assert later_kib >= 64 << 10, "what comes later is locked too"
    assert limits == list(ask("answer(resource.getrlimit(resource.RLIMIT_MEMLOCK))", before=before)), "as it was"


def test_a_finite_limit_is_raised_where_it_may_be_infinite() -> None:
    script = """
limits = [[8 << 20, resource.RLIM_INFINITY]]
class Limits:
    RLIMIT_MEMLOCK, RLIM_INFINITY = resource.RLIMIT_MEMLOCK, resource.RLIM_INFINITY
    getrlimit = staticmethod(lambda _: tuple(limits[-1]))
    setrlimit = staticmethod(lambda _, both: limits.append(list(both)))
class Kernel:
    def __init__(self, *_, **__): pass
    def mlockall(self, flags): limits.append(flags); return 0
memory_protection.resource, memory_protection.ctypes.CDLL = Limits, Kernel
assert memory_protection.lock_memory() is None
answer(limits)
"""
    infinite = resource.RLIM_INFINITY
    assert ask(script) == [[8 << 20, infinite], [infinite, infinite], 1 | 2 | 4], "raised before the call, and to stay"


@pytest.mark.parametrize(
    ("bytes_", "said"),
    [
        pytest.param(64 << 10, "the limit is 64 KiB", id="too small for what is there"),
        pytest.param(1 << 30, "the limit is 1048576 KiB", id="enough today, and an allocation fails some day"),
    ],
)
def test_memory_is_not_locked_under_a_finite_limit(bytes_: int, said: str) -> None:
    hard = resource.getrlimit(resource.RLIMIT_MEMLOCK)[1]
    if hard != resource.RLIM_INFINITY and hard < bytes_ and not has_capability(_CAP_SYS_RESOURCE):
        bytes_ = hard
        said = f"the limit is {hard >> 10} KiB"
    warning, locked_kib, _, later_kib, limits = ask(_LOCK, before=limit(bytes_, bytes_) + f"\n{_NO_PRIVILEGE}")
    assert warning == f"memory is not locked ({said}), so it may be swapped out; {_LOCK_REFUSED}"
    assert [locked_kib, later_kib] == [0, 0]
    assert limits == [bytes_, bytes_], "as it was"


def test_a_kernel_that_does_not_know_the_call_is_a_warning() -> None:
    script = f"""
class Kernel:
    def __init__(self, *_, **__): pass
    def mlockall(self, flags): ctypes.set_errno({errno.ENOSYS}); return -1
memory_protection.ctypes.CDLL = Kernel
answer(memory_protection.lock_memory())
"""
    assert ask(script) == f"memory is not locked (Function not implemented), so it may be swapped out; {_LOCK_REFUSED}"


def test_threads_are_small_and_a_runaway_recursion_in_one_is_an_exception() -> None:
    script = """
import re
memory_protection.bound_threads()
class Endless:
    def __getattr__(self, name): return getattr(self, name)
said = []
def work():
    stack = re.search(r"Size: +(\\d+) kB", next(part for part in re.split(r"(?m)^(?=[0-9a-f]+-[0-9a-f]+ )",
        Path("/proc/self/smaps").read_text()) if part and within(part)))[1]
    said.append(int(stack))
    try: Endless().attribute
    except RecursionError: said.append("RecursionError")
def within(part):
    low, high = (int(end, 16) for end in part.split(" ")[0].split("-"))
    return low <= ctypes.addressof(ctypes.c_int.from_address(here())) < high
def here():
    libc = ctypes.CDLL(None)
    libc.pthread_self.restype = ctypes.c_void_p
    return libc.pthread_self()  # glibc keeps the thread's own data at the upper end of its stack
thread = threading.Thread(target=work)
thread.start()
thread.join()
answer(said)
"""
    size_kib, ended = ask(script)
    assert ended == "RecursionError"
    assert size_kib <= 1100


_WARM_UP = """
from otel_oom.agent.warm_up import warm_up
from otel_oom.machine.identity import read_machine_identity
told = []
warning = warm_up(told.append, read_machine_identity())
(batch,) = told
(event,) = batch
answer([warning, event.name, event.attributes])
"""


def test_the_rehearsal_is_a_whole_kill_with_a_look_at_a_process() -> None:
    warning, name, attributes = ask(_WARM_UP)
    assert [warning, name] == [None, "system_oom_kill"]
    assert attributes["oom.report"] == "full"
    assert Path(attributes["process.executable.path"]).name == attributes["process.executable.name"]
    assert "process.command_line" in attributes


def test_a_rehearsal_that_fails_is_a_warning() -> None:
    script = """
from otel_oom.agent.warm_up import warm_up
from otel_oom.machine.identity import read_machine_identity
def refuse(events): raise MemoryError
answer(warm_up(refuse, read_machine_identity()))
"""
    assert ask(script) == (
        "the first kill was not rehearsed, and may need memory that is not there: MemoryError(); please report it"
    )


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
@pytest.mark.parametrize("answers", [True, False], ids=["delivered", "refused"])
def test_after_it_a_kill_and_its_delivery_import_nothing(protocol: str, *, answers: bool) -> None:
    script = f"""
import socket
from otel_oom.agent.warm_up import warm_up
from otel_oom.config.settings import load_config
from otel_oom.machine.identity import read_machine_identity
from otel_oom.otlp import log_records
from otel_oom.totals import ResourceIdentity
from otel_oom.otlp.resource import resources
from otel_oom.demo.otlp_receiver import Receiver
receiver = Receiver()
closed = socket.create_server(("127.0.0.1", 0)); port = closed.getsockname()[1]; closed.close()
endpoint = receiver.endpoint if {answers} else f"http://localhost:{{port}}"
export = load_config({{"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "OTEL_EXPORTER_OTLP_PROTOCOL": {protocol!r}}}).logs
sender = log_records.LogSender(resources({{}}), log_records.exporter(export), ResourceIdentity("here"))
told = []
def rehearse(events):
    told.append(events)
    sender.rehearse(events)
assert warm_up(rehearse, read_machine_identity()) is None
before = set(sys.modules)
with receiver:
    again = []
    warm_up(again.append, read_machine_identity())
    outcome = sender.send(again[0])
answer([outcome.verdict, receiver.logs.qsize(), sorted(set(sys.modules) - before)])
"""
    is_http = protocol != "grpc"
    expected = ["ok", 1, []] if answers and is_http else ["retry", 0, []]  # this receiver speaks HTTP alone
    assert ask(script) == expected


def test_a_rehearsal_sends_nothing() -> None:
    script = """
from otel_oom.agent.warm_up import warm_up
from otel_oom.config.settings import load_config
from otel_oom.machine.identity import read_machine_identity
from otel_oom.otlp import log_records
from otel_oom.totals import ResourceIdentity
from otel_oom.otlp.resource import resources
from otel_oom.demo.otlp_receiver import Receiver
with Receiver() as receiver:
    export = load_config({"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.endpoint}).logs
    sender = log_records.LogSender(resources({}), log_records.exporter(export), ResourceIdentity("here"))
    assert warm_up(sender.rehearse, read_machine_identity()) is None
    sender.send([])
    answer([len(resource.scope_logs) for resource in receiver.logs.get(timeout=10).message.resource_logs])
"""
    assert ask(script) == []
