"""Makes the captures of tests/plain/data that need a machine of their own: one kind of full memory in each.

tests/support/reason_table.py names one for each rule of the sentence. Those that are not in tests/plain/data have not
been made with success yet.

usage: python tests/vm/capture.py [NAME...]     from the checkout, as any user that may run QEMU
"""

from __future__ import annotations

import base64
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from vm.image import filesystem
from vm.kernels import GUEST, kernel
from vm.machine import Guest, GuestError

DATA: Final = Path(__file__).resolve().parents[1] / "plain" / "data"
_POD: Final = "kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod8f3c2a1e_77aa_4b3c_9d2e_0123456789ab.slice"
_CONTAINER: Final = "cri-containerd-9c41d8a07f5e3b62c1d094ae86f7532b1c0d9e8f7a6b5c4d3e2f1a0b9c8d7e6f.scope"
_DOCKER: Final = "system.slice/docker-4b1f3c5d7e9a0b2c4d6e8f1a3b5c7d9e0f2a4b6c8d0e1f3a5b7c9d1e3f5a7b9c.scope"
_AWAIT_KILL: Final = """
for _ in $(seq 60); do
    has_ended=$(grep -c ^ended /run/said)
    if [ $(dmesg | grep -c 'Killed process') != BEFORE ]; then sleep 1; exit 0; fi
    if [ $has_ended != 0 ]; then break; fi
    sleep 1
done
cat /run/said; exit 1
"""
_READ: Final = "python3 /run/read_log.py"
_CLEAN_UP: Final = r"""
for one in /proc/[0-9]*; do
    if grep -qa 'fill_memory\|oomer' $one/cmdline; then kill -9 ${one#/proc/}; fi
done 2> /dev/null
sleep 1
echo 0 > /proc/sys/vm/nr_hugepages; umount /tmp/ram /tmp/v1 2> /dev/null; rm -rf /tmp/*
swapoff -a; rm -f /var/lib/otel-oom/*
for queue in $(ipcs -q | awk '$2 ~ /^[0-9]+$/ { print $2 }'); do ipcrm -q $queue; done
find /sys/fs/cgroup -mindepth 1 -depth -type d -exec rmdir {} ';' 2> /dev/null; true
"""
_READ_LOG: Final = """
import os, sys
log = os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK)
try:
    while True:
        sys.stdout.buffer.write(os.read(log, 8192))
except BlockingIOError:
    pass
"""


_DISK_BYTES: Final = 400 << 20


@dataclass(frozen=True)
class Machine:
    """A guest. Captures of the same one are made one after the other, between two boots."""

    version: str = "6.12"
    memory_mib: int = 256
    nodes: int = 1
    boot_options: str = ""
    disk_options: str = ""


ORDINARY: Final = Machine()
TWO_NODES: Final = Machine(memory_mib=384, nodes=2)
MOVABLE: Final = Machine(boot_options="movablecore=100M")
OLDER: Final = Machine(version="6.1")
SLOW_DISK: Final = Machine(disk_options=",throttling.bps-write=65536")


@dataclass(frozen=True)
class Capture:
    """How a capture is made. script: makes the kill; `fill` runs guest/fill_memory.py, `in_group` joins a cgroup."""

    name: str
    machine: Machine
    script: str


_SWAP: Final = """
dd if=/dev/zero of=/var/lib/otel-oom/swap bs=1M count=48 2> /dev/null
mkswap /var/lib/otel-oom/swap > /dev/null; swapon /var/lib/otel-oom/swap
"""


def _limited(limit: str, fill: str, before: str = "") -> str:
    return f"group app.slice/web.service {limit}\n{before}\nin_group app.slice/web.service fill {fill}"


CAPTURES: Final = (
    Capture("cgroup-anon", ORDINARY, _limited("96M", "gunicorn workers 160 stay")),
    Capture(
        "cgroup-pod",
        ORDINARY,
        f"group {_POD} 128M; group {_POD}/{_CONTAINER} max\n"
        f"in_group {_POD}/{_CONTAINER} fill gunicorn workers 192 stay",
    ),
    Capture("cgroup-tmpfs", ORDINARY, _limited("64M", "uploader tmpfs 48 64")),
    Capture("cgroup-slab", ORDINARY, _limited("32M", "mailer inodes 22 32", "mount -o remount,nr_inodes=0 /tmp")),
    Capture("cgroup-sockets", ORDINARY, _limited("64M", "proxy sockets 58 64")),
    Capture("cgroup-percpu", ORDINARY, _limited("64M", "tracer percpu 40 64")),
    Capture(
        "cgroup-swap-full",
        ORDINARY,
        _SWAP + _limited("32M", "python anon 96 0", "echo 16M > $CG/app.slice/web.service/memory.swap.max"),
    ),
    Capture(
        "cgroup-swap-none",
        ORDINARY,
        _SWAP + _limited("32M", "python anon 96 0", "echo 0 > $CG/app.slice/web.service/memory.swap.max"),
    ),
    Capture(
        "cgroup-ancestor",
        ORDINARY,
        "group app.slice 48M; group app.slice/web.service max\nin_group app.slice/web.service fill python anon 96 0",
    ),
    Capture(
        "cgroup-group",
        ORDINARY,
        _limited("48M", "worker workers 80 stay", "echo 1 > $CG/app.slice/web.service/memory.oom.group"),
    ),
    Capture("cgroup-cache", ORDINARY, _limited("64M", "indexer locked 44 64")),
    Capture("system-anon", ORDINARY, "hog java"),
    Capture("system-slab", ORDINARY, "fill broker messages 140 stay & until_filled; hog java"),
    Capture("system-hugepages", ORDINARY, "echo 70 > /proc/sys/vm/nr_hugepages; hog java"),
    Capture(
        "system-tmpfs",
        ORDINARY,
        "mount -o remount,size=90% /tmp; fill uploader tmpfs 140 stay & until_filled; hog java",
    ),
    Capture(
        "system-ramfs",
        ORDINARY,
        "mkdir -p /tmp/ram; mount -t ramfs ramfs /tmp/ram; dd if=/dev/zero of=/tmp/ram/file bs=1M count=140; hog java",
    ),
    Capture("system-pipes", ORDINARY, "fill tracer pipes 400 stay"),
    Capture("system-mixed", ORDINARY, "echo 50 > /proc/sys/vm/nr_hugepages; hog java"),
    Capture("system-zone", MOVABLE, "fill broker messages 400 stay"),
    Capture("system-swap-full", ORDINARY, _SWAP + "hog java"),
    Capture(
        "system-protected",
        ORDINARY,
        "fill guarded anon 110 stay & echo -1000 > /proc/$!/oom_score_adj; until_filled; hog java",
    ),
    Capture("system-sysrq", ORDINARY, "fill java anon 60 stay & until_filled; echo f > /proc/sysrq-trigger; sleep 1"),
    Capture("system-order3", ORDINARY, "fill proxy fragments 12 stay"),
    Capture("system-node", TWO_NODES, "fill java bound 400 0"),
    Capture(
        "system-cpuset",
        TWO_NODES,
        "echo +cpuset > $CG/cgroup.subtree_control; mkdir $CG/batch; echo 1 > $CG/batch/cpuset.mems\n"
        "hog java $CG/batch",
    ),
    Capture(
        "cgroup-v1-swap",
        OLDER,
        _SWAP
        + "echo -memory > $CG/cgroup.subtree_control; mkdir -p /tmp/v1; mount -t cgroup -o memory memory /tmp/v1\n"
        "CG=/tmp/v1; mkdir $CG/web; echo 24M > $CG/web/memory.limit_in_bytes\n"
        "echo 40M > $CG/web/memory.memsw.limit_in_bytes; in_group web fill python anon 96 0",
    ),
    Capture(
        # Where memory is of cgroup v2 and blkio of v1, nothing makes a writer wait for its own cgroup's dirty pages.
        "cgroup-dirty",
        SLOW_DISK,
        "cd /proc/sys/vm; echo 100 > dirty_ratio; echo 99 > dirty_background_ratio\n"
        "mkdir -p /tmp/v1; mount -t cgroup -o blkio blkio /tmp/v1\n"
        f"group {_DOCKER} 48M; in_group {_DOCKER} fill importer dirty 128 0",
    ),
)

_PRELUDE: Final = """
PATH=$PATH:/run
printf '#!/bin/sh\\nexec python3 /run/fill_memory.py "$@"\\n' > /run/fill
chmod +x /run/fill
CG=/sys/fs/cgroup
echo 1 > /proc/sys/vm/overcommit_memory
dmesg -n 1
group() {
    place=$CG
    for part in $(echo $1 | tr / ' '); do
        echo +memory > $place/cgroup.subtree_control; place=$place/$part; mkdir -p $place
    done
    echo $2 > $CG/$1/memory.max
}
hog() { oomer ${2:-$CG}/cgroup.procs 1 1 800 $1; }
until_filled() { until grep -q filled /run/said; do sleep 1; done; }
in_group() { procs=$CG/$1/cgroup.procs; shift; sh -c 'echo $$ > $0; exec "$@"' $procs "$@"; }
"""


def options(machine: Machine, directory: Path) -> tuple[str, ...]:
    """The options of QEMU that only captures need."""
    disk = directory / "disk"
    filesystem(disk, size_bytes=_DISK_BYTES)
    more = ["-drive", f"file={disk},if=virtio,format=raw{machine.disk_options}"]
    if machine.nodes > 1:
        for node in range(machine.nodes):
            more += ["-object", f"memory-backend-ram,id=m{node},size={machine.memory_mib // machine.nodes}M"]
            more += ["-numa", f"node,nodeid={node},memdev=m{node}" + (",cpus=0" if node == 0 else "")]
    return tuple(more)


def make(captures: list[Capture]) -> None:
    """Boot a guest, make the kills one after the other, and write the records of each report."""
    machine = captures[0].machine
    with tempfile.TemporaryDirectory() as directory:
        place = Path(directory)
        with Guest(
            kernel(machine.version),
            place,
            memory_mib=machine.memory_mib,
            boot_options=f"log_buf_len=1M {machine.boot_options}",
            more_options=options(machine, place),
        ) as guest:
            program = base64.b64encode((GUEST / "fill_memory.py").read_bytes()).decode()
            guest.shell(f"echo {program} | base64 -d > /run/fill_memory.py")
            guest.shell(f"cat > /run/read_log.py <<'END'{_READ_LOG}END")
            for capture in captures:
                try:
                    log = guest.shell(
                        f"cat > /run/scene <<'END'\n{_PRELUDE}\n{capture.script}\necho ended\nEND\n{_READ}"
                    )
                    # The kill may end the shell, too.
                    guest.shell("setsid sh /run/scene > /run/said 2>&1 < /dev/null &")
                    guest.shell(_AWAIT_KILL.replace("BEFORE", str(log.count("Killed process"))), within_s=100.0)
                    version = machine.version.replace(".", "")
                    made = report(guest.shell(_READ)[len(log) :])
                    (DATA / f"v{version}-{capture.name}.kmsg").write_text(made)
                    guest.shell(_CLEAN_UP)
                except GuestError as error:  # noqa: PERF203 the other captures are made all the same
                    print(capture.name, error)  # noqa: T201


def report(log: str) -> str:
    """The records from the first opener to the last kill line or line of the reaper. Only the first report is kept."""
    lines = log.splitlines(keepends=True)
    first = next(at for at, line in enumerate(lines) if "invoked oom-killer" in line)
    openers = [at for at, line in enumerate(lines) if "invoked oom-killer" in line]
    end = openers[1] if len(openers) > 1 else len(lines)
    last = max(at for at in range(first, end) if ": Killed process" in lines[at] or "oom_reaper" in lines[at])
    return "".join(lines[first : last + 1])


def main(names: list[str]) -> None:
    known = {capture.name: capture for capture in CAPTURES}
    chosen = [known[name] for name in names or known]
    for machine in dict.fromkeys(capture.machine for capture in chosen):
        make([capture for capture in chosen if capture.machine == machine])


if __name__ == "__main__":
    main(sys.argv[1:])
