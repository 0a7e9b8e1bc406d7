"""A disk for a test: a small ext4 in a file, that can hang, be full and be read-only.

Rules:
- A file system stays frozen when the process that froze it ends, and blocks every process that writes to it. So each
  freeze has a guard process. It thaws when this process releases it or dies, and at the latest after `_GUARD_S`.
- A process that writes to a frozen disk cannot be killed: thaw first, then end the processes, then unmount.

Source: include/uapi/linux/fs.h (FIFREEZE, FITHAW), fs/super.c (freeze_super).
"""

from __future__ import annotations

import errno
import fcntl
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from support.levels import missing
from support.waiting import eventually

_FIFREEZE = 0xC0045877  # _IOWR('X', 119, int)
_FITHAW = 0xC0045878
_GUARD_S = 90.0
_GUARD = f"""
import fcntl, os, select, sys
select.select([0], [], [], float(sys.argv[2]))
try:
    fcntl.ioctl(os.open(sys.argv[1], os.O_RDONLY), {_FITHAW}, 0)
except OSError:
    pass
"""


class Disk:
    """A context with the file system mounted at `path`. A second one at the same path covers the first."""

    def __init__(self, directory: Path, *, mib: int = 16, name: str = "disk") -> None:
        self.path = directory / "mounted"
        self._image = directory / f"{name}.ext4"
        self._mib = mib
        self._ballast = self.path / "ballast"

    def __enter__(self) -> Disk:
        self.path.mkdir(exist_ok=True)
        with self._image.open("wb") as image:
            image.truncate(self._mib << 20)
        try:
            _run("mkfs.ext4", "-q", "-F", "-m", "0", str(self._image))
            _run("mount", "-o", "loop", str(self._image), str(self.path))
        except (FileNotFoundError, subprocess.CalledProcessError) as error:
            missing("kernel", f"no disk for a test (mkfs.ext4, mount -o loop, as root): {error}")
        return self

    def __exit__(self, *_: object) -> None:
        self._thaw()
        if not eventually(self._unmount, within_s=5):
            _run("umount", "--lazy", str(self.path))
            raise AssertionError(f"{self.path} is still in use")

    @contextmanager
    def frozen(self, guard_s: float = _GUARD_S) -> Iterator[None]:
        """The disk hangs while the context lasts: reads work, and writes block."""
        command = [sys.executable, "-I", "-S", "-c", _GUARD, str(self.path), str(guard_s)]
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, start_new_session=True
        ) as guard:  # Ctrl-C does not reach it
            try:
                self._control(_FIFREEZE)
                yield
            finally:
                self._thaw()
                guard.communicate()

    def fill(self, *, free_kib: int = 0) -> None:
        """Fill the disk: no block is free, or about this many KiB."""
        pad = self.path / "pad"
        pad.write_bytes(bytes(free_kib << 10))
        block = bytes(4096)
        with self._ballast.open("ab", buffering=0) as file, suppress(OSError):
            while True:
                file.write(block)
        pad.unlink()
        with self._ballast.open("rb") as file:
            os.fsync(file.fileno())

    def make_room(self) -> None:
        """Undo `fill`."""
        self._ballast.unlink()

    def make_read_only(self) -> None:
        """Remount read-only. No file may be open for writing."""
        _run("mount", "-o", "remount,ro", str(self.path))

    def make_writable(self) -> None:
        """Undo `make_read_only`."""
        _run("mount", "-o", "remount,rw", str(self.path))

    def fail(self) -> None:
        """What an I/O error does: the file system becomes read-only at once, even with files open for writing."""
        _run("mount", "-o", "remount,errors=remount-ro", str(self.path))
        device = os.stat(self.path).st_dev  # noqa: PTH116 the number, not the path
        name = Path(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}").resolve().name
        Path(f"/sys/fs/ext4/{name}/trigger_fs_error").write_text("a test")

    def _thaw(self) -> None:
        try:
            self._control(_FITHAW)
        except OSError as error:
            if error.errno != errno.EINVAL:  # it was not frozen, or the guard has thawed it
                raise

    def _control(self, request: int) -> None:
        directory = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.ioctl(directory, request, 0)
        finally:
            os.close(directory)

    def _unmount(self) -> bool:
        return subprocess.run(["umount", self.path], stderr=subprocess.DEVNULL, check=False).returncode == 0


def _run(*command: str) -> None:
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
