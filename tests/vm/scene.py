"""A guest with the agent in it, and a receiver on this machine that it ships to.

Judges: the guest's kernel (its counter, its log as a program reads it that is not the agent) and this machine's clock.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from crash import ledger
from crash.judge import uid_of
from support.kernel import RawRecord
from support.otlp_receiver import OtlpReceiver
from vm.kernels import PACKAGES, kernel
from vm.machine import Guest

from otel_oom import schema
from otel_oom.demo.otlp_receiver import plain

KERNELS: Final = tuple(PACKAGES)
PATIENCE_S: Final = 90.0  # an emulated machine, beside other work
_CGROUPS: Final = "/sys/fs/cgroup"
_CGROUP: Final = f"{_CGROUPS}/victims"
_LIMIT_MIB: Final = 16
_WITHOUT_IPC_LOCK: Final = (  # PR_CAPBSET_DROP, CAP_IPC_LOCK: what root runs then does not get it back
    "import ctypes, os, sys; ctypes.CDLL(None).prctl(24, 14, 0, 0, 0); os.execv(sys.argv[1], sys.argv[1:])"
)


@dataclass(frozen=True)
class Received:
    """A log record as it came. arrived_s: by this machine's monotonic clock."""

    name: str
    arrived_s: float
    time_ns: int
    attributes: dict[str, Any]
    resource: dict[str, Any]

    @property
    def uid(self) -> str:
        return str(self.attributes[schema.RECORD_UID.name])

    @property
    def instance(self) -> str:
        return str(self.resource[schema.SERVICE_INSTANCE_ID])

    def __getitem__(self, attribute: schema.Attribute) -> Any:
        return self.attributes[attribute.name]


@dataclass(frozen=True)
class Between:
    """Something happened between two readings of this machine's clock, ns since the Unix epoch."""

    after_ns: int
    before_ns: int

    def has(self, time_ns: int, *, within_s: float) -> bool:
        margin_ns = int(within_s * 1e9)
        return self.after_ns - margin_ns <= time_ns <= self.before_ns + margin_ns


@dataclass
class Scene:
    """What the tests of this folder share. guest: the machine as it is now; a copy takes its place."""

    receiver: OtlpReceiver
    flags: tuple[str, ...] = ()
    settings: dict[str, str] = field(default_factory=dict)
    pid: int = 0
    guest: Guest = field(init=False, repr=False)

    def start(self, *, locks: bool = True, cgroup: str = _CGROUPS) -> None:
        """The agent, and return when it watches. locks: it may lock its memory; cgroup: where it lives."""
        variables = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://10.0.2.2:{self.receiver.port}",
            "OTEL_METRIC_EXPORT_INTERVAL": "1000",
            **self.settings,
        }
        exports = "\n".join(f"export {name}='{value}'" for name, value in variables.items())
        limits = "" if locks else f"ulimit -l 0; exec python3 -c '{_WITHOUT_IPC_LOCK}' /usr/bin/"
        agent = f"{limits or 'exec '}python3 -m otel_oom run {' '.join(self.flags)}"
        run = f"echo $$ > {cgroup}/cgroup.procs\n{exports}\n{agent}"
        self.guest.shell(f"cat > /run/agent <<'END'\n{run}\nEND")
        self.pid = int(self.guest.shell("setsid sh /run/agent > /run/agent.log 2>&1 < /dev/null & echo $!"))
        self.await_said("watching")

    def await_said(self, words: str) -> None:
        """Return when the agent has written this."""
        deadline_s = time.monotonic() + PATIENCE_S
        while words not in (said := self.said()):
            assert time.monotonic() < deadline_s, said
            time.sleep(0.1)

    def said(self) -> str:
        """What the agent wrote."""
        return self.guest.shell("cat /run/agent.log")

    def signal(self, name: str) -> None:
        """To the agent."""
        self.guest.shell(f"kill -{name} {self.pid}")

    def await_end(self) -> None:
        """Return when the agent's process is gone."""
        self.guest.shell(f"while kill -0 {self.pid}; do sleep 0.05; done 2> /dev/null")

    def kill(self, kills: int = 1) -> Between:
        """Real kills in a memory cgroup of the guest, and return when its kernel has made them."""
        before_ns = time.time_ns()
        self.guest.shell(
            f"mkdir -p {_CGROUP}; echo {_LIMIT_MIB}M > {_CGROUP}/memory.max\n"
            f"oomer {_CGROUP}/cgroup.procs {kills} 1 {4 * _LIMIT_MIB} > /dev/null"
        )
        return Between(before_ns, time.time_ns())

    def set_clock(self) -> None:
        """The guest's wall clock from its hardware's, which is this machine's: to a second."""
        self.guest.shell("hwclock -s -u")

    @property
    def counted(self) -> int:
        """The guest's kernel's own count."""
        return int(self.guest.shell("grep '^oom_kill ' /proc/vmstat").split()[1])

    @property
    def boot_id(self) -> str:
        return self.guest.shell("cat /proc/sys/kernel/random/boot_id").strip()

    def log(self) -> list[RawRecord]:
        """The guest's kernel log."""
        return [RawRecord(*record) for record in json.loads(self.guest.shell("python3 /sbin/records.py"))]

    def uids(self) -> list[str]:
        """Of all kills that the guest's log holds."""
        boot_id = self.boot_id
        lines = [one for one in self.log() if one.priority >> 3 == 0 and "Killed process " in one.text]
        return [uid_of(line, boot_id) for line in lines]

    def received(self, name: str = schema.OOM_KILL) -> list[Received]:
        """The accepted log records of an event, in order."""
        return [one for one in received(self.receiver) if one.name == name]

    def await_received(self, count: int, name: str = schema.OOM_KILL) -> list[Received]:
        """The same, when there are so many."""
        try:
            self.receiver.wait(lambda: len(self.received(name)) >= count, PATIENCE_S)
        except TimeoutError as error:
            raise AssertionError(f"{len(self.received(name))} of {count} {name}; {self.said()}") from error
        return self.received(name)

    def await_distinct(self, count: int) -> list[Received]:
        """Kills of so many uids, the first of each: one that was accepted right before a SIGKILL may come again."""
        self.receiver.wait(lambda: len({kill.uid for kill in self.received()}) >= count, PATIENCE_S)
        first: dict[str, Received] = {}
        for kill in self.received():
            first.setdefault(kill.uid, kill)
        return list(first.values())

    def totals(self, instance: str, scope: str = "cgroup") -> list[int]:
        """The counter of an instance in each export that has it, in order."""
        return [one.value for one in ledger.points(self.receiver, schema.KILLS, scope) if one.instance == instance]

    def await_total(self, total: int, scope: str = "cgroup") -> None:
        """Return when the counter has got so far."""
        self.receiver.wait(lambda: ledger.last(self.receiver, schema.KILLS, scope) == total, PATIENCE_S)


def received(receiver: OtlpReceiver) -> list[Received]:
    """All accepted log records, in order."""
    found = []
    for request in receiver.accepted("logs"):
        for resource in request.message.resource_logs:
            whose = {pair.key: plain(pair.value) for pair in resource.resource.attributes}
            for record in (record for scope in resource.scope_logs for record in scope.log_records):
                attributes = {pair.key: plain(pair.value) for pair in record.attributes}
                found.append(Received(record.event_name, request.arrived_s, record.time_unix_nano, attributes, whose))
    return found


@contextmanager
def scene(name: str, directory: Path, *flags: str, **machine: Any) -> Iterator[Scene]:
    """A guest of this kernel, booted, and a receiver; the agent is not started yet."""
    with OtlpReceiver("http/protobuf") as receiver, Guest(kernel(name), directory / name, **machine) as guest:
        stage = Scene(receiver, flags)
        stage.guest = guest
        yield stage
