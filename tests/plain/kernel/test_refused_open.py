"""Why the kernel refused to open its log: the sentence of each case."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from otel_oom import surroundings
from otel_oom.kernel.refused_open import permission_error

_SYSLOG, _NONE = f"{1 << 34:016x}", f"{0:016x}"
_HOST = "         0          0 4294967295\n"
_ROOTLESS = "         0       1000          1\n         1     100000      65536\n"
_PLAIN = f"; {surroundings.NO_PERMISSION.here()}"
_NAMESPACE = f": CAP_SYSLOG of a user namespace does not count; {surroundings.USER_NAMESPACE.here()}"
_CGROUP = f": the device cgroup refuses it, although there is CAP_SYSLOG; {surroundings.DEVICE_CGROUP.here()}"


@pytest.mark.parametrize(
    ("number", "effective", "uid_map", "expected"),
    [
        pytest.param(errno.EACCES, _SYSLOG, _HOST, _PLAIN, id="the mode of the file"),
        pytest.param(errno.EPERM, _NONE, _HOST, _PLAIN, id="no CAP_SYSLOG"),
        pytest.param(errno.EPERM, _NONE, _ROOTLESS, _PLAIN, id="no CAP_SYSLOG in a user namespace"),
        pytest.param(errno.EPERM, _SYSLOG, _HOST, _CGROUP, id="a bind mount without --device"),
        pytest.param(errno.EPERM, _SYSLOG, _ROOTLESS, _NAMESPACE, id="a rootless container"),
        pytest.param(errno.EPERM, None, _HOST, _PLAIN, id="no /proc"),
    ],
)
def test_a_refusal_says_what_refused(
    tmp_path: Path, number: int, effective: str | None, uid_map: str, expected: str
) -> None:
    if effective is not None:
        (tmp_path / "status").write_text(f"Name:\tx\nCapEff:\t{effective}\nCapBnd:\t{_NONE}\n")
    (tmp_path / "uid_map").write_text(uid_map)
    error = permission_error("/dev/kmsg", OSError(number, "x"), str(tmp_path))
    assert str(error) == f"no permission to read /dev/kmsg{expected}"
    assert error.exit_code == 77
