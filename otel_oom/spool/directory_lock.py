"""The lock of a spool's directory: one live agent uses it.

The file `lock` is the lock, and names the holder's pid. `place_lock` holds the directory's place in addition: it still
holds when the file or the whole directory was removed. A second agent then gets an OSError, and no StoreHeldError: it
runs from memory, under an instance id of its own.

Errors: StoreHeldError (another live agent uses it), OSError (the disk, or a file of another user). Any call may block
while the disk hangs.
"""

from __future__ import annotations

import fcntl
import os
import re
from contextlib import suppress
from pathlib import Path
from typing import Final

from otel_oom.spool import file_trust
from otel_oom.spool.place_lock import PlaceLock

LOCK: Final = "lock"
UNKNOWN_PID: Final = "unknown"
_PID: Final = re.compile(rb"([1-9][0-9]{0,9})\n?")


class StoreHeldError(Exception):
    """Another live agent holds the spool. pid: as it is written in the lock file, `unknown` if that is no number."""

    def __init__(self, pid: str) -> None:
        super().__init__(f"process {pid} holds it")
        self.pid = pid


class DirectoryLock:
    """The file `lock` of a directory, with the pid of its holder in it."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._path = directory / LOCK
        self._lock = -1
        self._place = PlaceLock()

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
        return self._lock >= 0 and os.path.samestat(os.fstat(self._lock), self._path.lstat())

    def take(self) -> None:
        """Take the lock of the directory that is here now. Nothing happens if it is held already."""
        if self._lock >= 0:
            with suppress(FileNotFoundError):
                if self.is_in_place():
                    return
            self._release_file()  # another directory is here now: a disk was mounted or unmounted
        directory = file_trust.open_directory(self._directory)
        try:
            lock = file_trust.open_in(directory, self._path, os.O_RDWR | os.O_CREAT)
        finally:
            os.close(directory)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._take_place()
            os.ftruncate(lock, 0)
            os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
        except BlockingIOError as error:
            pid = _pid(os.pread(lock, 32, 0))
            os.close(lock)
            if _has_ended(pid):
                raise OSError(f"process {pid} has ended, but holds it until its disk answers") from error
            raise StoreHeldError(pid) from error
        except BaseException:
            os.close(lock)
            raise
        self._lock = lock

    def release(self) -> None:
        """Give the lock back, if it is held."""
        self._release_file()
        self._place.release()

    def _take_place(self) -> None:
        holder = self._place.take(self._directory)
        if holder is not None:
            raise OSError(
                f"process {holder} uses it, although the directory or its lock file was removed: stop that process"
            )

    def _release_file(self) -> None:
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1


def holder_of(directory: Path) -> str | None:
    """The process that wrote itself into the lock file, None without one. It may have ended. The lock is left alone.

    Raises: OSError, see `file_trust`.
    """
    try:
        with file_trust.open_file(directory / LOCK, "rb") as lock:
            pid = _pid(lock.read(32))
    except FileNotFoundError:
        return None
    return None if pid == UNKNOWN_PID else pid


def _pid(text: bytes) -> str:
    """The pid in a lock file. Its text is not trusted: only a number reaches a path or a log line."""
    found = _PID.fullmatch(text)
    return found[1].decode() if found else UNKNOWN_PID


def _has_ended(pid: str) -> bool:
    """Whether a process has ended. One of its threads may still wait for a disk, and keep the lock."""
    try:
        return Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(") ")[2][:1] in {"Z", "X"}
    except OSError:
        return False
