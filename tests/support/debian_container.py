"""A clean Debian 12 with systemd, booted in a container by systemd-nspawn. It shares the network of this machine.

Rules:
- The root is made once by mmdebstrap, and kept outside of the checkout. What a test writes goes to a tmpfs over it.
- The kernel log is this machine's. The container has no other access to it, and its cgroups are its own.
- The container ends with the context, also after a failure: its first process is ended by its pid.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Final
from uuid import uuid4

from support import build_cache
from support.kernel_log import require_device
from support.levels import missing
from support.waiting import eventually

_PACKAGES: Final = "systemd,systemd-sysv,dbus,python3,ca-certificates"
_BOOT_S: Final = 180.0


def tool(name: str, package: str) -> Path:
    """The path of a program of this machine. Without it, the test is skipped."""
    found = shutil.which(name)
    if found is None:
        missing("packaging", f"no {name} (Debian 12: apt-get install {package})")
    return Path(found)


@cache
def root() -> Path:
    """The root file system. It is not written to."""
    if os.geteuid() != 0:
        missing("packaging", "mmdebstrap and systemd-nspawn need root")
    mmdebstrap = tool("mmdebstrap", "mmdebstrap")

    def make(fresh: Path) -> None:
        options = ("--quiet", "--variant=minbase", f"--include={_PACKAGES}")
        command: list[str | Path] = [mmdebstrap, *options, "bookworm", fresh / "root"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=1500)
        if done.returncode:
            missing("packaging", f"mmdebstrap failed: {done.stderr[-500:]}")

    return build_cache.made(build_cache.place("debian-12", _PACKAGES), make) / "root"


class Debian:
    """A booted container. directory: seen in it as /mnt"""

    def __init__(self, directory: Path) -> None:
        require_device()
        self._log = directory / "nspawn.log"
        self._command: list[str | Path] = [
            *(tool("systemd-nspawn", "systemd-container"), "--quiet", "--directory", root(), "--volatile=overlay"),
            *("--register=no", "--keep-unit", "--console=pipe", f"--machine=otel-oom-{uuid4().hex[:8]}", "--boot"),
            *("--bind=/dev/kmsg", "--capability=CAP_SYSLOG", f"--bind-ro={directory}:/mnt"),
        ]

    def __enter__(self) -> Debian:
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            assert eventually(self._has_booted, within_s=_BOOT_S), self._log.read_text("utf-8", "replace")[-3000:]
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(subprocess.TimeoutExpired):
            self._process.terminate()
            self._process.wait(20)
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def shell(self, script: str, *, is_checked: bool = True) -> str:
        """Run a script as root; returns its output."""
        command = ["nsenter", "--target", str(self._first_process()), "--all", "sh", "-euc", script]
        done = subprocess.run(command, cwd="/", capture_output=True, text=True, check=False, timeout=240)
        assert done.returncode == 0 or not is_checked, f"{script}\n{done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    def property(self, name: str) -> str:
        """A property of the service."""
        return self.shell(f"systemctl show --property {name} --value otel-oom").strip()

    def said(self) -> str:
        """The agent's lines in the journal."""
        return self.shell("journalctl --unit otel-oom --no-pager --output cat")

    def _first_process(self) -> int:
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()
        return int(children[0])

    def _has_booted(self) -> bool:
        if self._process.poll() is not None:
            missing("packaging", f"systemd-nspawn ended: {self._log.read_text('utf-8', 'replace')[-500:]}")
        time.sleep(0.5)
        try:
            return "running" in self.shell("systemctl is-system-running", is_checked=False)
        except (OSError, IndexError, subprocess.TimeoutExpired):
            return False
