"""Reads the state of the cgroup of a kill, and of the machine, right after the kill line was read.

Rules:
- It looks once and never waits. The time is checked between two files: one look ends after 5 ms, all looks for one
  batch of kills after 20 ms. What comes later is left out.
- All kills of a batch were read before the first look. So one look at a cgroup is as true for each of its kills.
- Which cgroup: the one whose limit was hit. Where the kernel log does not name it: the victim's own.
- The kernel counts a kill before it prints it. A victim's cgroup without a kill was made again under its old name,
  as a service manager does at a restart: its values are not those of the kill.
- A file is opened in the directory of the cgroup. No link is followed, and no open or read blocks (O_NONBLOCK).
- A cgroup that is gone, and a file that may not be read, are absent values. Nothing is raised for them.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Mapping
from typing import Final

from otel_oom import schema, surroundings
from otel_oom.cgroupfs import memory_files
from otel_oom.cgroupfs.cgroup_directory import open_cgroup, open_root
from otel_oom.cgroupfs.cgroup_mounts import MemoryHierarchy, mounts_of_this_process
from otel_oom.cgroupfs.memory_files import MemoryFile, Value

log = logging.getLogger(__name__)

LOOK_S: Final = 0.005
BATCH_S: Final = 0.02
_FILE_BYTES: Final = 4096
_FLAGS: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC

State = Mapping[str, Value | str]
"""Values by attribute name."""


class MemoryStates:
    """hierarchy: with the memory controller, None where it is not to be seen; machine: the machine's pressure file."""

    def __init__(
        self,
        hierarchy: MemoryHierarchy | None,
        machine: MemoryFile = memory_files.MACHINE,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._hierarchy = hierarchy
        self._machine = machine
        self._now_s = now_s
        self._files = memory_files.V1 if hierarchy is not None and hierarchy.version == 1 else memory_files.V2
        self.begin_batch()

    def begin_batch(self) -> None:
        """New kills were read: look again."""
        self._left_s = BATCH_S
        self._of_machine: State | None = None
        self._of_cgroups: dict[str, State | None] = {}

    def of(self, limit: str | None, victim: str | None) -> State:
        """The state after a kill. limit: path of the cgroup whose limit was hit; victim: path of the victim's own."""
        path = limit or victim
        is_known = self._of_machine is not None and (path is None or path in self._of_cgroups)
        if not is_known and self._left_s > 0:
            began_s = self._now_s()
            try:
                self._look(path, began_s + min(LOOK_S, self._left_s))
            finally:
                self._left_s -= self._now_s() - began_s
        of_machine = self._of_machine or {}
        of_cgroup = self._of_cgroups.get(path) if path else None
        if of_cgroup is None or (path == victim and of_cgroup.get(schema.MEMCG_EVENTS_OOM_KILL.name) == 0):
            return of_machine
        return {schema.MEMCG_READ_FROM.name: "limit" if limit else "victim", **of_cgroup, **of_machine}

    def _look(self, path: str | None, until_s: float) -> None:
        if path is not None and path not in self._of_cgroups:
            self._of_cgroups[path] = self._look_at(path, until_s)
        if self._of_machine is None and self._now_s() < until_s:
            self._of_machine = _values_of(self._machine) or {}

    def _look_at(self, path: str, until_s: float) -> State | None:
        root = open_root(self._hierarchy.mount) if self._hierarchy else None
        if root is None:
            return None
        try:
            directory = open_cgroup(root, path)
            if directory is None:
                return None
            try:
                return self._read(directory, until_s)
            finally:
                os.close(directory)
        finally:
            os.close(root)

    def _read(self, directory: int, until_s: float) -> State | None:
        """Read the files in their order. None: not even the limit can be read, or no time is left for the counters."""
        found: dict[str, Value] = {}
        for position, file in enumerate(self._files):
            values = _values_of(file, directory)
            if values is None and position == 0:
                return None
            found.update(values or {})
            if self._now_s() >= until_s:
                return found if position > 0 else None
        return found


def open_memory_states(below: str) -> MemoryStates:
    """The states of this machine. below: the mounts at this path or below it are used."""
    hierarchy = mounts_of_this_process(below).memory
    if hierarchy is None:
        log.warning(
            "kills come without the state of their cgroup: no whole cgroup filesystem with the memory controller is"
            " mounted at %s or below it (%s)",
            below,
            surroundings.CGROUP_MOUNT.here(),
        )
    return MemoryStates(hierarchy)


def _values_of(file: MemoryFile, directory: int | None = None) -> dict[str, Value] | None:
    """The values in a file, by attribute name. None: it cannot be read."""
    try:
        opened = os.open(file.name, _FLAGS, dir_fd=directory)
    except OSError:
        return None
    try:
        text = os.read(opened, _FILE_BYTES)
    except OSError:  # pressure without CONFIG_PSI or with psi=0 (EOPNOTSUPP), a cgroup that was removed (ENODEV)
        return None
    finally:
        os.close(opened)
    return {attribute.name: value for attribute, value in file.parse(text)}
