"""Why the kernel refused to open its log, and what corrects it. It reads /proc/self, raises nothing.

The open of /dev/kmsg ends with EACCES where the file's mode forbids it. It ends with EPERM in these cases (fs/namei.c,
inode_permission; kernel/printk/printk.c, check_syslog_permissions):

- the device cgroup does not list the device: a container without it, although a bind mount shows the file
- kernel.dmesg_restrict is 1, and there is no CAP_SYSLOG; that of a user namespace (a rootless container) does not count
"""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Final

from otel_oom import surroundings
from otel_oom.errors import NoPermissionError

_CAP_SYSLOG: Final = 34  # include/uapi/linux/capability.h
_WHOLE_ID_RANGE: Final = ["0", "0", "4294967295"]


def permission_error(path: str, error: OSError, proc: str = "/proc/self") -> NoPermissionError:
    """Return the error to raise. path: of the device; proc: the directory of this process in /proc."""
    problem = f"no permission to read {path}"
    if error.errno != errno.EPERM or not _has_syslog(f"{proc}/status"):
        return NoPermissionError(problem, surroundings.NO_PERMISSION.here())
    if _fields(f"{proc}/uid_map") != _WHOLE_ID_RANGE:
        return NoPermissionError(
            f"{problem}: CAP_SYSLOG of a user namespace does not count", surroundings.USER_NAMESPACE.here()
        )
    return NoPermissionError(
        f"{problem}: the device cgroup refuses it, although there is CAP_SYSLOG", surroundings.DEVICE_CGROUP.here()
    )


def _has_syslog(path: str) -> bool:
    """Whether CAP_SYSLOG is effective. Sample: `CapEff: 000001ffffffffff`."""
    fields = _fields(path)
    if "CapEff:" not in fields[:-1]:
        return False
    return bool(int(fields[fields.index("CapEff:") + 1], 16) >> _CAP_SYSLOG & 1)


def _fields(path: str) -> list[str]:
    try:
        return Path(path).read_text("utf-8", errors="replace").split()
    except OSError:
        return []
