"""Cgroup paths to owners: every form with its source, similar paths without an owner, and properties of any text."""

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import corpus
from support.levels import missing

from otel_oom.kernel import text_escapes
from otel_oom.telemetry import container_from_cgroup
from otel_oom.telemetry.container_from_cgroup import Owner

steady = settings(derandomize=True, database=None, deadline=None, max_examples=300)

A, B = "4f1c0a7e93d2b586" * 4, "8b5e1b86" * 8
UID = "1b9d6bcd-0f6a-4c1e-9a55-7e2b6c3d8f90"
UID_ = UID.replace("-", "_")
STATIC = "0d5f2a91c47be6380d5f2a91c47be638"
ALLOC = "8ca2fa4e-1a6b-4f2f-9e0c-3f1d3b0b9a51"
TASK = "7a30e91b5cd248f67a30e91b5cd248f6"
USER = "/user.slice/user-1000.slice/user@1000.service"
PODS = "/kubepods.slice/kubepods-burstable.slice"
KIND = "/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-besteffort.slice"
X2D = r"\x5cx2d"  # systemd's \x2d, as the text rule prints it

KUBELET = "kubernetes pkg/kubelet/cm/cgroup_manager_linux.go"
CRI = "containerd internal/cri/server/helpers_linux.go"
CGMGR = "cri-o internal/config/cgmgr"
MOBY = "moby daemon/oci_linux.go"
LIBPOD = "podman libpod/container_internal_linux.go"
RUNC = "runc docs/systemd.md"
SYSTEMD = "systemd src/basic/cgroup-util.c"
UNITS = "systemd.unit(5), systemd.slice(5)"
NSPAWN = "systemd src/nspawn/nspawn-container_from_cgroup.c"
LXC = "lxc src/lxc/cgroups/cgfsng.c"
PVE = "pve-container src/PVE/LXC.pm"
NOMAD = "nomad client/lib/cgroupslib/editor.go"
ECS = "amazon-ecs-agent agent/api/task/task_linux.go"
OPEN = "corpus"  # seen in a published kernel log

#: path, owner, source of the form
TABLE = [
    # Kubernetes, systemd driver: Burstable, BestEffort, Guaranteed; a static pod; kubelet in kind, in k3s
    (f"{PODS}/kubepods-burstable-pod{UID_}.slice/cri-containerd-{A}.scope",
     Owner(A, "containerd", UID, f"cri-containerd-{A}.scope"), OPEN),
    (f"/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod{UID_}.slice/crio-{A}.scope",
     Owner(A, "cri-o", UID, f"crio-{A}.scope"), CGMGR),
    (f"/kubepods.slice/kubepods-pod{UID_}.slice/docker-{A}.scope",
     Owner(A, "docker", UID, f"docker-{A}.scope"), "falcosecurity/libs, engine cri: cri-dockerd"),
    (f"{PODS}/kubepods-burstable-pod{STATIC}.slice/cri-containerd-{A}.scope",
     Owner(A, "containerd", STATIC, f"cri-containerd-{A}.scope"), "kubernetes pkg/kubelet/config/common.go"),
    (f"{PODS}/kubepods-burstable-pod{UID_}.slice/crio-{A}.scope/container",
     Owner(A, "cri-o", UID, f"crio-{A}.scope"), "crun: the container's own subgroup"),
    (f"{KIND}/kubelet-kubepods-besteffort-pod{UID_}.slice/cri-containerd-{A}.scope",
     Owner(A, "containerd", UID, f"cri-containerd-{A}.scope"), "cilium Documentation, a kind node seen from inside"),
    (f"/system.slice/docker-{B}.scope{KIND}/kubelet-kubepods-besteffort-pod{UID_}.slice/cri-containerd-{A}.scope",
     Owner(A, "containerd", UID, f"cri-containerd-{A}.scope"), "a kind node seen from its host, systemd driver"),
    (f"/docker/{B}{KIND}/kubelet-kubepods-besteffort-pod{UID_}.slice/cri-containerd-{A}.scope",
     Owner(A, "containerd", UID, f"cri-containerd-{A}.scope"), "a kind node seen from its host, Docker on cgroupfs"),
    (f"/system.slice/k3s.service{PODS}/kubepods-burstable-pod{UID_}.slice/cri-containerd-{A}.scope",
     Owner(A, "containerd", UID, f"cri-containerd-{A}.scope"), "k3s with its kubelet's cgroups below its service"),
    (f"{PODS}/kubepods-burstable-pod{UID}.slice/cri-containerd-{A}.scope/system.slice/cron.service",
     Owner(A, "containerd", UID, "cron.service"), CRI),
    (f"{USER}/user.slice/cri-containerd-{A}.scope",
     Owner(A, "containerd", None, f"cri-containerd-{A}.scope"), "usernetes: kubelet without root"),
    (f"{PODS}/kubepods-burstable-pod{UID_}.slice",
     Owner(None, None, UID, f"kubepods-burstable-pod{UID_}.slice"), KUBELET),
    # Kubernetes, cgroupfs driver: who runs a plain id, the path does not say
    (f"/kubepods/burstable/pod{UID}/{A}", Owner(A, None, UID), OPEN),
    (f"/kubepods/besteffort/pod{UID}/{A}", Owner(A, None, UID), KUBELET),
    (f"/kubepods/pod{UID}/{A}", Owner(A, None, UID), OPEN),
    (f"/kubepods/pod{UID}", Owner(None, None, UID), OPEN),
    (f"/kubepods/burstable/pod{STATIC}/{A}", Owner(A, None, STATIC), "kubernetes pkg/kubelet/config/common.go"),
    (f"/kubepods/burstable/pod{UID}/crio-{A}", Owner(A, "cri-o", UID), CGMGR),
    (f"/docker/{B}/kubepods/burstable/pod{UID}/{A}", Owner(A, None, UID), OPEN),
    (f"/docker/{B}/kubelet/kubepods/besteffort/pod{UID}/{A}",
     Owner(A, None, UID), "kind with --cgroup-root=/kubelet, from its host"),
    (f"/podruntime/docker/kubepods/{A}", Owner(A), "GKE node image with Docker"),
    (f"/../../pod{UID}/{A}", Owner(A, None, UID), "cgroup_namespaces(7): a sibling's path"),
    (f"/../{A}", Owner(A), "cgroup_namespaces(7): a sibling's path"),
    # a path for the systemd driver given to the cgroupfs driver
    (f"/system.slice/containerd.service/kubepods-besteffort-pod{UID_}.slice:cri-containerd:{A}",
     Owner(A, "containerd", UID, "containerd.service"), RUNC),
    (f"/kubepods-pod{UID_}.slice:crio:{A}", Owner(A, "cri-o", UID), RUNC),
    (f"/system.slice:docker:{A}", Owner(A, "docker"), RUNC),
    (f"/user.slice:libpod:{A}", Owner(A, "podman"), RUNC),
    # Docker
    (f"/docker/{A}", Owner(A, "docker"), OPEN),
    (f"/system.slice/docker-{A}.scope", Owner(A, "docker", None, f"docker-{A}.scope"), MOBY),
    (f"{USER}/user.slice/docker-{A}.scope", Owner(A, "docker", None, f"docker-{A}.scope"), "docs: rootless Docker"),
    (f"/docker/{B}/docker/{A}", Owner(A, "docker"), "docker in docker"),
    (f"/system.slice/docker-{B}.scope/docker/{A}",
     Owner(A, "docker", None, f"docker-{B}.scope"), "docker in docker, two drivers"),
    (f"/system.slice/docker-{A}.scope/init", Owner(A, "docker", None, f"docker-{A}.scope"), "dind's entrypoint"),
    (f"/system.slice/docker-{A}.scope/system.slice/nginx.service",
     Owner(A, "docker", None, "nginx.service"), "systemd in a container"),
    (f"/docker/{A}/docker/buildkit/k2vq0x7m4n9c1r8t5w3y6z0ab", Owner(A, "docker"), "buildx's container driver"),
    (f"/batch/{A}", Owner(A), "docker run --cgroup-parent=/batch"),
    (f"/my-docker/{A}", Owner(A), "docker run --cgroup-parent=/my-docker"),
    (f"/{A}", Owner(A), "neuvector share/system/cgroup_test.go: Docker on Debian"),
    (f"/actions_job/{A}", Owner(A, "docker"), "GitHub's hosted runners"),
    (f"/azpl_job/{A}", Owner(A, "docker"), "Azure Pipelines' hosted agents"),
    # containerd without Kubernetes
    (f"/system.slice/nerdctl-{A}.scope", Owner(A, "containerd", None, f"nerdctl-{A}.scope"), "nerdctl docs/config.md"),
    (f"{USER}/user.slice/nerdctl-{A}.scope",
     Owner(A, "containerd", None, f"nerdctl-{A}.scope"), "nerdctl docs/rootless.md"),
    (f"/default/{A}", Owner(A), "containerd oci.WithNamespacedCgroup"),
    (f"/system.slice:nerdctl:{A}", Owner(A, "containerd"), RUNC),
    # podman
    (f"/machine.slice/libpod-{A}.scope", Owner(A, "podman", None, f"libpod-{A}.scope"), LIBPOD),
    (f"/machine.slice/libpod-{A}.scope/container", Owner(A, "podman", None, f"libpod-{A}.scope"), "crun"),
    (f"/machine.slice/machine-libpod_pod_{B}.slice/libpod-{A}.scope",
     Owner(A, "podman", None, f"libpod-{A}.scope"), "podman libpod/runtime_pod_linux.go"),
    (f"{USER}/user.slice/libpod-{A}.scope/container", Owner(A, "podman", None, f"libpod-{A}.scope"), LIBPOD),
    (f"{USER}/user.slice/user-libpod_pod_{B}.slice/libpod-{A}.scope",
     Owner(A, "podman", None, f"libpod-{A}.scope"), "podman libpod/runtime_pod_linux.go"),
    (f"/libpod_parent/libpod-{A}", Owner(A, "podman"), "podman libpod, cgroupfs manager"),
    (f"/libpod_parent/{B}/libpod-{A}", Owner(A, "podman"), "podman libpod/runtime_pod_linux.go, cgroupfs manager"),
    (f"/system.slice/web.service/libpod-payload-{A}",
     Owner(A, "podman", None, "web.service"), "podman-run(1) --cgroups"),
    (f"{USER}/app.slice/redis.service/libpod-payload-{A}",
     Owner(A, "podman", None, "redis.service"), "podman-systemd.unit(5)"),
    (f"/machine.slice/libpod-{A}.scope/container/system.slice/nginx.service",
     Owner(A, "podman", None, "nginx.service"), "podman-run(1) --systemd"),
    # ECS
    (f"/ecs/{UID}/{A}", Owner(A, "docker"), ECS),
    (f"/ecs/{TASK}/{A}", Owner(A, "docker"), ECS),
    (f"/ecstasks.slice/ecstasks-{TASK}.slice/docker-{A}.scope",
     Owner(A, "docker", None, f"docker-{A}.scope"), "amazon-ecs-agent pull 3127"),
    (f"/ecs/{TASK}/{TASK}-1029384756",
     Owner(f"{TASK}-1029384756", "containerd"), "google/cadvisor pull 3923: ECS managed instances"),
    (f"/ecs/{TASK}-102938475", Owner(f"{TASK}-102938475", "containerd"), "DataDog/dd-trace-rb pull 1457: Fargate 1.4"),
    # Nomad
    (f"/nomad.slice/share.slice/{ALLOC}.web.scope", Owner(f"{ALLOC}.web", "nomad"), NOMAD),
    (f"/nomad.slice/reserve.slice/{ALLOC}.a.b c.scope", Owner(f"{ALLOC}.a.b c", "nomad"), NOMAD),
    (f"/nomad.slice/{ALLOC}.web.scope",
     Owner(f"{ALLOC}.web", "nomad"), "nomad client/lib/cgroupslib before partitions"),
    (f"/nomad/{ALLOC}.web", Owner(f"{ALLOC}.web", "nomad"), NOMAD),
    (f"/nomad/{ALLOC}", Owner(ALLOC, "nomad"), "nomad drivers/shared/executor, libcontainer"),
    (f"/nomad.slice/share.slice/docker-{A}.scope",
     Owner(A, "docker", None, f"docker-{A}.scope"), "nomad drivers/docker"),
    # LXC, LXD, Incus, Proxmox
    ("/lxc/web", Owner(None, "lxc", None, None, "web"), LXC),
    ("/lxc.payload/web", Owner(None, "lxc", None, None, "web"), LXC),
    ("/lxc.payload.my_web-1.example", Owner(None, "lxc", None, None, "my_web-1.example"), LXC),
    ("/lxc.payload.web/system.slice/ssh.service", Owner(None, "lxc", None, "ssh.service", "web"), LXC),
    (f"{USER}/app.slice/c1.scope/lxc.payload.c1", Owner(None, "lxc", None, "c1.scope", "c1"), LXC),
    ("/lxc/101/ns/system.slice/web.service", Owner(None, "lxc", None, "web.service", "101"), OPEN),
    ("/lxc/101/ns", Owner(None, "lxc", None, None, "101"), PVE),
    (f"/lxc/101/ns/system.slice/docker-{A}.scope", Owner(A, "docker", None, f"docker-{A}.scope"), PVE),
    ("/lxc/101/ns/lxc/c1", Owner(None, "lxc", None, None, "c1"), PVE),
    ("/qemu.slice/100.scope", Owner(None, None, None, "100.scope"), "qemu-server PVE/QemuServer.pm"),
    # machines of systemd
    ("/machine.slice/systemd-nspawn@web.service/payload/init.scope",
     Owner(None, "systemd-nspawn", None, "init.scope", "web"), NSPAWN),
    (f"/machine.slice/machine-my{X2D}web.scope/payload",
     Owner(None, "systemd-nspawn", None, r"machine-my\x2dweb.scope", "my-web"), NSPAWN),
    (f"/machine.slice/machine-qemu{X2D}1{X2D}vm.scope/libvirt/emulator",
     Owner(None, None, None, r"machine-qemu\x2d1\x2dvm.scope"), "libvirt src/util/vircgroup.c"),
    # systemd
    ("/system.slice/dbus.service", Owner(None, None, None, "dbus.service"), OPEN),
    ("/init.scope", Owner(None, None, None, "init.scope"), UNITS),
    ("/system.slice/system-getty.slice/getty@tty2.service", Owner(None, None, None, "getty@tty2.service"), SYSTEMD),
    (f"/system.slice/system-systemd{X2D}fsck.slice/systemd-fsck@dev-disk-by{X2D}uuid-42.service",
     Owner(None, None, None, r"systemd-fsck@dev-disk-by\x2duuid-42.service"), "systemd-escape(1)"),
    ("/system.slice/a@b@c.service", Owner(None, None, None, "a@b@c.service"), UNITS),
    ("/system.slice/_cpu.service", Owner(None, None, None, "cpu.service"), SYSTEMD),
    ("/system.slice/home.mount", Owner(None, None, None, "home.mount"), UNITS),
    (f"/system.slice/dev-sda{X2D}2.swap", Owner(None, None, None, r"dev-sda\x2d2.swap"), UNITS),
    ("/system.slice/__x.service", Owner(None, None, None, "_x.service"), SYSTEMD),
    ("/system.slice/cups.socket", Owner(None, None, None, "cups.socket"), UNITS),
    ("/system.slice/postgresql.service/worker-7", Owner(None, None, None, "postgresql.service"), "Delegate=yes"),
    ("/user.slice/user-1000.slice/session-4.scope", Owner(None, None, None, "session-4.scope"), OPEN),
    ("/user.slice/user-0.slice/user@0.service/init.scope", Owner(None, None, None, "init.scope"), OPEN),
    (f"{USER}/app.slice/run-u12.service", Owner(None, None, None, "run-u12.service"), OPEN),
    (f"{USER}/app.slice/app-gnome-firefox-2110.scope", Owner(None, None, None, "app-gnome-firefox-2110.scope"), UNITS),
    (f"{USER}/app.slice", Owner(None, None, None, "user@1000.service"), UNITS),
    ("/user.slice/user-1000.slice", Owner(None, None, None, "user-1000.slice"), "systemd.slice(5)"),
    # beside a container, not in it
    (f"{PODS}/kubepods-burstable-pod{UID_}.slice/crio-conmon-{A}.scope",
     Owner(None, None, UID, f"crio-conmon-{A}.scope"), CGMGR),
    (f"/machine.slice/libpod-conmon-{A}.scope", Owner(None, None, None, f"libpod-conmon-{A}.scope"), LIBPOD),
    ("/system.slice/web.service/runtime", Owner(None, None, None, "web.service"), "podman-run(1) --cgroups: conmon"),
    ("/machine.slice/systemd-nspawn@web.service/supervisor",
     Owner(None, None, None, "systemd-nspawn@web.service"), NSPAWN),
    ("/system.slice/system.slice:docker:k2vq0x7m4n9c1r8t5w3y6z0ab",
     Owner(None, None, None, "system.slice"), "moby builder-next: a build step"),
    (f"/machine.slice/machine-libpod_pod_{A}.slice",
     Owner(None, None, None, f"machine-libpod_pod_{A}.slice"), "podman libpod/runtime_pod_linux.go: a pod"),
]  # fmt: skip

NOTHING = [
    "",
    "/",
    "//",
    "/..",
    "in",
    "/foo",
    "/c",
    "/h2x/task_memcg=",
    "/podruntime/kubelet",  # Talos
    "/system/runtime",  # Talos
    "/kubepods",
    "/kubepods/burstable",
    f"/docker/{A[:12]}",
    f"/docker/{A[:63]}",
    f"/docker/{A}0",
    f"/docker/{A.upper()}",
    f"/docker/x{A}",
    f"/docker/{A}\n",
    f"/docker/{A[:63]}\N{ARABIC-INDIC DIGIT ONE}",
    "/docker/k2vq0x7m4n9c1r8t5w3y6z0ab",  # a build step of dockerd
    f"/docker-{A}",
    f"/x-docker-{A}.scope.d",
    f"/docker-{A}.scope.x",
    f"/a docker-{A}.scope b",
    f"/docker-{A}.scopes",
    f"/cri-containerd-{A}",
    f"/:docker:{A}",
    *(f"/.slice:{prefix}:{A}" for prefix in ("docker", "cri-containerd", "crio", "libpod")),
    f"/x.slice:rkt:{A}",
    f"/libpod_parent/{A}",  # podman's pod
    "/libpod_parent/conmon",
    f"/crio-conmon-{A}",
    "/ecs",
    f"/ecs/{TASK}",
    f"/{TASK}-1029384756",
    f"/ecs/{TASK}/x/{TASK}-1",
    f"/{ALLOC}",
    f"/{ALLOC}.web",
    "/nomad/web",
    f"/x-nomad/{ALLOC}.web",
    "/lxc",
    "/lxc.payload",
    "/lxc.payload.",
    "/lxc/.hidden",
    r"/lxc/\xff",
    "/lxc.monitor.web",
    "/lxc.monitor/101",
    "/xlxc/web",
    f"/pod{UID}",
    f"pod{UID}/kubepods",
    f"/burstable-pod{UID}",
    f"/kubepods/burstable/pod{UID}x",
    f"/kubepods/burstable/xpod{UID}",
    f"/kubepods/burstable/pod{UID[:-1]}",
    f"/kubepods/burstable/pod{UID.upper()}",
    f"/kubepods/burstable/{UID}",
    f"/kubepods-burstable-pod{UID_}",
    f"/kubepods-burstable-pod{UID_}.slice x",
    f"/kubepods-burstable-pod{UID_}.slice:",
    "/.service",
    "/_.service",
    "/getty@.service",
    "/@x.service",
    "/a b.service",
    "/a,task=x,pid=1,uid=0.service",
    r"/\xff.service",
    r"/\x0a.service",
    "/é.service",
    "/x.service\n",
    "/x.services",
    "/x.service.d",
    "/x.target",  # no process lives in one
    f"/docker/{A}/" + "x" * (container_from_cgroup.MAX_NAME_CHARS + 1),
    f"/docker/{A}" + "/x" * (container_from_cgroup.MAX_PATH_CHARS // 2),
]


@pytest.mark.parametrize(("path", "expected", "source"), TABLE)
def test_every_form_gives_its_owner(path: str, expected: Owner, source: str) -> None:
    assert expected == container_from_cgroup.owner(path), source


@pytest.mark.parametrize("path", NOTHING)
def test_other_paths_have_no_owner(path: str) -> None:
    assert Owner() == container_from_cgroup.owner(path)


@pytest.mark.parametrize("dropped", container_from_cgroup._FORMS, ids=lambda form: form.name.pattern)
def test_every_form_is_needed(dropped: container_from_cgroup._Form, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        container_from_cgroup, "_FORMS", tuple(form for form in container_from_cgroup._FORMS if form is not dropped)
    )
    assert [path for path, expected, _ in TABLE if expected != container_from_cgroup.owner(path)]


def test_a_path_is_read_with_the_escapes_of_the_kernel_log() -> None:
    escaped = text_escapes.escape(rb"/system.slice/system-my\x2dapp.slice/my\x2dapp@1.service")
    assert Owner(unit=r"my\x2dapp@1.service") == container_from_cgroup.owner(text_escapes.printable(escaped))
    assert Owner() == container_from_cgroup.owner(text_escapes.printable(text_escapes.escape(b"/\x5c\xff.service")))


NAMES = st.sampled_from(
    [name for path, _, _ in TABLE for name in path.split("/")]
    + ["payload", "docker", "lxc", "ecs", "nomad", "kubepods", "x", "..", "", r"\x5c", "\n", "\ud800", "\x00"]
)
PATHS = st.text() | st.lists(NAMES | st.text(max_size=20), max_size=9).map("/".join)


@steady
@given(PATHS)
def test_no_text_raises_or_gives_a_longer_value(path: str) -> None:
    found = container_from_cgroup.owner(path)
    for fact in (found.container_id, found.container_name, found.runtime, found.pod_uid, found.unit):
        assert fact is None or 0 < len(fact) <= container_from_cgroup.MAX_NAME_CHARS
    assert None in {found.container_id, found.container_name}, "of one cgroup"
    assert found.container_id or found.container_name or found.runtime is None


@steady
@given(PATHS, st.sampled_from(TABLE))
def test_the_innermost_name_wins(outer: str, row: tuple[str, Owner, str]) -> None:
    path, expected, _ = row
    found = container_from_cgroup.owner(f"{outer}/x/x{path}")
    for fact in ("container_id", "container_name", "pod_uid", "unit"):
        said = getattr(expected, fact)
        if said is not None and not (fact == "unit" and said.endswith(".slice")):
            assert said == getattr(found, fact)
    if expected.container_id or expected.container_name:
        assert expected.runtime == found.runtime


@steady
@given(st.sampled_from(TABLE), st.sampled_from(["x", "leaf", "k2vq0x7m4n9c1r8t5w3y6z0ab", r"\xff", "1"]))
def test_a_cgroup_without_a_known_form_below_changes_nothing(row: tuple[str, Owner, str], leaf: str) -> None:
    path, expected, _ = row
    if not path.endswith(("/payload", "/lxc", "/lxc.payload", "/ns")):
        assert expected == container_from_cgroup.owner(f"{path}/{leaf}")


def cpu_seconds(path: str) -> float:
    """The shortest of three runs: the load of the machine does not matter."""
    spent = []
    for _ in range(3):
        start = time.process_time()
        container_from_cgroup.owner(path)
        spent.append(time.process_time() - start)
    return min(spent)


@pytest.mark.parametrize(
    "unit",
    [
        "/",
        "/x",
        "/lxc",
        "/docker",
        "/a.slice",
        f"/docker/{A[:63]}",
        f"/{ALLOC}.",
        "/" + "kubepods-" * 113,
        "/" + "kubepods-pod" * 84,
        "/" + "a@" * 500,
        "/" + r"\x5c" * 250,
        "/" + ".service" * 120 + "x",
        "/" + ".slice:docker" * 70,
        "/machine-" + r"\x5cx2d" * 140,
        "/lxc.payload." + "a." * 500 + "/lxc.payload",
    ],
)
def test_time_is_linear_for_every_path(unit: str) -> None:
    longest = (unit * container_from_cgroup.MAX_PATH_CHARS)[: container_from_cgroup.MAX_PATH_CHARS]
    assert cpu_seconds(longest) < 0.25  # 16 KiB; a real path takes microseconds
    assert cpu_seconds(unit * 2_000_000 if len(unit) == 1 else longest * 100) < 0.05  # too long: not read


CONTAINER = re.compile(r"(?:task_memcg=|oom_memcg=|Task in |limit of )(/[^,\s]*[0-9a-f]{64}[^,\s/]*)")


def test_every_container_in_published_logs_has_an_id() -> None:
    logs = [path.read_text(errors="replace") for path in (corpus.CORPUS / "reports").glob("*.txt")]
    if not logs:
        missing("plain", "no corpus beside the repository")
    paths = {path for log in logs for path in CONTAINER.findall(log)}
    assert paths
    assert {path: re.findall(r"[0-9a-f]{64}", path)[-1] for path in paths} == {
        path: container_from_cgroup.owner(path).container_id for path in paths
    }
