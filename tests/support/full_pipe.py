"""A pipe that nobody reads, as the standard error of an agent."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_FILLING = b"x"


class Pipe:
    """write_end: for the agent; whether it blocks there is not changed."""

    def __init__(self) -> None:
        self._read_end, self.write_end = os.pipe()

    def fill(self) -> None:
        """Write until nothing more fits: then the agent's next line blocks."""
        # A second opening of the pipe: O_NONBLOCK belongs to an opening.
        fd = os.open(f"/proc/self/fd/{self.write_end}", os.O_WRONLY | os.O_NONBLOCK)
        try:
            for size in (4096, 1):
                with suppress(BlockingIOError):
                    while True:
                        os.write(fd, _FILLING * size)
        finally:
            os.close(fd)

    def read(self) -> str:
        """What is in the pipe now, without the filling."""
        os.set_blocking(self._read_end, False)
        found = b""
        with suppress(BlockingIOError):
            while data := os.read(self._read_end, 65536):
                found += data
        return found.replace(_FILLING * 100, b"").decode()

    def close(self) -> None:
        """Close both ends."""
        os.close(self._read_end)
        os.close(self.write_end)


@contextmanager
def full_pipe() -> Iterator[Pipe]:
    """A full one."""
    with empty_pipe() as pipe:
        pipe.fill()
        yield pipe


@contextmanager
def empty_pipe() -> Iterator[Pipe]:
    """An empty one."""
    pipe = Pipe()
    try:
        yield pipe
    finally:
        pipe.close()
