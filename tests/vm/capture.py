"""Makes the captures of tests/plain/data that need a machine of their own: one kind of full memory in each.

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
from vm.machine import Guest

DATA: Final = Path(__file__).resolve().parents[1] / "plain" / "data"
_POD: Final = "kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod8f3c2a1e_77aa_4b3c_9d2e_0123456789ab.slice"
_CONTAINER: Final = "cri-containerd-9c41d8a07f5e3b62c1d094ae86f7532b1c0d9e8f7a6b5c4d3e2f1a0b9c8d7e6f.scope"
_AWAIT_KILL: Final = """
for _ in $(seq 120); do
    has_ended=$(grep -c ^ended /run/said)
    if dmesg | grep -q 'Killed process'; then sleep 3; exit 0; fi
    if [ $has_ended != 0 ]; then break; fi
    sleep 1
done
cat /run/said; exit 1
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


@dataclass(frozen=True)
class Capture:
    """How a capture is made. script: makes the kill; `fill` runs guest/fill_memory.py, `in_group` joins a cgroup."""

    name: str
    script: str
    version: str = "6.12"
    memory_mib: int = 256
    disk_mib: int = 0
    slow_disk: bool = False
    nodes: int = 1
    boot_options: str = ""


_SWAP: Final = """
dd if=/dev/zero of=/var/lib/otel-oom/swap bs=1M count=48 2> /dev/null
mkswap /var/lib/otel-oom/swap > /dev/null; swapon /var/lib/otel-oom/swap
"""


def _limited(limit: str, fill: str, *, group: str = "app.slice/web.service", more: str = "") -> str:
    return f"group {group} {limit}\n{more}\nin_group {group} fill {fill}"


CAPTURES: Final = (
    Capture("cgroup-anon", _limited("96M", "gunicorn workers 160 stay"), memory_mib=384),
    Capture(
        "cgroup-pod",
        f"group {_POD} 128M; group {_POD}/{_CONTAINER} max\n"
        f"in_group {_POD}/{_CONTAINER} fill gunicorn workers 192 stay",
        memory_mib=384,
    ),
    Capture("cgroup-tmpfs", _limited("64M", "uploader tmpfs 48 64")),
    Capture("cgroup-dirty", _limited("48M", "importer dirty 256 64"), "6.1", disk_mib=300, slow_disk=True),
    Capture("cgroup-slab", _limited("64M", "mailer inodes 44 64", more="mount -o remount,nr_inodes=0 /tmp")),
    Capture("cgroup-sockets", _limited("64M", "proxy sockets 40 64")),
    Capture("cgroup-percpu", _limited("64M", "tracer percpu 40 64")),
    Capture(
        "cgroup-swap-full",
        _SWAP + _limited("32M", "python anon 96 0", more="echo 16M > $CG/app.slice/web.service/memory.swap.max"),
        disk_mib=64,
    ),
    Capture(
        "cgroup-swap-none",
        _SWAP + _limited("32M", "python anon 96 0", more="echo 0 > $CG/app.slice/web.service/memory.swap.max"),
        disk_mib=64,
    ),
    Capture(
        "cgroup-ancestor",
        "group app.slice 48M; group app.slice/web.service max\nin_group app.slice/web.service fill python anon 96 0",
    ),
    Capture(
        "cgroup-group",
        _limited("48M", "worker workers 80 stay", more="echo 1 > $CG/app.slice/web.service/memory.oom.group"),
    ),
    Capture("system-anon", "hog java"),
    Capture("system-slab", "fill broker messages 140 stay & until_filled; hog java"),
    Capture("system-hugepages", "echo 70 > /proc/sys/vm/nr_hugepages; hog java"),
    Capture("system-tmpfs", "mount -o remount,size=90% /tmp; fill uploader tmpfs 140 stay & until_filled; hog java"),
    Capture("system-swap-full", _SWAP + "hog java", disk_mib=64),
    Capture("system-node", "fill java bound 400 0", memory_mib=384, nodes=2),
    Capture(
        "system-cpuset",
        "echo +cpuset > $CG/cgroup.subtree_control; mkdir $CG/batch; echo 1 > $CG/batch/cpuset.mems\n"
        "hog java $CG/batch",
        memory_mib=384,
        nodes=2,
    ),
    Capture("system-order3", "fill proxy fragments 140 stay"),
    Capture(
        "system-protected",
        "fill guarded anon 110 stay & echo -1000 > /proc/$!/oom_score_adj; until_filled; hog java",
    ),
    Capture("system-sysrq", "fill java anon 60 stay & until_filled; echo f > /proc/sysrq-trigger; sleep 1"),
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


def options(capture: Capture, directory: Path) -> tuple[str, ...]:
    """The options of QEMU that only captures need."""
    more: list[str] = []
    if capture.disk_mib:
        disk = directory / "disk"
        filesystem(disk, size_bytes=capture.disk_mib << 20)
        slow = ",throttling.bps-write=65536" if capture.slow_disk else ""
        more += ["-drive", f"file={disk},if=virtio,format=raw{slow}"]
    if capture.nodes > 1:
        for node in range(capture.nodes):
            more += ["-object", f"memory-backend-ram,id=m{node},size={capture.memory_mib // capture.nodes}M"]
            more += ["-numa", f"node,nodeid={node},memdev=m{node}" + (",cpus=0" if node == 0 else "")]
    return tuple(more)


def make(capture: Capture) -> str:
    """Boot a guest, make the kill, and return the records of its report."""
    with tempfile.TemporaryDirectory() as directory:
        place = Path(directory)
        with Guest(
            kernel(capture.version),
            place,
            memory_mib=capture.memory_mib,
            boot_options=f"log_buf_len=1M {capture.boot_options}",
            more_options=options(capture, place),
        ) as guest:
            program = base64.b64encode((GUEST / "fill_memory.py").read_bytes()).decode()
            guest.shell(f"echo {program} | base64 -d > /run/fill_memory.py")
            guest.shell(f"cat > /run/read_log.py <<'END'{_READ_LOG}END")
            guest.shell(f"cat > /run/scene <<'END'\n{_PRELUDE}\n{capture.script}\necho ended\nEND")
            guest.shell("setsid sh /run/scene > /run/said 2>&1 < /dev/null &")  # the kill may end this shell, too
            guest.shell(_AWAIT_KILL, within_s=200.0)
            return report(guest.shell("python3 /run/read_log.py"))


def report(log: str) -> str:
    """The records from the first opener to the last kill line or line of the reaper. Only the first report is kept."""
    lines = log.splitlines(keepends=True)
    first = next(at for at, line in enumerate(lines) if "invoked oom-killer" in line)
    openers = [at for at, line in enumerate(lines) if "invoked oom-killer" in line]
    end = openers[1] if len(openers) > 1 else len(lines)
    last = max(at for at in range(first, end) if ": Killed process" in lines[at] or "oom_reaper" in lines[at])
    return "".join(lines[first : last + 1])


def main(names: list[str]) -> None:
    for capture in CAPTURES:
        if not names or capture.name in names:
            version = capture.version.replace(".", "")
            (DATA / f"v{version}-{capture.name}.kmsg").write_text(make(capture))


if __name__ == "__main__":
    main(sys.argv[1:])
