"""Sets up a trace instance of our own: a ring of the kernel that records the victims of the OOM killer.

    /sys/kernel/tracing/instances/otel-oom    the ring, apart from all other users of tracing (since 3.10)
    …/events/oom/mark_victim                  the kernel's event for each victim
    …/events/printk/console                   the kernel's event for each line of its log: of it the kill lines alone
    …/events/otel_oom/victim_cgroup           our typed probe beside it: the victim's cgroup (6.8+, FPROBE_EVENTS, BTF)

Rules:
- What is there already is left as it is: an instance keeps recording while no agent runs. Setting a clock or shrinking
  a ring would empty it.
- Nothing is written if all is set up. So an agent that may only read uses an instance that another process made, such
  as an `ExecStartPre=+` of its systemd unit.
- What is not to be had is a value with its reason (`Unavailable`), and never an error. Usual reasons: tracefs is not
  mounted, the agent is not root, the kernel is locked down (confidentiality), /sys is read-only.
- The ring's clock is `perf`, which is local_clock(): the clock of the kernel log. So times can be compared.
- The probe reads the cgroup of the v2 hierarchy. Where the memory controller is in a v1 hierarchy, that is another
  cgroup than the one that the kernel log names, so the probe is not used.
- No filesystem is mounted, and nothing is removed: `rmdir` of the instance and `-:otel_oom/victim_trace` do that.

Source: Documentation/trace/ftrace.rst (instances), fprobetrace.rst (t: events), kernel/trace/trace.c (trace_clocks).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from otel_oom.victim_trace import traced_line
from otel_oom.victim_trace.trace_event_format import EventFormat, parse_format

TRACEFS: Final = Path("/sys/kernel/tracing")
INSTANCE: Final = "otel-oom"
_CLOCK: Final = "perf"

_TOTAL_KIB: Final = 2_048
_MIN_KIB, _MAX_KIB = 64, 512  # of one processor: 64 KiB hold some 110 kills with names as long as Kubernetes' ones

_KERNELS_EVENT: Final = "oom/mark_victim"
_LINE_EVENT: Final = "printk/console"
_OWN_EVENT: Final = "otel_oom/victim_cgroup"
_CGROUP: Final = "task->cgroups->dfl_cgrp"
_FIELDS: Final = (
    f"pid=task->pid:s32 comm=task->comm:string cgroup_id={_CGROUP}->kn->id:u64 level={_CGROUP}->level:s32"
    f" name={_CGROUP}->kn->name:string"
)


def _probe(parent: str) -> str:
    above = f"{_CGROUP}->kn->{parent}"
    return f"t:{_OWN_EVENT} mark_victim {_FIELDS} above={above}->name:string top={above}->{parent}->name:string"


#: kernfs_node.parent is `__parent` since 6.15. A wrong name is refused (EINVAL), and leaves nothing.
_PROBES: Final = (_probe("parent"), _probe("__parent"), f"t:{_OWN_EVENT} mark_victim {_FIELDS}")


@dataclass(frozen=True, slots=True)
class Unavailable:
    """Why there is no such ring: for a log line."""

    reason: str


@dataclass(frozen=True, slots=True)
class Instance:
    """A ring that records victims.

    formats: of the events in it
    without_cgroups: why the probe is not among them, None if it is
    """

    directory: Path
    formats: tuple[EventFormat, ...]
    without_cgroups: str | None = None


def set_up(tracefs: Path = TRACEFS, *, own_cgroups: str, processors: int) -> Instance | Unavailable:
    """Make what is missing, and return the instance. Raises nothing.

    own_cgroups: the text of /proc/self/cgroup; processors: of the machine
    """
    directory = tracefs / "instances" / INSTANCE
    kib = min(max(_TOTAL_KIB // processors, _MIN_KIB), _MAX_KIB)
    try:
        if not (tracefs / "instances").is_dir():
            return Unavailable(f"tracefs is not mounted at {tracefs}")
        if not directory.is_dir():
            directory.mkdir()
        if f"[{_CLOCK}]" not in (directory / "trace_clock").read_text("ascii"):
            _write(directory / "buffer_size_kb", str(kib), os.O_TRUNC)
            _write(directory / "trace_clock", _CLOCK, os.O_TRUNC)  # last: with this clock, its size is the user's
        if (directory / "buffer_percent").exists():  # since 5.0: by how much a ring must be filled to be readable
            _ensure(directory / "buffer_percent", "0", is_set=lambda text: text.strip() == "0")
        without_cgroups = _ensure_probe(tracefs, own_cgroups)
        _ensure(directory / "events" / _LINE_EVENT / "filter", traced_line.FILTER, is_set=lambda text: "msg ~" in text)
        own = () if without_cgroups else (_OWN_EVENT,)
        formats = [_enable(directory, event) for event in (_KERNELS_EVENT, _LINE_EVENT, *own)]
        _ensure(directory / "tracing_on", "1", is_set=lambda text: text.strip() == "1")
    except OSError as error:
        return Unavailable(f"{error.filename}: {error.strerror}")
    except ValueError as error:
        return Unavailable(f"{directory}: {error}")
    return Instance(directory, tuple(formats), without_cgroups)


def is_memory_v1(own_cgroups: str) -> bool:
    """Whether the memory controller is in a v1 hierarchy: `4:memory:/…` in /proc/self/cgroup (cgroups(7))."""
    return any("memory" in line.split(":")[1].split(",") for line in own_cgroups.splitlines() if line.count(":") >= 2)


def _ensure_probe(tracefs: Path, own_cgroups: str) -> str | None:
    """Make the probe. Returns None, or why there is none."""
    if is_memory_v1(own_cgroups):
        return "the memory controller is in a cgroup v1 hierarchy"
    if (tracefs / "events" / _OWN_EVENT).is_dir():
        return None
    failure = ""
    for probe in _PROBES:
        try:
            _write(tracefs / "dynamic_events", probe, os.O_APPEND)  # O_TRUNC would remove the probes of all users
        except OSError as error:  # noqa: PERF203 three tries
            failure = failure or f"no typed probe (FPROBE_EVENTS and BTF, Linux 6.8 or later): {error.strerror}"
        else:
            return None
    return failure


def _enable(directory: Path, event: str) -> EventFormat:
    """Enable an event in the instance. Raises: OSError, ValueError."""
    files = directory / "events" / event
    _ensure(files / "enable", "1", is_set=lambda text: text.startswith("1"))
    event_format = parse_format((files / "format").read_text("ascii"))
    if event_format is None:
        raise ValueError(f"the format of {event} is not known")
    return event_format


def _ensure(file: Path, value: str, *, is_set: Callable[[str], bool]) -> None:
    """Write a value, if the file does not have it. Raises: OSError, ValueError."""
    if not is_set(file.read_text("ascii")):
        _write(file, value, os.O_TRUNC)


def _write(file: Path, value: str, flags: int) -> None:
    """Write a value with one write(2). Raises: OSError that names the file.

    Not `open(file, "a")`: it seeks to the end, which these files refuse (EINVAL).
    """
    try:
        opened = os.open(file, os.O_WRONLY | os.O_CLOEXEC | flags)
        try:
            os.write(opened, value.encode("ascii"))
        finally:
            os.close(opened)
    except OSError as error:  # of a write: it does not name the file
        raise OSError(error.errno, error.strerror, str(file)) from error
