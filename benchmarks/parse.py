"""How fast `otel-oom parse` reads: a large kernel log with 10,000 kills, beside `grep -c`.

    PYTHONPATH=. python benchmarks/parse.py [--mib 1024] [--kills 10000]

Prints MB/s, seconds, seconds of CPU time (user and system: what counts where other work runs beside it), the largest
resident memory and the kills that were found, all of the fastest of five runs: what else the machine does only adds.
The log lies in a temporary directory while it runs. Its noise is what machines with containers print; its reports have
the lines and lengths of real ones. Text counts lines, which `--output json` does not.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

NOISE = (
    "docker0: port {a}(veth{b:07x}) entered disabled state",
    "device veth{b:07x} left promiscuous mode",
    "IPv6: ADDRCONF(NETDEV_CHANGE): veth{b:07x}: link becomes ready",
    'audit: type=1400 audit({b}.{a:03}:{b}): apparmor="ALLOWED" operation="open" profile="/usr/sbin/ntpd" pid={b}',
    "TCP: request_sock_TCP: Possible SYN flooding on port {a}. Sending cookies.  Check SNMP counters.",
    "EXT4-fs (dm-{a}): mounted filesystem with ordered data mode. Opts: (null)",
    "perf: interrupt took too long ({b} > {a}), lowering kernel.perf_event_max_sample_rate to {b}",
    "systemd[1]: Started Session {b} of user process-{a}.",
    "nf_conntrack: nf_conntrack: table full, dropping packet",
    "usb 1-{a}: new high-speed USB device number {b} using xhci_hcd",
)
TRACE = (
    "Call Trace:", " <TASK>", " dump_stack_lvl+0x44/0x5c", " dump_header+0x4c/0x22b", " oom_kill_process.cold+0xb/0x10",
    " out_of_memory+0x1fd/0x4c0", " mem_cgroup_out_of_memory+0x134/0x150", " try_charge_memcg+0x696/0x780",
    " charge_memcg+0x39/0xf0", " __mem_cgroup_charge+0x28/0x80", " __handle_mm_fault+0x95c/0xfa0",
    " handle_mm_fault+0xdb/0x2d0", " do_user_addr_fault+0x191/0x560", " exc_page_fault+0x70/0x170",
    " asm_exc_page_fault+0x22/0x30", "RIP: 0033:0x431080",
    "RSP: 002b:00007ffc0598cf28 EFLAGS: 00000283", "RAX: 00007f8b90c62000 RBX: 00007ffc05991178 RCX: 0000000000447a73",
    "RDX: 00007f8b90d58000 RSI: 0000000000000001 RDI: 00007f8b90d61fc0", " </TASK>",
)  # fmt: skip
STATISTICS = (
    "anon", "file", "kernel", "kernel_stack", "pagetables", "sec_pagetables", "percpu", "sock", "vmalloc", "shmem",
    "file_mapped", "file_dirty", "file_writeback", "swapcached", "anon_thp", "file_thp", "shmem_thp", "inactive_anon",
    "active_anon", "inactive_file", "active_file", "unevictable", "slab_reclaimable", "slab_unreclaimable", "slab",
    "workingset_refault_anon", "workingset_refault_file", "workingset_activate_anon", "workingset_activate_file",
)  # fmt: skip


_RUNS = 5

# A small process starts the command: a program inherits the peak of the process that starts it (wait4(2), ru_maxrss).
_BETWEEN = """
import os, resource, sys, time
began = time.perf_counter()
code = os.spawnvp(os.P_WAIT, sys.argv[2], sys.argv[2:])
took = time.perf_counter() - began
usage = resource.getrusage(resource.RUSAGE_CHILDREN)
os.write(int(sys.argv[1]), f"{took} {usage.ru_utime + usage.ru_stime} {usage.ru_maxrss}".encode())
sys.exit(code)
"""


def report(number: int, tasks: int = 12) -> Iterator[str]:
    """The lines of one report of 6.1: the machine's or a container's, with a table of so many tasks."""
    pid = 1000 + number
    cgroup = f"/kubepods.slice/kubepods-burstable.slice/cri-containerd-{number:064x}.scope"
    yield "java invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=969"
    yield f"CPU: 1 PID: {pid} Comm: java Not tainted 6.1.0-56-cloud-amd64 #1  Debian 6.1.192-2"
    yield "Hardware name: QEMU Standard PC (i440FX + PIIX, 1996), BIOS 1.16.2-debian-1.16.2-1 04/01/2014"
    yield from TRACE
    yield f"memory: usage {524288 + number}kB, limit {524288 + number}kB, failcnt 82"
    yield "swap: usage 0kB, limit 9007199254740988kB, failcnt 0"
    yield f"Memory cgroup stats for {cgroup}:"
    yield from (f"{name} {12345 * place}" for place, name in enumerate(STATISTICS))
    yield "Tasks state (memory values in pages):"
    yield "[  pid  ]   uid  tgid total_vm      rss pgtables_bytes swapents oom_score_adj name"
    for task in range(tasks):
        pages = max(9000 - task, 1)
        yield f"[{pid + task:7}]     0 {pid + task:5} {pages:8} {pages - pages // 9:8} {65536:8} {0:8} {969:13} java"
    yield (
        f"oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,oom_memcg={cgroup},"
        f"task_memcg={cgroup},task=java,pid={pid},uid=0"
    )
    yield (
        f"Memory cgroup out of memory: Killed process {pid} (java) total-vm:36000kB, anon-rss:32000kB, file-rss:0kB,"
        " shmem-rss:0kB, UID:0 pgtables:64kB oom_score_adj:969"
    )


def write_log(path: Path, size: int, kills: int) -> None:
    """A log of about this many bytes with this many kills in it."""
    chance = random.Random(1)  # noqa: S311 no secret
    us = 0

    def stamped(line: str) -> str:
        nonlocal us
        us += 137
        return f"[{us // 1_000_000:5}.{us % 1_000_000:06}] {line}\n"

    with path.open("w") as log:
        written = 0
        for number in range(kills):
            while written < size * number // kills:
                part = "".join(
                    stamped(chance.choice(NOISE).format(a=chance.randrange(999), b=chance.randrange(1 << 28)))
                    for _ in range(100)
                )
                written += log.write(part)
            us += 20_000_000
            written += log.write("".join(map(stamped, report(number))))


def run(command: list[str], count: Callable[[bytes], int]) -> tuple[float, float, int, int]:
    """Seconds, seconds of CPU time, largest resident memory in KiB, and how many kills its output says.

    Raises: CalledProcessError.
    """
    figures, told = os.pipe()
    try:
        with tempfile.TemporaryFile() as out:
            between = [sys.executable, "-I", "-S", "-c", _BETWEEN, str(told), *command]
            subprocess.run(between, check=True, stdout=out, stderr=subprocess.PIPE, pass_fds=(told,))  # noqa: S603 our own commands
            took, cpu, rss = os.read(figures, 1024).split()
            out.seek(0)
            return float(took), float(cpu), int(rss), count(out.read())
    finally:
        os.close(figures)
        os.close(told)


def main() -> None:
    """Make the log, read it in each way, print what it took."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--mib", type=int, default=1024)
    parser.add_argument("--kills", type=int, default=10_000)
    options = parser.parse_args()
    parse = [sys.executable, "-m", "otel_oom", "parse"]
    with tempfile.TemporaryDirectory() as directory:
        log = Path(directory) / "kern.log"
        write_log(log, options.mib << 20, options.kills)
        size = log.stat().st_size
        print(f"{size / 2**20:.0f} MiB, {options.kills} kills; read once before, so it comes from memory")
        for name, command, count in (
            ("grep -c", ["grep", "-c", "Killed process", str(log)], int),
            ("parse --output json", [*parse, "--output", "json", str(log)], lambda out: out.count(b"\n")),
            ("parse --output text", [*parse, "--output", "text", str(log)], lambda out: out.count(b" was OOM-killed")),
        ):
            took, cpu, rss, found = min(run(command, count) for _ in range(_RUNS))
            figures = f"{size / took / 1e6:7.0f} MB/s  {took:6.2f} s  {cpu:6.2f} s CPU  {rss / 1024:5.1f} MiB"
            print(f"{name:22} {figures}  {found} found")


if __name__ == "__main__":
    main()
