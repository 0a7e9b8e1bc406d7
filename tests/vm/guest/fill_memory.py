"""Fills memory of one kind, says `filled`, and then takes anonymous memory until it is killed.

usage: fill_memory.py COMM KIND AMOUNT_MIB THEN_MIB
       fill_memory.py COMM KIND AMOUNT_MIB stay      only fills, and stays

KIND: one of the functions below. COMM: the name that the process gives itself.
"""

from __future__ import annotations

import ctypes
import fcntl
import mmap
import os
import resource
import signal
import socket
import struct
import sys
import time
from collections.abc import Callable
from pathlib import Path

MIB = 1 << 20
LIBC = ctypes.CDLL(None, use_errno=True)
_PR_SET_NAME = 15
_SYS_BPF, _SYS_SET_MEMPOLICY = 321, 238
_MPOL_BIND = 2
_PERCPU_ARRAY, _MAX_VALUE = 6, 32768
_F_SETPIPE_SZ = 1031
_PIPE_BYTES = 2 * MIB  # 512 slots of 40 bytes: the array of slots is an allocation of order 3
kept: list[object] = []


def anon(mib: int) -> None:
    """Anonymous memory, every page of it touched."""
    area = mmap.mmap(-1, mib * MIB, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    kept.append(area)
    for at in range(0, mib * MIB, mmap.PAGESIZE):
        area[at] = 1


def workers(mib: int) -> None:
    """Eight MiB of anonymous memory in each of several processes."""
    for _ in range(mib // 8):
        if os.fork() == 0:
            anon(8)
            signal.pause()
    time.sleep(2.0)


def tmpfs(mib: int) -> None:
    """A file in a tmpfs. Nothing maps it."""
    with Path("/tmp/file").open("wb") as file:
        file.writelines(bytes(MIB) for _ in range(mib))


def dirty(mib: int) -> None:
    """A file on a disk that is almost too slow to write it."""
    with Path("/var/lib/otel-oom/file").open("wb") as file:
        file.writelines(bytes(MIB) for _ in range(mib))


def locked(mib: int) -> None:
    """Pages of a file on the disk, written and locked."""
    with Path("/var/lib/otel-oom/file").open("w+b") as file:
        for _ in range(mib):
            file.write(bytes(MIB))
            os.fsync(file.fileno())
        area = mmap.mmap(file.fileno(), mib * MIB)
    kept.append(area)
    lock(area, mib * MIB)


def lock(area: mmap.mmap, size: int) -> int:
    """Lock pages in memory; returns their address."""
    address = ctypes.addressof(ctypes.c_char.from_buffer(area))
    if LIBC.mlock(ctypes.c_void_p(address), ctypes.c_size_t(size)):
        raise OSError(ctypes.get_errno(), "mlock")
    return address


def inodes(mib: int) -> None:
    """Empty files in a tmpfs: inodes and directory entries, which stay. Each takes some 1 KiB of slab."""
    for number in range(mib * 1024):
        os.close(os.open(f"/tmp/{number}", os.O_CREAT | os.O_WRONLY))


def messages(mib: int) -> None:
    """Messages of System V, in slab that cannot be reclaimed and that no process owns."""
    Path("/proc/sys/kernel/msgmnb").write_text(str(2**30))
    queue = LIBC.msgget(0, 0o600)
    message = struct.pack("l4000s", 1, b"")
    for _ in range(mib * 256):
        if LIBC.msgsnd(queue, message, 4000, 0o4000):
            break


def sockets(mib: int) -> None:
    """Buffers of TCP connections from which nobody reads."""
    Path("/proc/sys/net/ipv4/tcp_mem").write_text("1000000 1000000 1000000")
    resource.setrlimit(resource.RLIMIT_NOFILE, (65536, 65536))
    server = socket.create_server(("127.0.0.1", 0), backlog=4096)
    kept.append(server)
    sent = 0
    while sent < mib * MIB:
        client = socket.create_connection(server.getsockname())
        kept.append(client)
        client.setblocking(False)
        try:
            for _ in range(8):
                sent += client.send(bytes(65536))
        except BlockingIOError:
            pass


def percpu(mib: int) -> None:
    """BPF maps with a value for each processor."""
    attributes = struct.pack("IIII", _PERCPU_ARRAY, 4, _MAX_VALUE, 32).ljust(128, b"\0")
    for _ in range(mib):
        if LIBC.syscall(_SYS_BPF, 0, attributes, len(attributes)) < 0:
            raise OSError(ctypes.get_errno(), "bpf")


def pipes(mib: int) -> None:
    """Full pipes. No counter of the kernel's report has their pages."""
    for _ in range(mib):
        _, writer = large_pipe(MIB)
        os.write(writer, bytes(MIB))


def bound(mib: int) -> None:
    """Anonymous memory of node 1 only."""
    mask = ctypes.c_ulong(2)
    if LIBC.syscall(_SYS_SET_MEMPOLICY, _MPOL_BIND, ctypes.byref(mask), 64):
        raise OSError(ctypes.get_errno(), "set_mempolicy")
    anon(mib)


def fragments(mib: int) -> None:
    """Every second page of nearly all memory is free, and the others cannot move; then larger allocations.

    mib: memory that is not filled with such pages. Pages in pipes cannot move. The larger allocations are the arrays
    of slots of large pipes.
    """
    resource.setrlimit(resource.RLIMIT_NOFILE, (65536, 65536))
    page = bytes(mmap.PAGESIZE)
    readers = []
    while free_mib() > mib:
        (_, keeper), (reader, other) = large_pipe(MIB), large_pipe(MIB)
        readers.append(reader)
        for _ in range(MIB // mmap.PAGESIZE):
            os.write(keeper, page)
            os.write(other, page)
    for reader in readers:
        os.read(reader, MIB)
    while True:
        large_pipe(_PIPE_BYTES)


def large_pipe(size: int) -> tuple[int, int]:
    """A pipe for so many bytes: its end for reading and the one for writing."""
    ends = os.pipe()
    fcntl.fcntl(ends[1], _F_SETPIPE_SZ, size)
    return ends


def free_mib() -> int:
    """Free memory of the machine."""
    return os.sysconf("SC_AVPHYS_PAGES") * mmap.PAGESIZE // MIB


def main() -> None:
    comm, kind, mib, then = sys.argv[1:]
    LIBC.prctl(_PR_SET_NAME, comm.encode(), 0, 0, 0)
    kinds: dict[str, Callable[[int], None]] = {
        one.__name__: one
        for one in (anon, workers, tmpfs, dirty, locked, inodes, messages, sockets, percpu, pipes, bound, fragments)
    }
    kinds[kind](int(mib))
    print("filled", flush=True)  # noqa: T201
    if then == "stay":
        signal.pause()
    anon(int(then))
    print("survived", flush=True)  # noqa: T201


main()
