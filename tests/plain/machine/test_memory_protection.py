"""Protection against a lack of memory. One new process for each test: settings last as long as it."""

from __future__ import annotations

import errno
import resource
from pathlib import Path
from typing import Any

import pytest
from support import new_process
from support.levels import missing

from otel_oom import surroundings

_CAP_IPC_LOCK, _CAP_SYS_RESOURCE = 14, 24
_LOCK_REFUSED = surroundings.LOCKED_MEMORY.here()


def ask(script: str, *, before: str = "") -> Any:
    """Run a script in a new process. before: code that changes the process first."""
    return new_process.answer(f"{before}\nfrom otel_oom.machine import memory_protection\n{script}")


def has_capability(number: int) -> bool:
    line = next(one for one in Path("/proc/self/status").read_text().splitlines() if one.startswith("CapEff:"))
    return bool(int(line.split()[1], 16) >> number & 1)


@pytest.mark.parametrize(
    ("wanted", "after"),
    [
        pytest.param(300, 300, id="lower: written"),
        pytest.param(500, 500, id="equal: kept"),
        pytest.param(700, 500, id="higher: the value of systemd is kept"),
        pytest.param(0, 0, id="back to the value before"),
    ],
)
def test_the_score_is_lowered_and_never_raised(wanted: int, after: int) -> None:
    # Every process may raise its value, and lower it down to the lowest value that a privileged process ever set.
    own = Path("/proc/self/oom_score_adj")
    if int(own.read_text()) > 0:
        missing("plain", "these tests run with a raised oom_score_adj themselves")
    assert ask(
        f"warning = memory_protection.lower_oom_score({wanted}); answer([warning, Path({str(own)!r}).read_text()])",
        before=f"Path({str(own)!r}).write_text('500')",
    ) == [None, f"{after}\n"]


def test_a_refused_score_is_one_line_with_its_remedy() -> None:
    own = Path("/proc/self/oom_score_adj")
    if int(own.read_text()) < -998:
        missing("plain", "these tests run with the lowest oom_score_adj themselves")
    warning, after = ask(
        f"warning = memory_protection.lower_oom_score(-999); answer([warning, Path({str(own)!r}).read_text()])",
        before=f"drop_capability({_CAP_SYS_RESOURCE})",
    )
    assert warning == (
        "the OOM killer may end this agent like any other process (oom_score_adj -999: Permission denied); "
        f"{surroundings.OOM_SCORE.here(score=-999)}"
    )
    assert after == own.read_text(), "unchanged"


def test_a_score_without_proc_is_a_warning(tmp_path: Path) -> None:
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
def test_locked_memory_costs_none_and_later_memory_is_available(before: str) -> None:
    if not has_capability(_CAP_IPC_LOCK):
        missing("plain", "no CAP_IPC_LOCK: memory may not be locked above the limit here")
    warning, locked_kib, grown_kib, later_kib, limits = ask(_LOCK, before=before)
    assert warning is None
    assert locked_kib > 10_000
    assert grown_kib < 1_500, "unused pages are not read in"
    assert later_kib >= 64 << 10, "later memory is locked too"
    assert limits == list(ask("answer(resource.getrlimit(resource.RLIMIT_MEMLOCK))", before=before)), "unchanged"


def test_a_finite_soft_limit_is_raised_to_an_infinite_hard_limit() -> None:
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
    assert ask(script) == [[8 << 20, infinite], [infinite, infinite], 1 | 2 | 4], (
        "raised before the call, and not lowered again"
    )


@pytest.mark.parametrize(
    ("bytes_", "said"),
    [
        pytest.param(64 << 10, "the limit is 64 KiB", id="too small for the memory in use"),
        pytest.param(1 << 30, "the limit is 1048576 KiB", id="enough today, but a later allocation would fail"),
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
    assert limits == [bytes_, bytes_], "unchanged"


def test_a_kernel_that_does_not_know_the_call_is_a_warning() -> None:
    script = f"""
class Kernel:
    def __init__(self, *_, **__): pass
    def mlockall(self, flags): ctypes.set_errno({errno.ENOSYS}); return -1
memory_protection.ctypes.CDLL = Kernel
answer(memory_protection.lock_memory())
"""
    assert ask(script) == f"memory is not locked (Function not implemented), so it may be swapped out; {_LOCK_REFUSED}"


def test_threads_are_small_and_an_endless_recursion_raises() -> None:
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
