"""Causes a real OOM kill without harm: of a process of the demo, in a small memory cgroup of the demo.

Rules:
- Only the new cgroup is written to. It has its limit before the process joins. Both are removed at the end.
- The process joins before it allocates, so all of its memory counts there.
"""

from __future__ import annotations

import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Final

LIMIT_MIB: Final = 20
"""Of the demo's cgroup: the killed process fills three times as much."""

_MIB: Final = 1 << 20
_KILL_S: Final = 5.0
_REMOVE_S: Final = 2.0

# Runs without site-packages: argv is the cgroup's process list and the number of bytes to fill.
_PROGRAM: Final = """
import sys
with open(sys.argv[1], "w") as processes:
    processes.write("0")
memory = b"x" * int(sys.argv[2])
"""


class NoSandboxError(Exception):
    """No memory cgroup can be made on this machine. `str()` says why."""


class Sandbox:
    """A context that holds a memory cgroup (v1 or v2) with a limit. Raises: NoSandboxError."""

    def __init__(self, name: str, limit_mib: int) -> None:
        self._limit_bytes = limit_mib * _MIB
        hierarchy, is_v2 = _memory_hierarchy(Path("/proc/self/mounts").read_text("utf-8", "surrogateescape"))
        self._path = hierarchy / name
        self._is_v2 = is_v2

    def __enter__(self) -> Sandbox:
        limit = str(self._limit_bytes)
        memory, swap = (
            (("memory.max", limit), ("memory.swap.max", "0"))
            if self._is_v2
            else (("memory.limit_in_bytes", limit), ("memory.memsw.limit_in_bytes", limit))  # memory and swap together
        )
        try:
            self._path.mkdir()
            (self._path / memory[0]).write_text(memory[1])
            with suppress(FileNotFoundError):  # a kernel without swap accounting
                (self._path / swap[0]).write_text(swap[1])
        except OSError as error:
            self._remove()
            raise NoSandboxError(f"cannot make the memory cgroup {self._path}: {error.strerror}") from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._remove()

    @property
    def processes(self) -> Path:
        """The file that a process writes 0 to in order to join."""
        return self._path / "cgroup.procs"

    @property
    def path(self) -> str:
        """The cgroup's path as the kernel prints it."""
        return f"/{self._path.name}"

    def kill_one(self) -> None:
        """Start a process that fills three times the limit. The kernel kills it within some milliseconds."""
        command = [sys.executable, "-I", "-S", "-c", _PROGRAM, str(self.processes), str(3 * self._limit_bytes)]
        with subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            try:
                process.wait(_KILL_S)
            except subprocess.TimeoutExpired:  # it was swapped out and not killed; it must not stay
                process.kill()

    def _remove(self) -> None:
        deadline = time.monotonic() + _REMOVE_S
        while self._path.exists():
            try:
                self._path.rmdir()
            except OSError:  # noqa: PERF203 the kernel still removes its dead processes
                if time.monotonic() > deadline:
                    return
                time.sleep(0.01)


def _memory_hierarchy(mounts: str) -> tuple[Path, bool]:
    """(Directory in which a memory cgroup can be made, whether it is cgroup v2), from the text of /proc/self/mounts.

    Raises: NoSandboxError.
    """
    unified = None
    for line in mounts.splitlines():
        _, path, kind, options, *_ = line.split(" ")
        if kind == "cgroup" and "memory" in options.split(","):
            return Path(path), False
        if kind == "cgroup2":
            unified = Path(path)
    if unified is None:
        raise NoSandboxError("no cgroup file system is mounted")
    with suppress(OSError):
        if "memory" in (unified / "cgroup.subtree_control").read_text().split():
            return unified, True
    raise NoSandboxError(f"{unified} gives its children no memory controller")
