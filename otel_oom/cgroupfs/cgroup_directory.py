r"""Opens the directory of a cgroup by its path.

Samples: `/kubepods.slice/x.scope`, `/my\x5cx2dapp` (a backslash), `/caf\xff` (not UTF-8), `/../other` (refused).

Rules:
- A path is refused that has an empty name, `.` or `..`: such a path is relative to a cgroup namespace.
- A path of 900 bytes or more is refused. The kernel log may have cut it: a record holds 975 bytes or more
  (LOG_LINE_MAX less its prefix, kernel/printk/printk.c). The rest may be the path of another cgroup.
- Each name is opened in the directory before it, and no symbolic link is followed.
- A directory of another filesystem, which is mounted over the cgroup's, is refused. In a cgroup filesystem all files
  are the kernel's own.
"""

from __future__ import annotations

import os
from typing import Final

from otel_oom.kernel.text_escapes import original_bytes

_MAX_PATH_BYTES: Final = 900
_FLAGS: Final = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def cgroup_names(path: str) -> tuple[bytes, ...] | None:
    """The names in a path, none for the root. None: it is no path from the root. path: as printed, or printable."""
    raw = original_bytes(path)
    if not raw.startswith(b"/") or len(raw) >= _MAX_PATH_BYTES or b"\0" in raw:
        return None
    if raw == b"/":
        return ()
    names = tuple(raw[1:].split(b"/"))
    return None if {b"", b".", b".."} & set(names) else names


def open_root(mount: str) -> int | None:
    """Open the root of a hierarchy. Returns a file descriptor (O_PATH), which the caller closes."""
    try:
        return os.open(mount, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return None


def open_cgroup(root: int, path: str) -> int | None:
    """Open the directory of a cgroup. Returns a file descriptor (O_PATH), which the caller closes. None: not there.

    root: file descriptor of the root of the hierarchy; path: of the cgroup, as the kernel printed it, or printable
    """
    names = cgroup_names(path)
    if names is None:
        return None
    opened = root
    try:
        for name in (b".", *names):
            above, opened = opened, os.open(name, _FLAGS, dir_fd=opened)
            if above != root:
                os.close(above)
        is_in_hierarchy = os.fstat(opened).st_dev == os.fstat(root).st_dev
    except OSError:
        is_in_hierarchy = False
    if is_in_hierarchy:
        return opened
    if opened != root:
        os.close(opened)
    return None
