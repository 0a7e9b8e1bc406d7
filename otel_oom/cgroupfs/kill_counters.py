r"""Reads how many processes of each cgroup the OOM killer has killed, for all cgroups of the memory hierarchy.

Samples: memory.events.local of cgroup v2 (5.2+; memory.events would contain the cgroups below), and
memory.oom_control of cgroup v1 (4.13+, without the cgroups below):

    low 0                       oom_kill_disable 0
    high 0                      under_oom 0
    max 52                      oom_kill 3
    oom 4
    oom_kill 3
    oom_group_kill 0

Rules:
- The files stay open: a reading takes 2 µs a cgroup instead of 10. An open file does not hold its cgroup: when that is
  removed, or loses its memory controller, reading fails (ENODEV), and the file is closed.
- A counter is known by the inode number of its file. So another cgroup with the same path is another counter, and a
  cgroup of v1 that is renamed is the same one.
- The hierarchy is searched without listing each directory: st_nlink says how many directories it has (kernfs).
- All that takes time has a deadline. What is not found in time is not read: then kills are missing, and never too many.

Source: mm/memcontrol.c (memory_events_local_show), mm/memcontrol-v1.c (mem_cgroup_oom_control_read), fs/kernfs/inode.c.
"""

from __future__ import annotations

import errno
import os
import time
from contextlib import suppress
from typing import Final

from otel_oom.cgroupfs.cgroup_mounts import MemoryHierarchy
from otel_oom.kernel.text_escapes import escape, printable

_FILES: Final = {1: b"memory.oom_control", 2: b"memory.events.local"}
_KEY: Final = b"\noom_kill "  # the first line of neither file
_FILE_BYTES: Final = 512
_NO_DIRECTORIES: Final = 2  # st_nlink of a directory without directories
_NOT_LISTED: Final = 1 << 32  # no such st_nlink


class _Directory:
    """What is known of the directory of a cgroup.

    links: st_nlink when its directories were listed; counter: inode number of its file, 0 without
    """

    def __init__(self) -> None:
        self._inode = 0
        self.links = _NOT_LISTED
        self.counter = 0

    def is_same(self, inode: int) -> bool:
        """Whether it is still the one that was looked at first, and not another one with its name."""
        self._inode = self._inode or inode
        return self._inode == inode

    def set_counter(self, number: int) -> None:
        self.counter = number

    def set_listed(self, links: int) -> None:
        self.links = links


class _Counter:
    """The open file of a cgroup's counter. path: of the cgroup's directory."""

    def __init__(self, path: bytes, file: int) -> None:
        self.path = path
        self._file = file
        self._text = b""
        self._kills = 0

    def read(self) -> int:
        """The number of kills. Raises: OSError: ENODEV, because the cgroup was removed, or another one."""
        text = os.pread(self._file, _FILE_BYTES, 0)
        if text != self._text:
            self._text, self._kills = text, _kills_in(text)
        return self._kills

    def close(self) -> None:
        file, self._file = self._file, -1
        if file >= 0:
            with suppress(OSError):
                os.close(file)

    def __del__(self) -> None:
        self.close()


class TooManyCgroupsError(Exception):
    """There are more cgroups than are read."""


class KillCounters:
    """The counters of all cgroups. max_cgroups: with more, `find_cgroups` raises TooManyCgroupsError."""

    def __init__(self, hierarchy: MemoryHierarchy, max_cgroups: int) -> None:
        self._mount = os.fsencode(hierarchy.mount).rstrip(b"/")
        self._name = _FILES[hierarchy.version]
        self.max_cgroups = max_cgroups
        self._directories = {self._mount: _Directory()}
        self._counters: dict[int, _Counter] = {}

    def __len__(self) -> int:
        return len(self._counters)

    def find_cgroups(self, deadline_s: float) -> bool:
        """Find new cgroups, forget removed ones. Returns whether all were found. deadline_s: `time.monotonic`.

        Raises: TooManyCgroupsError.
        """
        has_all = True
        # First those that were not listed yet, then those that have directories: there new ones come.
        to_look_at = sorted(self._directories, key=self._links_of, reverse=True)
        for path in to_look_at:  # which grows
            if time.monotonic() > deadline_s:
                return False
            directory = self._directories.get(path)
            if directory is None:
                continue
            try:
                found = os.stat(path)  # noqa: PTH116 half the time of Path
                if not directory.is_same(found.st_ino):
                    to_look_at += self._forget(path)
                    continue
                if not directory.counter:
                    directory.set_counter(self._open(path))
                if found.st_nlink != directory.links:
                    to_look_at += self._list_new(path, found.st_nlink)
                    directory.set_listed(found.st_nlink)
            except FileNotFoundError:
                to_look_at += self._forget(path)
            except OSError:
                has_all = False
        return has_all

    def read(self, deadline_s: float) -> dict[int, int] | None:
        """The number of kills by counter, without those of removed cgroups. deadline_s: `time.monotonic`.

        None: it was not done in time, or a counter could not be read.
        """
        kills: dict[int, int] = {}
        for number, counter in list(self._counters.items()):
            try:
                kills[number] = counter.read()
            except OSError as error:
                if error.errno != errno.ENODEV:  # no memory: it is still there, with the kills that it had
                    return None
                self._close(number)
            if time.monotonic() > deadline_s:
                return None
        return kills

    def path_of(self, number: int) -> str | None:
        """The printable path of a counter's cgroup. None: it is no longer there (v1: it may have been renamed)."""
        counter = self._counters.get(number)
        if counter is None:
            return None
        try:
            if os.stat(counter.path + b"/" + self._name).st_ino != number:  # noqa: PTH116 the path may be no text
                return None
        except OSError:
            return None
        return self._printable(counter.path)

    def by_path(self) -> dict[str, int]:
        """The counters by the printable path of their cgroup."""
        return {self._printable(counter.path): number for number, counter in self._counters.items()}

    def close(self) -> None:
        """Close all files."""
        for number in list(self._counters):
            self._close(number)

    def _links_of(self, path: bytes) -> int:
        return self._directories[path].links

    def _printable(self, path: bytes) -> str:
        return printable(escape(path[len(self._mount) :] or b"/"))

    def _list_new(self, path: bytes, links: int) -> list[bytes]:
        """Remember the directories in a directory that are not known yet, and return them. Raises: OSError."""
        if links - _NO_DIRECTORIES > self.max_cgroups:
            raise TooManyCgroupsError
        new: list[bytes] = []
        if links > _NO_DIRECTORIES:
            with os.scandir(path) as entries:
                directories = [entry.path for entry in entries if entry.is_dir(follow_symlinks=False)]
            new = [directory for directory in directories if directory not in self._directories]
        if len(self._directories) + len(new) > self.max_cgroups:
            raise TooManyCgroupsError
        self._directories.update({directory: _Directory() for directory in new})
        return new

    def _open(self, path: bytes) -> int:
        """Open a cgroup's counter. Returns its number, 0: it has none. Raises: OSError."""
        try:
            file = os.open(path + b"/" + self._name, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return 0  # the root of v2, or a cgroup without the memory controller
        number = os.fstat(file).st_ino
        if number in self._counters:  # it was renamed
            self._close(number)
        self._counters[number] = _Counter(path, file)
        return number

    def _forget(self, path: bytes) -> list[bytes]:
        """A directory is gone. Returns the one above, which must be listed again."""
        directory = self._directories.pop(path)
        counter = self._counters.get(directory.counter)
        if counter is not None and counter.path == path:
            self._close(directory.counter)
        above = os.path.dirname(path)  # noqa: PTH120
        if above not in self._directories:
            return []
        self._directories[above].set_listed(_NOT_LISTED)
        return [above]

    def _close(self, number: int) -> None:
        counter = self._counters.pop(number)
        counter.close()
        directory = self._directories.get(counter.path)
        if directory is not None and directory.counter == number:
            directory.set_counter(0)


def _kills_in(text: bytes) -> int:
    """The number in a file's text, 0 where it has none (v1 before 4.13)."""
    _, key, after = text.partition(_KEY)
    try:
        return int(after.split(None, 1)[0]) if key else 0
    except (IndexError, ValueError):
        return 0
