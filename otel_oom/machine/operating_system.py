"""The resource attributes of the operating system. Reads /etc/os-release, raises nothing.

Sample of os-release(5): `NAME="Debian GNU/Linux"`, `VERSION_ID="12"`, `PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"`.
What the file does not give is absent. A file that is absent or is not UTF-8 gives nothing.
"""

from __future__ import annotations

import os
import platform  # the SDK has loaded it already
from collections.abc import Mapping
from typing import Final

from otel_oom import schema
from otel_oom.machine.victim_process import safe_text

_MAX_CHARS: Final = 256

_OF_OS_RELEASE: Final = {
    schema.OS_NAME: "NAME",
    schema.OS_VERSION: "VERSION_ID",
    schema.OS_DESCRIPTION: "PRETTY_NAME",
    schema.OS_BUILD_ID: "BUILD_ID",
}

# Values of `uname -m` for which the semantic conventions have a value of their own (1.44, host.arch). Others are kept.
_ARCHITECTURES: Final = {
    "x86_64": "amd64",
    "aarch64": "arm64",
    "aarch64_be": "arm64",
    **dict.fromkeys(("armv5tel", "armv5tejl", "armv6l", "armv7l", "armv7b", "armv8l", "armv8b"), "arm32"),
    **dict.fromkeys(("i386", "i486", "i586", "i686"), "x86"),
    "ppc": "ppc32",
    "ppcle": "ppc32",
    "ppc64": "ppc64",
    "ppc64le": "ppc64",
}


def operating_system_attributes() -> Mapping[str, str]:
    """Return what is known, by attribute name. The kernel's release is `os.build_id` where no build is named."""
    kernel = os.uname()
    return {
        schema.OS_TYPE: "linux",
        schema.OS_BUILD_ID: kernel.release,
        schema.KERNEL_RELEASE: kernel.release,
        schema.HOST_ARCH: _ARCHITECTURES.get(kernel.machine, kernel.machine),
        **_of_os_release(),
    }


def _of_os_release() -> dict[str, str]:
    try:
        fields = platform.freedesktop_os_release()
    except (OSError, ValueError):
        return {}
    values = {name: fields.get(field, "")[:_MAX_CHARS] for name, field in _OF_OS_RELEASE.items()}
    return {name: safe_text(value.encode()) for name, value in values.items() if value}
