"""Two machines on a cable: network namespaces of a test's own, so that packets can be lost without a word.

Rules:
- The namespaces have no names and no files: they end with the file descriptors that hold them, whatever happens.
- Only the thread that entered a namespace is in it; sockets and processes made there stay there.
- What is lost is lost by a route to nowhere: nobody is told, no reset is sent, both ends keep their connections.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from support.levels import missing

NEAR: Final = "10.99.0.1"
FAR: Final = "10.99.0.2"

_CLONE_NEWNET: Final = 0x40000000  # linux/sched.h
_ESTABLISHED: Final = "01"  # include/net/tcp_states.h, as /proc/net/tcp writes it
_C: Final = ctypes.CDLL(None, use_errno=True)


class Network:
    """A near machine, a far one, and the cable."""

    def __enter__(self) -> Network:
        if os.geteuid() != 0:
            missing("kernel", "only root may make network namespaces")
        self._near, self._far = _namespace(), _namespace()
        try:
            self._lay_cable()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._near)
        os.close(self._far)

    @contextmanager
    def near(self) -> Iterator[None]:
        """This thread is on the near machine."""
        with _inside(self._near):
            yield

    @contextmanager
    def far(self) -> Iterator[None]:
        """This thread is on the far machine."""
        with _inside(self._far):
            yield

    @contextmanager
    def loopback(self) -> Iterator[None]:
        """This thread is on the near machine, alone with its own 127.0.0.1: nobody else's packets are in its counts."""
        with self.near():
            _ip("link", "set", "lo", "up")
            yield

    def lose(self, near_port: int) -> None:
        """Lose all packets that come from this port: what a firewall does that forgot a connection."""
        with self.far():
            _ip("rule", "add", "iif", "far0", "ipproto", "tcp", "sport", str(near_port), "blackhole", "pref", "1")

    def cut(self) -> None:
        """Lose everything."""
        with self.far():
            _ip("link", "set", "far0", "down")

    def remedy(self) -> None:
        """Undo `cut`."""
        with self.far():
            _ip("link", "set", "far0", "up")

    def _lay_cable(self) -> None:
        with self.near():
            there = f"/proc/{os.getpid()}/fd/{self._far}"
            _ip("link", "add", "near0", "type", "veth", "peer", "name", "far0", "netns", there)
            _ip("address", "add", f"{NEAR}/24", "dev", "near0")
            _ip("link", "set", "near0", "up")
        with self.far():
            # Packets of an open connection would be taken to it without a look at the routes.
            Path("/proc/sys/net/ipv4/tcp_early_demux").write_text("0")
            # What is for this machine comes before all rules, unless it is made one of them.
            _ip("rule", "add", "pref", "2", "lookup", "local")
            _ip("rule", "delete", "pref", "0")
            _ip("address", "add", f"{FAR}/24", "dev", "far0")
            _ip("link", "set", "far0", "up")


def connections(pid: int, port: int) -> dict[int, int]:
    """What a process's machine has open to a port elsewhere: local ports, and bytes that nobody acknowledged yet."""
    rows = [line.split() for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]]
    return {
        _port(local): int(queues.partition(":")[0], 16)
        for _, local, remote, state, queues, *_ in rows
        if state == _ESTABLISHED and _port(remote) == port
    }


def _port(address: str) -> int:
    """`0100007F:1F90`."""
    return int(address.rpartition(":")[2], 16)


def _namespace() -> int:
    """A file descriptor that holds a new one."""
    made: list[int] = []

    def make() -> None:
        if _C.unshare(_CLONE_NEWNET) == 0:
            made.append(os.open("/proc/thread-self/ns/net", os.O_RDONLY))

    thread = threading.Thread(target=make)
    thread.start()
    thread.join()
    if not made:
        missing("kernel", "this machine allows no network namespaces")
    return made[0]


@contextmanager
def _inside(namespace: int) -> Iterator[None]:
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    try:
        _enter(namespace)
        yield
    finally:
        _enter(home)
        os.close(home)


def _enter(namespace: int) -> None:
    if _C.setns(namespace, _CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


def _ip(*words: str) -> None:
    try:
        subprocess.run(["ip", *words], check=True, capture_output=True, text=True)
    except FileNotFoundError:
        missing("kernel", "no ip (iproute2)")
    except subprocess.CalledProcessError as error:
        missing("kernel", f"ip {' '.join(words)}: {error.stderr.strip()}")
