"""A guest that runs the agent, and a receiver on this machine to which the agent exports.

The judges are the guest's kernel (its counter, and its log as another program reads it) and this machine's clock.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from support import received_telemetry
from support.kernel_judge import kill_uid
from support.kernel_log import RawRecord
from support.otlp_decoding import LogRecord
from support.otlp_receiver import OtlpReceiver
from vm.kernels import PACKAGES, kernel
from vm.machine import Guest

from otel_oom import schema

KERNELS: Final = tuple(PACKAGES)
PATIENCE_S: Final = 90.0  # the machine is emulated, and others may work on this one
_CGROUPS: Final = "/sys/fs/cgroup"
_CGROUP: Final = f"{_CGROUPS}/victims"
_LIMIT_MIB: Final = 16
_WITHOUT_IPC_LOCK: Final = (  # PR_CAPBSET_DROP, CAP_IPC_LOCK: the programs that root starts do not get it back
    "import ctypes, os, sys; ctypes.CDLL(None).prctl(24, 14, 0, 0, 0); os.execv(sys.argv[1], sys.argv[1:])"
)


@dataclass(frozen=True)
class Received:
    """A log record and its arrival. arrived_s: by this machine's monotonic clock."""

    record: LogRecord
    arrived_s: float

    @property
    def uid(self) -> str:
        """`log.record.uid`."""
        return self.record.uid

    @property
    def instance(self) -> str:
        """`service.instance.id`."""
        return self.record.instance

    @property
    def time_ns(self) -> int:
        """The timestamp, ns since the Unix epoch."""
        return self.record.time_unix_nano

    def __contains__(self, attribute: schema.Attribute) -> bool:
        return attribute.name in self.record.attributes

    def __getitem__(self, attribute: schema.Attribute) -> Any:
        return self.record.attributes[attribute.name]


@dataclass(frozen=True)
class Between:
    """The time of something that happened: two readings of this machine's clock, ns since the Unix epoch."""

    after_ns: int
    before_ns: int

    def has(self, time_ns: int, *, within_s: float) -> bool:
        """Whether a time is in between, or outside by `within_s` at most."""
        margin_ns = int(within_s * 1e9)
        return self.after_ns - margin_ns <= time_ns <= self.before_ns + margin_ns


@dataclass
class Scene:
    """What the tests of this folder share. guest: the current machine; a copy replaces it."""

    receiver: OtlpReceiver
    flags: tuple[str, ...] = ()
    settings: dict[str, str] = field(default_factory=dict)
    pid: int = 0
    guest: Guest = field(init=False, repr=False)

    def start(self, *, locks: bool = True, cgroup: str = _CGROUPS) -> None:
        """Start the agent, and wait until it watches. locks: it may lock its memory; cgroup: the agent's own."""
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
        """Wait until the agent has written these words."""
        deadline_s = time.monotonic() + PATIENCE_S
        while words not in (said := self.said()):
            assert time.monotonic() < deadline_s, said
            time.sleep(0.1)

    def said(self) -> str:
        """All that the agent wrote to stderr."""
        return self.guest.shell("cat /run/agent.log")

    def signal(self, name: str) -> None:
        """Send a signal to the agent."""
        self.guest.shell(f"kill -{name} {self.pid}")

    def await_end(self) -> None:
        """Wait until the agent's process has ended."""
        self.guest.shell(f"while kill -0 {self.pid}; do sleep 0.05; done 2> /dev/null")

    def kill(self, kills: int = 1) -> Between:
        """Make real kills in a memory cgroup of the guest; returns when they happened."""
        before_ns = time.time_ns()
        self.guest.shell(
            f"mkdir -p {_CGROUP}; echo {_LIMIT_MIB}M > {_CGROUP}/memory.max\n"
            f"oomer {_CGROUP}/cgroup.procs {kills} 1 {4 * _LIMIT_MIB} > /dev/null"
        )
        return Between(before_ns, time.time_ns())

    def set_clock(self) -> None:
        """Set the guest's wall clock from its hardware clock, which is this machine's, with a precision of a second."""
        self.guest.shell("hwclock -s -u")

    @property
    def counted(self) -> int:
        """The kills since boot, by the guest's kernel."""
        return int(self.guest.shell("grep '^oom_kill ' /proc/vmstat").split()[1])

    @property
    def boot_id(self) -> str:
        """The guest's boot id."""
        return self.guest.shell("cat /proc/sys/kernel/random/boot_id").strip()

    def log(self) -> list[RawRecord]:
        """All records of the guest's kernel log."""
        return [RawRecord(*record) for record in json.loads(self.guest.shell("python3 /sbin/records.py"))]

    def uids(self) -> list[str]:
        """The ids of all kills in the guest's log, in order."""
        boot_id = self.boot_id
        return [kill_uid(line, boot_id) for line in self.log() if line.is_kill]

    def received(self, name: str = schema.OOM_KILL) -> list[Received]:
        """The accepted log records of an event, in order."""
        return [
            Received(record, request.arrived_s)
            for request in self.receiver.accepted("logs")
            for record in request.log_records
            if record.event_name == name
        ]

    def await_received(self, count: int, name: str = schema.OOM_KILL) -> list[Received]:
        """Wait for this number of accepted log records of an event; returns all of them."""
        try:
            self.receiver.wait(lambda: len(self.received(name)) >= count, PATIENCE_S)
        except TimeoutError as error:
            raise AssertionError(f"{len(self.received(name))} of {count} {name}; {self.said()}") from error
        return self.received(name)

    def await_distinct(self, count: int) -> list[Received]:
        """Wait for kills with this number of uids; returns the first record of each.

        A kill that was accepted right before a SIGKILL may arrive again.
        """
        self.receiver.wait(lambda: len({kill.uid for kill in self.received()}) >= count, PATIENCE_S)
        first: dict[str, Received] = {}
        for kill in self.received():
            first.setdefault(kill.uid, kill)
        return list(first.values())

    def totals(self, instance: str, scope: str = "cgroup") -> list[int]:
        """The totals of kills of an instance, in the order of the exports."""
        return [
            one.value
            for one in received_telemetry.points(self.receiver, schema.KILLS, scope)
            if one.instance == instance
        ]

    def await_total(self, total: int, scope: str = "cgroup") -> None:
        """Wait until this is the newest exported total of kills."""
        self.receiver.wait(
            lambda: received_telemetry.newest_value(self.receiver, schema.KILLS, scope) == total, PATIENCE_S
        )


@contextmanager
def scene(name: str, directory: Path, *flags: str, **machine: Any) -> Iterator[Scene]:
    """A booted guest with this kernel, and a receiver. The agent is not started yet."""
    with OtlpReceiver("http/protobuf") as receiver, Guest(kernel(name), directory / name, **machine) as guest:
        stage = Scene(receiver, flags)
        stage.guest = guest
        yield stage
