"""Where this process runs (a pod, a container, or the system itself), and what corrects a problem there.

Every remedy that depends on it is in this file. A remedy of the system names the unit and the shell: both set the same
limits.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final


class Place(Enum):
    """Where a process runs."""

    POD = "pod"
    CONTAINER = "container"
    SYSTEM = "system"


@dataclass(frozen=True, slots=True)
class Remedy:
    """What corrects one problem, for each place. `{name}` is replaced by a value."""

    system: str
    container: str
    pod: str

    def here(self, *, place: Place | None = None, **values: object) -> str:
        """The text for a place; None: for this process. It is read at each call: a call comes with a log line."""
        return str(getattr(self, (place or find_place()).value)).format(**values)


def find_place(root: str = "/", environment: Mapping[str, str] = os.environ) -> Place:
    """Where this process runs.

    Kubernetes sets the address of its API in each container. Podman and Docker make an empty file. Under LXC and
    systemd-nspawn it is the system: there a whole system runs.
    """
    if "KUBERNETES_SERVICE_HOST" in environment:
        return Place.POD
    if any(os.path.exists(f"{root}{name}") for name in ("run/.containerenv", ".dockerenv")):  # noqa: PTH110 no import
        return Place.CONTAINER
    return Place.SYSTEM


_CAPABILITY: Final = "add {0} to securityContext.capabilities of its container"

OOM_SCORE: Final = Remedy(
    system="give it CAP_SYS_RESOURCE, or set OOMScoreAdjust= in its unit",
    container="docker run --oom-score-adj={score}, or --cap-add=SYS_RESOURCE",
    pod=_CAPABILITY.format("SYS_RESOURCE"),
)
LOCKED_MEMORY: Final = Remedy(
    system="set LimitMEMLOCK=infinity, or give it CAP_IPC_LOCK",
    container="docker run --cap-add=IPC_LOCK, or --ulimit memlock=-1",
    pod=_CAPABILITY.format("IPC_LOCK"),
)
PROCESS_LIMIT: Final = Remedy(
    system="set {unit}={least} in its unit, or ulimit {flag} {ulimit} in its shell",
    container="docker run --ulimit, or {unit}={least} in the unit of the container runtime",
    pod="set {unit}={least} in the unit of the node's container runtime",
)
THREADS: Final = Remedy(
    system="raise TasksMax= or LimitNPROC= in its unit, ulimit -u in its shell, or pids.max of its cgroup",
    container="docker run --pids-limit, or --ulimit nproc",
    pod="raise podPidsLimit of the node's kubelet",
)
NO_MEMORY: Final = Remedy(
    system="give it more (MemoryMax= or LimitAS= in its unit), or free some on this machine",
    container="give it more (docker run --memory), or free some on this machine",
    pod="raise resources.limits.memory of its container, or free some on this node",
)
NO_THREAD: Final = Remedy(
    system="raise TasksMax= in its unit, or pids.max of its cgroup", container=THREADS.container, pod=THREADS.pod
)
OPEN_FILES: Final = Remedy(
    system="raise LimitNOFILE= in its unit, or ulimit -n",
    container="docker run --ulimit nofile",
    pod="raise LimitNOFILE= in the unit of the node's container runtime",
)
NO_DEVICE: Final = Remedy(
    system="docker run --device=/dev/kmsg gives it to a container; OTEL_OOM_DEVICE or --device names another path",
    container="docker run --device=/dev/kmsg gives it to a container; OTEL_OOM_DEVICE or --device names another path",
    pod="mount the node's /dev/kmsg (hostPath, type CharDevice); OTEL_OOM_DEVICE or --device names another path",
)
NO_PERMISSION: Final = Remedy(
    system="run as root, or give the process CAP_SYSLOG (kernel.dmesg_restrict=1) and read access to the device",
    container="docker run --cap-add=SYSLOG --device=/dev/kmsg, as root of the container",
    pod="run it as root in a privileged container, or with SYSLOG in securityContext.capabilities and a device plugin",
)
DEVICE_CGROUP: Final = Remedy(
    system="set DeviceAllow=/dev/kmsg r in its unit",
    container="docker run --device=/dev/kmsg allows it; a bind mount alone does not",
    pod="set privileged: true in securityContext of its container, or use a device plugin; a hostPath alone is refused",
)
USER_NAMESPACE: Final = Remedy(
    system="run it outside of a user namespace, or set kernel.dmesg_restrict=0",
    container="run the container as root of the machine (rootful), or set kernel.dmesg_restrict=0 on the machine",
    pod="set hostUsers: true in the pod, or kernel.dmesg_restrict=0 on the node",
)
PID_NAMESPACE: Final = Remedy(
    system="run it in the initial pid namespace",
    container="docker run --pid=host",
    pod="hostPID: true",
)
CGROUP_NAMESPACE: Final = Remedy(
    system="run it in the initial cgroup namespace",
    container="docker run --cgroupns=host",
    pod="privileged: true in securityContext of its container",
)
CGROUP_MOUNT: Final = Remedy(
    system="mount the whole cgroup2, or cgroup v1 with the memory controller",
    container="docker run --volume=/sys/fs/cgroup:/host/cgroup:ro",
    pod="mount the node's /sys/fs/cgroup (hostPath) at /host/cgroup",
)
