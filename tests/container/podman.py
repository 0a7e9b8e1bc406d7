"""Podman and buildah on a storage of the tests: no image, container or volume of the machine is touched.

What some machines need, and all accept:
- runc: crun 1.8 refuses a hybrid of both cgroup versions.
- Limits of open files and processes: a root without CAP_SYS_RESOURCE cannot raise them to podman's defaults.
- The cgroupfs manager, and no health check timers: there may be no systemd.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, final

from container import base_image
from support import build_cache, canary
from support.levels import missing

ROOT: Final = Path(__file__).resolve().parents[2]
PROGRAMS: Final = ("buildah", "mmdebstrap", "podman", "runc")
LIMITS: Final = ("--ulimit=nofile=512:512", "--ulimit=nproc=1024:1024")
EPOCH: Final = 1_700_000_000
_TIMEOUT_S: Final = 840.0


@final
@dataclass(frozen=True)
class Podman:
    """storage: images stay there between runs of the tests; state: what runs now, removed after the tests"""

    storage: Path
    state: Path
    driver: str
    _own: list[str] = field(default_factory=list)

    def __call__(self, *arguments: str | Path, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run podman."""
        options = ("--cgroup-manager=cgroupfs", "--runtime=runc", "--events-backend=file", f"--tmpdir={self.state}/tmp")
        return self._run(("podman", *self._places, *options, *arguments), check=check)

    def run(self, *arguments: str | Path, name: str = "", check: bool = True) -> str:
        """`podman run --detach` with limits that this machine can set. Returns the container's id."""
        name = name or f"otel-oom-test-{uuid.uuid4().hex[:8]}"
        self._own.append(name)
        done = self("run", "--detach", f"--name={name}", "--no-healthcheck", *LIMITS, *arguments, check=check)
        return done.stdout.strip()

    def image(self, name: str) -> dict[str, Any]:
        """What podman itself says about an image."""
        (found,) = json.loads(self("image", "inspect", name).stdout)
        return dict(found)

    def id_of(self, container: str) -> str:
        """The id that podman itself says. The whole answer would have the agent's variables, and their secret."""
        return self("container", "inspect", "--format={{.Id}}", container).stdout.strip()

    def state_of(self, container: str) -> dict[str, Any]:
        """`State` of a container: ExitCode, Pid, Running and others."""
        return dict(json.loads(self("container", "inspect", "--format={{json .State}}", container).stdout))

    def logs(self, container: str) -> str:
        """What a container wrote to stdout and stderr."""
        done = self("logs", container)
        text = done.stdout + done.stderr
        canary.look_at(text, "the log lines of an agent in a container")
        return text

    def build(self, tag: str, *options: str) -> None:
        """Build the Containerfile as it is. Nothing is pulled."""
        if self("image", "exists", base_image.name(), check=False).returncode:
            self._import_base()
        trust = [Path("/etc/ssl/certs"), Path("/etc/pip.conf")]  # this machine's own way to pip's index
        volumes = [f"--volume={path}:{path}:ro" for path in trust if path.exists()]
        where = f"--file={base_image.CONTAINERFILE}"
        how = ("--pull-never", "--network=host", "--isolation=chroot", "--format=docker", f"--timestamp={EPOCH}")
        self._buildah("build", *how, *volumes, *options, where, f"--tag={tag}", ROOT)

    def oci_digest(self, tag: str) -> str:
        """The digest of an image in the OCI format, as a push would give it to a registry.

        In Docker's format, Buildah 1.28 adds the random name of the container that it built in.
        """
        with tempfile.TemporaryDirectory() as directory:
            self("push", "--format=oci", tag, f"dir:{directory}")
            return hashlib.sha256(Path(directory, "manifest.json").read_bytes()).hexdigest()

    def remove_own(self) -> None:
        """Remove the containers of these tests."""
        for name in self._own:
            self("rm", "--force", "--ignore", "--volumes", "--time=0", name, check=False)
        self._own.clear()

    def _import_base(self) -> None:
        container = self._buildah("from", "scratch").strip()
        self._buildah("add", container, base_image.root_file_system(), "/")
        self._buildah("commit", "--rm", "--timestamp=0", container, base_image.name())

    def _buildah(self, *arguments: str | Path) -> str:
        return self._run(("buildah", *self._places, *arguments), check=True).stdout

    @property
    def _places(self) -> tuple[str, ...]:
        return (f"--root={self.storage}", f"--runroot={self.state}/run", f"--storage-driver={self.driver}")

    def _run(self, command: tuple[str | Path, ...], *, check: bool) -> subprocess.CompletedProcess[str]:
        # Without the variables of this machine: a build must not depend on them.
        clean = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
        done = subprocess.run(command, env=clean, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False)
        if check:
            assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        return done


def on_this_machine() -> Podman:
    """Podman, if the tests can use it here. Else they are skipped."""
    if os.geteuid() != 0:
        missing("container", "not root")
    absent = [name for name in PROGRAMS if shutil.which(name) is None]
    if absent:
        missing("container", f"not installed: {' '.join(absent)}")
    # Images of another base, or of another Containerfile, are removed with the storage in which they are.
    storage = build_cache.made(
        build_cache.place("container-storage", base_image.CONTAINERFILE.read_bytes()), lambda _: None
    )
    kind = subprocess.run(
        ["stat", "--file-system", "--format=%T", storage], check=True, capture_output=True, text=True
    ).stdout.strip()
    # A storage remembers this place. Podman refuses one of more than 50 characters.
    state = Path(f"/run/otel-oom-{storage.name.rpartition('-')[2]}")
    return Podman(storage, state, "vfs" if kind == "overlayfs" else "overlay")  # no overlay on an overlay
