"""Which directories and files the spool uses: only those that no other user can have put in its place.

Rules:
- Trusted owners are root and the user of this process. A symbolic link on the way to the directory, the directory
  itself and each file in it have one of them as owner. Anything else is an OSError with a remedy: nothing is written.
- A file is a regular file with one name. It is no link to another file, which a write would change.
- A directory that a group or all users may write is used, with a warning: Kubernetes makes such volumes (`fsGroup`,
  `emptyDir`). Its writers can remove the spool. A file of theirs is not used, because it has another owner.
- Files get mode 0600. `fsGroup` makes them 0660 at each start of a pod.
- Files of our own making are created with O_EXCL. Others are opened with O_NOFOLLOW, and checked once more.
- SQLite opens by path. Run by root, it gives the write-ahead log and its index to the owner of the database, whoever
  made them (`robustFchown` in its src/os_unix.c). So all three exist and are checked before it opens them, and
  afterwards this process must have these files open (`check_is_open`).
- No open waits for a FIFO (O_NONBLOCK), whose other end nobody may open.

Not covered: a user who may write the directory can put an earlier file of the agent back. They can also exchange a file
while a damaged spool is read.
"""

from __future__ import annotations

import errno
import os
import stat
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Final, Literal, TypeAlias

_Mode: TypeAlias = Literal["rb", "r+b"]

_MAX_LINKS: Final = 40  # as in the kernel (MAXSYMLINKS)
_WRITABLE_BY_OTHERS: Final = stat.S_IWGRP | stat.S_IWOTH
_FOR_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
_DESCRIPTORS: Final = Path("/proc/self/fd")
_REMEDY: Final = "and is not used: check who may write its directory, and remove it"


def is_trusted(uid: int) -> bool:
    """Whether the user of this number may write what this process reads: root, and the process's own user."""
    return uid in {0, os.geteuid()}


def check_links(path: Path) -> None:
    """Check the owner of each symbolic link on the way to a directory, which may not exist yet. Raises: OSError."""
    parts, links = deque(path.absolute().parts[1:]), 0
    here = Path("/")
    while parts:
        place = here / parts.popleft()
        if place.name == "..":
            here = here.parent
            continue
        try:
            status = place.lstat()
        except FileNotFoundError:
            return
        if not stat.S_ISLNK(status.st_mode):
            here = place
            continue
        links += 1
        if links > _MAX_LINKS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path))
        if not is_trusted(status.st_uid):
            raise OSError(f"the symbolic link {place} {_owner(status)}: name another directory with --spool")
        target = place.readlink()
        here = Path("/") if target.is_absolute() else here
        parts.extendleft(reversed(target.parts[1:] if target.is_absolute() else target.parts))


def open_directory(path: Path) -> int:
    """Open a directory and check its owner. Returns a descriptor for `dir_fd`. Raises: OSError."""
    directory = os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    status = os.fstat(directory)
    if not is_trusted(status.st_uid):
        os.close(directory)
        raise OSError(
            f"the directory {path} {_owner(status)}: chown it to uid {os.geteuid()}, or name another one with --spool"
        )
    return directory


def warning(path: Path) -> str:
    """What a log line says about a directory that other users may write, empty if none may. Raises: OSError."""
    mode = path.stat().st_mode
    if not mode & _WRITABLE_BY_OTHERS:
        return ""
    return (
        f"other users may write the spool's directory {path} (mode {stat.S_IMODE(mode):04o}): they can remove "
        "the spool, but no file of theirs is used; chmod go-w it, unless Kubernetes made it for this pod alone"
    )


def open_in(directory: int, path: Path, flags: int) -> int:
    """Open or create a file of an open directory, for its owner alone. Returns a descriptor. Raises: OSError."""
    try:
        file = os.open(path.name, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o600, dir_fd=directory)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise OSError(f"{path} is a symbolic link, {_REMEDY}") from error
        if error.errno == errno.EACCES:
            raise OSError(f"no permission to write {path}: chown -R its directory to uid {os.geteuid()}") from error
        raise
    try:
        check(os.fstat(file), path)
        _close_to_others(file)
    except OSError:
        os.close(file)
        raise
    return file


def check_files(directory: Path, prefix: str) -> None:
    """Check all files of a directory whose names begin with the prefix, and give them mode 0600. Raises: OSError.

    They are opened with O_PATH: a device has no side effect, and closing takes no lock of SQLite away.
    """
    for path in directory.iterdir():
        if not path.name.startswith(prefix):
            continue
        with suppress(FileNotFoundError):
            file = os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                check(os.fstat(file), path)
                _close_to_others(file)
            finally:
                os.close(file)


def check(status: os.stat_result, path: Path) -> None:
    """Check the kind, the owner and the number of names of a file. Raises: OSError."""
    problem = ""
    if not stat.S_ISREG(status.st_mode):
        problem = "is no regular file"
    elif not is_trusted(status.st_uid):
        problem = _owner(status)
    elif status.st_nlink != 1:
        problem = f"has {status.st_nlink} names (hard links)"
    if problem:
        raise OSError(f"{path} {problem}, {_REMEDY}")


def open_file(path: Path, mode: _Mode) -> BinaryIO:
    """Open a file that exists. Raises: OSError."""
    flags = os.O_RDONLY if mode == "rb" else os.O_RDWR
    file = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        check(os.fstat(file), path)
    except OSError:
        os.close(file)
        raise
    return os.fdopen(file, mode)


def checked(path: Path) -> os.stat_result:
    """Check a file that exists, without opening it. Raises: OSError."""
    status = path.lstat()
    check(status, path)
    return status


def create(path: Path) -> BinaryIO:
    """Create a file, in place of one that may be there, and open it for writing. Raises: OSError."""
    path.unlink(missing_ok=True)
    return os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "w+b")


def check_is_open(path: Path, expected: os.stat_result) -> None:
    """Check that this process has opened a file, and not another one that was in its place for a moment.

    expected: of the file, before it was opened
    No descriptor of the file is opened or closed: closing one takes SQLite's locks away. Raises: OSError.
    """
    for descriptor in _DESCRIPTORS.iterdir():
        with suppress(OSError):  # the descriptor of this listing, and those that another thread has closed
            if os.path.samestat(descriptor.stat(), expected):
                return
    raise OSError(f"{path} was replaced while it was opened, {_REMEDY}")


def _close_to_others(file: int) -> None:
    """Give a file of this user the mode 0600. file: any descriptor, also of O_PATH, which fchmod does not take."""
    status = os.fstat(file)
    if status.st_mode & _FOR_OTHERS and status.st_uid == os.geteuid():
        (_DESCRIPTORS / str(file)).chmod(0o600)


def _owner(status: os.stat_result) -> str:
    return f"belongs to uid {status.st_uid}, not to root or to the agent's user"
