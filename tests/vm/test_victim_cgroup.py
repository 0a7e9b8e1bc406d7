"""Kills without a report get their cgroup from the kernel's trace events. The judge is the name of each victim."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import pytest
from vm.kernels import GUEST, kernel
from vm.machine import Guest

POD = "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod8f3c2a1e_77aa_4b3c_9d2e_0123456789ab.slice"
CGROUPS = 20
FLOOD = 'import os; log = os.open("/dev/kmsg", os.O_WRONLY); [os.write(log, b"x" * 500) for _ in range(5000)]'
ROUNDS = 15
PATIENCE_S = 240.0


@dataclass
class Victims:
    """A guest with cgroups that are named like containers. The victims of cgroup 3 are named `c3`."""

    guest: Guest
    mib: int

    def path(self, number: int) -> str:
        """The path of a cgroup."""
        return f"{POD}/cri-containerd-{number:064x}.scope"

    def make(self) -> None:
        """Mount tracefs, and make the cgroups."""
        self.guest.shell(
            f"""set -e
            mount -t tracefs tracefs /sys/kernel/tracing
            cd /sys/fs/cgroup
            mkdir -p .{POD}
            for place in . kubepods.slice kubepods.slice/kubepods-burstable.slice .{POD}; do
                echo +memory > $place/cgroup.subtree_control
            done"""
        )
        for number in range(CGROUPS):
            place = f"/sys/fs/cgroup{self.path(number)}"
            self.guest.shell(f"mkdir {place}; echo {self.mib}M > {place}/memory.max")

    def start(self, what: str) -> None:
        """Start the program that finds cgroups, and wait until it is ready."""
        program = (GUEST / "find_cgroups.py").read_text()
        self.guest.shell(f"cat > /run/find_cgroups.py <<'END'\n{program}\nEND")
        self.guest.shell(
            f"setsid python3 /run/find_cgroups.py {what} > /run/found 2>&1 < /dev/null & echo $! > /run/pid"
        )
        self.await_rows(bool)

    def await_rows(self, are_all: Any) -> list[dict[str, Any]]:
        """Wait for the program's output."""
        deadline_s = time.monotonic() + PATIENCE_S
        while not are_all(rows := self.rows()):
            assert time.monotonic() < deadline_s, rows[-3:]
            time.sleep(0.2)
        return rows

    def rows(self) -> list[dict[str, Any]]:
        """What the program has found so far."""
        text = self.guest.shell("cat /run/found")
        try:
            return [json.loads(line) for line in text.splitlines()]
        except ValueError as error:
            raise AssertionError(text) from error

    def storm(self, workers: int, rounds: int = ROUNDS) -> None:
        """Kills in all cgroups, in turn; `workers` at a time."""
        turns = [
            f"""( n=0; while [ $n -lt {rounds * CGROUPS // workers} ]; do
                k=$(( ({worker} + n * {workers}) % {CGROUPS} )); n=$((n + 1))
                place=/sys/fs/cgroup{POD}/cri-containerd-$(printf %064x $k).scope
                oomer $place/cgroup.procs 1 1 {2 * self.mib} c$k > /dev/null
            done ) &"""
            for worker in range(workers)
        ]
        self.guest.shell("\n".join([*turns, "wait"]), within_s=PATIENCE_S)


def victims(directory: Path, name: str, mib: int) -> Victims:
    return Victims(Guest(kernel(name), directory / name, memory_mib=1024), mib)


def check(made: Victims, rows: list[dict[str, Any]], kills: int) -> None:
    """Every kill has the cgroup that its victim is named after."""
    found = [row for row in rows if "pid" in row]
    assert len(found) == kills
    assert [row for row in found if row["path"] != made.path(int(row["comm"].removeprefix("c")))] == []


@pytest.mark.timeout(900)
@pytest.mark.parametrize("mib", [8, 64])
@pytest.mark.parametrize("workers", [1, 8])
def test_every_kill_of_a_storm_has_its_cgroup(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], mib: int, workers: int
) -> None:
    made = victims(tmp_path, "6.12", mib)
    kills = ROUNDS * CGROUPS // workers * workers
    with made.guest:
        made.make()
        made.start(str(kills))
        made.storm(workers)
        *rows, last = made.await_rows(lambda rows: "rss_kib" in rows[-1])
        check(made, rows, kills)
        took = sorted(row["took_us"] for row in rows if "pid" in row)
        before = sorted(us for row in rows if "pid" in row for us in row["before_us"])
        suppressed = sum(row.get("report") == "suppressed" for row in rows)
    with capsys.disabled():
        print(  # noqa: T201
            f"\n6.12, {mib} MiB, {workers} at a time: {kills} kills, {suppressed} without a report; "
            f"find: median {median(took):.0f} us, 99 % {took[len(took) * 99 // 100]:.0f}, at most {took[-1]:.0f}; "
            f"event before the line by {before[0]:.1f} to {before[-1]:.1f} us, median {median(before):.1f}; "
            f"{rows[0]} {last}"
        )


@pytest.mark.timeout(900)
def test_pids_that_are_used_again_at_once_give_no_wrong_cgroup(tmp_path: Path) -> None:
    made = victims(tmp_path, "6.12", 8)
    with made.guest:
        made.make()
        made.start("304")
        made.guest.shell("echo 400 > /proc/sys/kernel/pid_max")
        made.storm(8)
        rows = made.await_rows(lambda rows: sum("pid" in row for row in rows) >= 296)
        check(made, rows, 296)
        pids = [row["pid"] for row in rows if "pid" in row]
        assert len(set(pids)) < len(pids), "some pids were used again"


@pytest.mark.timeout(900)
def test_the_ring_keeps_the_kills_that_the_log_lost_while_nobody_read(tmp_path: Path) -> None:
    made = victims(tmp_path, "6.12", 8)
    with made.guest:
        made.make()
        made.start("1000")
        made.guest.shell("kill -9 $(cat /run/pid); echo on > /proc/sys/kernel/printk_devkmsg")
        made.storm(1)
        made.guest.shell(f"python3 -c '{FLOOD}'")
        assert "Killed process" not in made.guest.shell("dmesg")
        made.start("ring")
        rows = made.await_rows(lambda rows: "overwritten" in rows[-1])
        names = [made.path(number).split("/")[2:] for number in range(CGROUPS)]
        kept = [row for row in rows if "pid" in row]
        assert len(kept) == len({row["pid"] for row in kept}) == ROUNDS * CGROUPS
        assert all(row["names"] == names[int(row["comm"].removeprefix("c"))] for row in kept)
        assert all(row["total_vm"] > 8 << 20 for row in kept)
        assert rows[-1]["overwritten"] == 0


def test_a_kernel_without_typed_probes_says_so(tmp_path: Path) -> None:
    made = victims(tmp_path, "6.1", 8)
    with made.guest:
        made.make()
        made.start("1")
        (row,) = made.rows()
        assert row["unavailable"].startswith("no typed probe")


def test_a_machine_without_tracefs_says_so(tmp_path: Path) -> None:
    made = victims(tmp_path, "6.12", 8)
    with made.guest:
        made.start("1")
        (row,) = made.rows()
        assert row["unavailable"] == "tracefs is not mounted at /sys/kernel/tracing"
