"""The lock of a place in the file system, for when the spool's directory or its lock file is removed under an agent.

A second agent would then make a new directory and export under the same instance id. The lock is an abstract unix
socket (unix(7)): no file can be removed, and the kernel frees it with the process, also after SIGKILL.

Rules:
- The name is made of the parent directory (device, inode) and the directory's name in it. So containers with file
  systems of their own do not disturb each other.
- Any user can take such a name. Only the credentials of root or of the agent's own user count (SO_PEERCRED).
- Without such a socket the agent runs with the lock file alone: where AF_UNIX is forbidden, where another user took the
  name or fills the socket's queue, and in another network namespace. There a second
  agent is not noticed if the directory or its lock file was removed.
"""

from __future__ import annotations

import os
import socket
import struct
import zlib
from contextlib import suppress
from pathlib import Path
from typing import Final

from otel_oom.spool.file_trust import is_trusted

_CREDENTIALS: Final = struct.Struct("=3i")  # pid, uid, gid
_MAX_NAME_BYTES: Final = 32  # a socket's name has 107


class PlaceLock:
    """Holds the place of one directory, as long as it is not released."""

    def __init__(self) -> None:
        self._socket: socket.socket | None = None
        self._name = b""

    def take(self, directory: Path) -> int | None:
        """Take the place of a directory. Returns the pid of another agent that holds it, else None.

        Raises: OSError, the parent directory cannot be read.
        """
        name = _name(directory)
        if self._socket is not None and name == self._name:
            return None
        self.release()
        try:
            taken = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        except OSError:
            return None
        try:
            taken.bind(name)
            taken.listen(1)
        except OSError:
            taken.close()
            return _holder(name)
        self._socket, self._name = taken, name
        return None

    def release(self) -> None:
        """Give the place back, if it is held."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def _name(directory: Path) -> bytes:
    place = Path(os.path.realpath(directory))
    parent, name = place.parent.stat(), os.fsencode(place.name)
    return b"\0otel-oom/%d/%d/%s/%08x" % (parent.st_dev, parent.st_ino, name[:_MAX_NAME_BYTES], zlib.crc32(name))


def _holder(name: bytes) -> int | None:
    """The pid of the trusted user's process that listens under this name, else None."""
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
        asking.setblocking(False)  # the queue of a hostile holder may be full
        asking.connect(name)
        credentials = asking.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        pid, uid, _ = _CREDENTIALS.unpack(credentials)
        if is_trusted(uid):
            return int(pid)
    return None
