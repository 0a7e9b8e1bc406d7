"""The lock of a spool's directory: one live agent uses it.

Errors: StoreHeldError (another live agent uses it), OSError (the disk). Any call may block while the disk hangs.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from pathlib import Path
from typing import Final

LOCK: Final = "lock"


class StoreHeldError(Exception):
    """Another live agent holds the spool. pid: as it is written in the lock file."""

    def __init__(self, pid: str) -> None:
        super().__init__(f"process {pid} holds it")
        self.pid = pid


class DirectoryLock:
    """The file `lock` of a directory, with the pid of its holder in it."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / LOCK
        self._lock = -1

    @property
    def is_held(self) -> bool:
        """Whether this process has taken the lock, here or in a directory that was in this place before."""
        return self._lock >= 0

    @property
    def key(self) -> tuple[int, int]:
        """Device and inode of the lock file that is held. They identify the directory."""
        status = os.fstat(self._lock)
        return status.st_dev, status.st_ino

    def is_in_place(self) -> bool:
        """Whether the file that is locked is the one in the directory now. Raises: FileNotFoundError without one."""
        return self._lock >= 0 and os.path.samestat(os.fstat(self._lock), self._path.stat())

    def take(self) -> None:
        """Take the lock of the directory that is here now. Nothing happens if it is held already."""
        if self._lock >= 0:
            with suppress(FileNotFoundError):
                if self.is_in_place():
                    return
            self.release()  # another directory is here now: a disk was mounted or unmounted
        lock = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(lock, 0)
            os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
        except BlockingIOError as error:
            pid = os.pread(lock, 32, 0).decode("ascii", "replace").strip()
            os.close(lock)
            if _has_ended(pid):
                raise OSError(f"process {pid} has ended, but holds it until its disk answers") from error
            raise StoreHeldError(pid) from error
        except OSError:
            os.close(lock)
            raise
        self._lock = lock

    def release(self) -> None:
        """Give the lock back, if it is held."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1


def _has_ended(pid: str) -> bool:
    """Whether a process has ended. One of its threads may still wait for a disk, and keep the lock."""
    try:
        return Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(") ")[2][:1] in {"Z", "X"}
    except OSError:
        return False
