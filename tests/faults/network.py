"""Two machines on a cable: network namespaces of the test, so that packets can be lost without a notice.

Rules:
- The namespaces have no names and no files: they end with the file descriptors that hold them, whatever happens.
- Only the thread that entered a namespace is in it. Sockets and processes that it makes stay there.
- A blackhole route drops the packets: no reset and no ICMP is sent, and both ends keep their connections.
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
        """This thread is on the near machine with its own 127.0.0.1, whose packet counts hold no other traffic."""
        with self.near():
            _ip("link", "set", "lo", "up")
            yield

    def lose(self, near_port: int) -> None:
        """Drop all packets from this port, like a firewall that forgot the connection."""
        with self.far():
            _ip("rule", "add", "iif", "far0", "ipproto", "tcp", "sport", str(near_port), "blackhole", "pref", "1")

    def cut(self) -> None:
        """Drop all packets."""
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
            # With early demux, packets of an open connection reach it without a route lookup.
            Path("/proc/sys/net/ipv4/tcp_early_demux").write_text("0")
            # Rule 0 (local addresses) comes before all others. It is moved behind the blackhole rule.
            _ip("rule", "add", "pref", "2", "lookup", "local")
            _ip("rule", "delete", "pref", "0")
            _ip("address", "add", f"{FAR}/24", "dev", "far0")
            _ip("link", "set", "far0", "up")


def connections(pid: int, port: int) -> dict[int, int]:
    """Open connections of a process's machine to a remote port: local port, and bytes without an acknowledgement."""
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
    """A new namespace, as the file descriptor that holds it."""
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
