r"""The owner in a cgroup's path: container, runtime, Kubernetes pod, systemd unit. No I/O.

Rules:
- Only the path is read, name by name. A name counts only if the whole name has a known form.
- For each fact the innermost name that gives it wins. Id and runtime come from one name: a bare id below a pod does
  not give its runtime, whatever other names the path holds.
- A cgroup's creator chooses its name, so a path can lie. No path raises, none takes more than linear time, and no
  returned value is longer than a file name.
- Paths are printable text (see `text_escapes`), where a backslash is `\x5c`: systemd's `\x2d` arrives as `\x5cx2d`.
  Units are returned as systemd spells them, so that they match the names in other tools.
- A helper process beside a container (conmon, lxc.monitor, nspawn's supervisor) is not in it, nor is a build step.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Final

# PATH_MAX and NAME_MAX with every byte escaped. The kernel prints no longer ones.
MAX_PATH_CHARS: Final = 4 * 4096
MAX_NAME_CHARS: Final = 4 * 255

# `cri-o` is Kubernetes' spelling. nerdctl and the CRI plugin are clients of one runtime, containerd.
DOCKER, CONTAINERD, CRI_O, PODMAN = "docker", "containerd", "cri-o", "podman"
LXC, NOMAD, NSPAWN = "lxc", "nomad", "systemd-nspawn"

_ID: Final = r"(?P<id>[0-9a-f]{64})"
_UUID: Final = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_POD_UID: Final = r"(?P<uid>[0-9a-f]{8}(?:[-_][0-9a-f]{4}){3}[-_][0-9a-f]{12}|[0-9a-f]{32})"
_NAME: Final = r"(?P<name>[A-Za-z0-9][A-Za-z0-9_.-]*)"
_MACHINE: Final = r"(?P<name>[A-Za-z0-9](?:[A-Za-z0-9.-]|\\x5cx2d)*)"

UNKNOWN_PARENTS: Final = "libpod_parent"
"""Stands for all names above the last ones, where only those are known. A bare id right below it is no container's."""


@dataclass(frozen=True, slots=True)
class Owner:
    """The owner of a cgroup. None: its path does not give it.

    container_id: 64 hexadecimal digits, or the runtime's own form of id: `<task>-<number>` (ECS),
        `<allocation>.<task>` (Nomad)
    container_name: in place of the id where the path has a name: LXC and nspawn. Proxmox names a guest by its number
    runtime: docker, containerd, cri-o, podman, lxc, nomad or systemd-nspawn
    pod_uid: a UUID with dashes, or a static pod's 32 hexadecimal digits (kubelet's hash of its manifest)
    unit: a systemd unit's full name; a slice only if the path names no smaller unit
    """

    container_id: str | None = None
    runtime: str | None = None
    pod_uid: str | None = None
    unit: str | None = None
    container_name: str | None = None


@dataclass(frozen=True, slots=True)
class _Form:
    """One form of a container's cgroup name.

    above: pattern of `<grandparent>/<parent>`; below: the required name of the child, None: any child or none
    """

    runtime: str | None
    name: re.Pattern[str]
    above: re.Pattern[str]
    below: str | None


def _form(runtime: str | None, name: str, above: str = r".*", below: str | None = None) -> _Form:
    return _Form(runtime, re.compile(name), re.compile(above, re.DOTALL), below)


_FORMS: Final = (
    # /system.slice/docker-<id>.scope                                                            (moby daemon/, systemd)
    _form(DOCKER, rf"docker-{_ID}\.scope"),
    # /kubepods.slice/…-pod<uid>.slice/cri-containerd-<id>.scope            (containerd internal/cri; k3s, RKE2 and GKE)
    # /system.slice/nerdctl-<id>.scope                                                       (nerdctl pkg/cmd/container)
    _form(CONTAINERD, rf"(?:cri-containerd|nerdctl)-{_ID}\.scope"),
    # /kubepods.slice/…-pod<uid>.slice/crio-<id>.scope, /kubepods/…/pod<uid>/crio-<id>     (cri-o internal/config/cgmgr)
    _form(CRI_O, rf"crio-{_ID}(?:\.scope)?"),
    # /machine.slice/libpod-<id>.scope/container, /libpod_parent/libpod-<id>                      (podman libpod/; crun)
    # /system.slice/web.service/libpod-payload-<id>                         (podman run --cgroups=split, as Quadlet has)
    _form(PODMAN, rf"libpod-(?:payload-)?{_ID}(?:\.scope)?"),
    # /kubepods-…-pod<uid>.slice:cri-containerd:<id>              (runc's slice:prefix:name, met by its cgroupfs driver)
    _form(DOCKER, rf"[^:]+\.slice:docker:{_ID}"),
    _form(CONTAINERD, rf"[^:]+\.slice:(?:cri-containerd|nerdctl):{_ID}"),
    _form(CRI_O, rf"[^:]+\.slice:crio:{_ID}"),
    _form(PODMAN, rf"[^:]+\.slice:libpod:{_ID}"),
    # /docker/<id>                                                                              (moby daemon/, cgroupfs)
    # /actions_job/<id>, /azpl_job/<id>                            (Docker as GitHub's and Azure's runners configure it)
    _form(DOCKER, _ID, above=r".*/(?:docker|actions_job|azpl_job)"),
    # /ecs/<task>/<id>                                                           (amazon-ecs-agent, which drives Docker)
    _form(DOCKER, _ID, above=r"ecs/[0-9a-f-]{32,36}"),
    # /ecs/<task>/<task>-<number>, /ecs/<task>-<number>         (ECS on containerd: managed instances, Fargate from 1.4)
    _form(CONTAINERD, r"(?P<id>[0-9a-f]{32}-[0-9]{1,20})", above=r".*/ecs|ecs/[0-9a-f]{32}"),
    # /lxc/<name>, /lxc.payload/<name>, /lxc.payload.<name>                                   (LXC until 3.0, 3.2, 4.0+)
    # /lxc/<number>/ns                                                                       (Proxmox VE src/PVE/LXC.pm)
    _form(LXC, _NAME, above=r".*/lxc(?:\.payload)?"),
    _form(LXC, rf"lxc\.payload\.{_NAME}"),
    # /nomad.slice/share.slice/<allocation>.<task>.scope                        (nomad client/lib/cgroupslib, cgroup v2)
    _form(NOMAD, rf"(?P<id>{_UUID}\.[^/]+)\.scope"),
    # /nomad/<allocation>.<task>, /nomad/<uuid>                    (the same, cgroup v1; drivers/shared/executor, older)
    _form(NOMAD, rf"(?P<id>{_UUID}(?:\.[^/]+)?)", above=r".*/nomad"),
    # /machine.slice/systemd-nspawn@<name>.service/payload, …/machine-<name>.scope/payload          (systemd src/nspawn)
    # The scope of a virtual machine is named like the latter, and has no payload.
    _form(NSPAWN, rf"systemd-nspawn@{_MACHINE}\.service", below="payload"),
    _form(NSPAWN, rf"machine-{_MACHINE}\.scope", below="payload"),
    # /kubepods/besteffort/pod<uid>/<id>                                     (cgroupfs: dockershim and containerd alike)
    # /<anything>/<id>                             (docker run --cgroup-parent; ctr: the namespace, as in /default/<id>)
    # The id right under libpod_parent is a podman pod's.
    _form(None, _ID, above=r"(?!.*/libpod_parent\Z).*"),
)

# /kubepods/burstable/pod<uid>; /kubepods/pod<uid> (Guaranteed)                    (kubernetes pkg/kubelet/cm, cgroupfs)
# /../pod<uid>                                                   (the same, as /proc shows it in a sibling's namespace)
_POD: Final = re.compile(rf"pod{_POD_UID}")
_ABOVE_POD: Final = frozenset({"kubepods", "burstable", "besteffort", ".."})
# /kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod<uid, `_` for `-`>.slice            (the same, systemd)
# /kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-pod<uid>.slice              (kubelet --cgroup-root, as in kind)
_POD_SLICE: Final = re.compile(
    rf"(?:[^/:]*-)?kubepods(?:-burstable|-besteffort)?-pod{_POD_UID}\.slice(?::[a-z-]+:[0-9a-f]+)?"
)

# user@1000.service, app-gnome-firefox-2110.scope, dev-disk-by\x2dlabel-swap.swap                      (systemd.unit(5))
# systemd puts `_` before a name that would collide with a kernel file (`_cpu.service`)       (src/basic/cgroup-util.c)
_UNIT: Final = re.compile(
    r"(?:_|(?!_))(?P<unit>(?:[A-Za-z0-9:_.-]|\\x5c)[A-Za-z0-9:_.-]*(?:\\x5c[A-Za-z0-9:_.-]*)*"
    r"(?:@(?:[A-Za-z0-9:_.@-]|\\x5c)+)?"
    r"\.(?:service|scope|socket|mount|swap|slice))"
)
# Nomad creates it, and the slices around it, with mkdir: they look like units, but systemd does not know them.
_NOMAD_SCOPE: Final = re.compile(rf"{_UUID}\.[^/]+\.scope")


def owner(path: str) -> Owner:
    """Return the owner of a cgroup. path: printable, from the hierarchy's root. All None if it is no path."""
    names = path.split("/") if len(path) <= MAX_PATH_CHARS else []
    if max(map(len, names), default=0) > MAX_NAME_CHARS:
        return Owner()
    container = _container(names)
    return replace(container, pod_uid=_pod_uid(names), unit=_unit(names))


def _container(names: list[str]) -> Owner:
    for at in reversed(range(len(names))):
        above = "/".join(["", "", *names[max(0, at - 2) : at]][-2:])
        below = names[at + 1] if at + 1 < len(names) else None
        for form in _FORMS:
            found = form.name.fullmatch(names[at])
            if found and form.above.fullmatch(above) and form.below in {None, below}:
                known = {part: text.replace(r"\x5cx2d", "-") for part, text in found.groupdict().items()}
                return Owner(known.get("id"), form.runtime, container_name=known.get("name"))
    return Owner()


def _pod_uid(names: list[str]) -> str | None:
    for at in reversed(range(len(names))):
        found = _POD_SLICE.fullmatch(names[at])
        if found is None and at and names[at - 1] in _ABOVE_POD:
            found = _POD.fullmatch(names[at])
        if found:
            return found["uid"].replace("_", "-")
    return None


def _unit(names: list[str]) -> str | None:
    innermost_slice = None
    for name in reversed(names):
        if _NOMAD_SCOPE.fullmatch(name):
            break
        found = _UNIT.fullmatch(name)
        unit = found["unit"].replace(r"\x5c", "\\") if found else None
        if unit and not unit.endswith(".slice"):
            return unit
        innermost_slice = innermost_slice or unit
    return innermost_slice
