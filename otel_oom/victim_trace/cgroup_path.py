"""Finds the path of a cgroup by its id, in the cgroup v2 filesystem.

The id of a cgroup v2 is the inode number of its directory, and the file handle of that directory (kernfs, 5.5+ on 64
bits). No id is used twice in a boot, and a cgroup v2 cannot be renamed: so a path that was found stays right.

Rules:
- A path is the host's, from the root of the hierarchy: see `cgroupfs.cgroup_mounts`.
- The last name of a path must be the one that the kernel's event has. So no path is a guess.
- A cgroup that is removed has no path any more, unless it was found before. That is no error: then there is None.
- It needs CAP_DAC_READ_SEARCH. A walk of the whole tree would not: with 10,000 cgroups it takes too long for a kill.

Source: open_by_handle_at(2), fs/kernfs/mount.c (kernfs_fh_to_dentry), include/linux/exportfs.h (FILEID_KERNFS).
"""

from __future__ import annotations

import ctypes
import os
from contextlib import suppress
from pathlib import Path
from typing import Final

from otel_oom.kernel.text_escapes import escape

_FILEID_KERNFS: Final = 0xFE
_MAX_KNOWN: Final = 256  # paths: some 50 KiB


class _FileHandle(ctypes.Structure):
    """struct file_handle with the handle of a kernfs file."""

    _fields_ = (("bytes", ctypes.c_uint), ("type", ctypes.c_int), ("id", ctypes.c_uint64))


class CgroupPaths:
    """Paths by cgroup id. mount: where cgroup v2 is mounted, with the root of the hierarchy."""

    def __init__(self, mount: str) -> None:
        self._mount = os.fsencode(mount)
        self._known: dict[int, str] = {}
        self._directory = -1
        with suppress(OSError):
            self._directory = os.open(mount, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._libc = ctypes.CDLL(None, use_errno=True)

    def path_of(self, cgroup_id: int, name: str) -> str | None:
        """The cgroup's path, escaped as in the kernel log; None: not found. name: its last name, escaped."""
        path = self._known.get(cgroup_id) or self._find(cgroup_id, name)
        if path is None or path.rpartition("/")[2] != name:
            return None
        if len(self._known) >= _MAX_KNOWN:
            del self._known[next(iter(self._known))]
        self._known[cgroup_id] = path
        return path

    def close(self) -> None:
        """Close the mount."""
        if self._directory >= 0:
            os.close(self._directory)
            self._directory = -1

    def _find(self, cgroup_id: int, name: str) -> str | None:
        handle = _FileHandle(8, _FILEID_KERNFS, cgroup_id)
        flags = os.O_PATH | os.O_CLOEXEC
        file = (
            self._libc.open_by_handle_at(self._directory, ctypes.byref(handle), flags) if self._directory >= 0 else -1
        )
        if file < 0:
            return None
        try:
            place = os.fsencode(Path(f"/proc/self/fd/{file}").readlink())
        except OSError:
            return None
        finally:
            os.close(file)
        return path_below(place, self._mount, name)


def path_below(place: bytes, mount: bytes, name: str) -> str | None:
    """The path of a cgroup, escaped, from the path of its directory. None: it is another cgroup, or not in this mount.

    The kernel adds ` (deleted)` to the path of a directory that was removed meanwhile. A cgroup may also be named so.
    """
    prefix = mount.rstrip(b"/") + b"/"
    if not place.startswith(prefix):
        return None
    for path in (place, place.removesuffix(b" (deleted)")):
        escaped = escape(path[len(prefix) - 1 :])
        if escaped.rpartition("/")[2] == name:
            return escaped
    return None
