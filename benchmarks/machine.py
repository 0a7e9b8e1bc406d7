"""The machine and the versions that figures were measured on."""

from __future__ import annotations

import os
import platform
import re
from importlib.metadata import version
from pathlib import Path

from benchmarks.peers.building import versions

_PEERS = {
    "github.com/google/cadvisor": "cAdvisor",
    "k8s.io/node-problem-detector": "node-problem-detector",
    "github.com/euank/go-kmsg-parser": "go-kmsg-parser",
}


def load() -> float:
    """Mean number of processes that ran or were ready to, over the last minute."""
    return os.getloadavg()[0]


def description() -> dict[str, str]:
    """What a reader needs to judge a figure, in words."""
    cpu = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    memory = re.search(r"^MemTotal: +(\d+) kB", Path("/proc/meminfo").read_text(), re.MULTILINE)
    pinned = versions()
    return {
        "kernel": f"Linux {platform.release()}, {platform.machine()}, cgroup {_cgroup_version()}",
        "processor": f"{os.cpu_count()} x {cpu[1] if cpu else 'unknown'}",
        "memory": f"{int(memory[1]) / 2**20:.0f} GiB" if memory else "unknown",
        "Python": platform.python_version(),
        "otel-oom": version("otel-oom"),
        "OpenTelemetry SDK": version("opentelemetry-sdk"),
        **{name: pinned[module].removesuffix("+incompatible") for module, name in _PEERS.items()},
    }


def _cgroup_version() -> str:
    types = {line.split()[2] for line in Path("/proc/self/mounts").read_text().splitlines()}
    return " and ".join(shown for kind, shown in (("cgroup", "v1"), ("cgroup2", "v2")) if kind in types) or "none"
