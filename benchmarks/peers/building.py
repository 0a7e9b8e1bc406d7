"""The programs of the peers: Go programs of our own around the peers' code, built once and cached outside the checkout.

What is cached is known by the hash of what it is built from. `Peers` needs Go and, the first time, the network.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

HERE: Final = Path(__file__).resolve().parent
_NPD: Final = "k8s.io/node-problem-detector"
_RULES: Final = Path("config", "kernel-monitor.json")
_RUN_S: Final = 120


class NoPeersError(Exception):
    """The peers cannot be built here; the text says why and what would help."""


@dataclass(frozen=True, slots=True)
class Peers:
    """Where the built programs are, with the rules that node-problem-detector ships."""

    directory: Path

    @staticmethod
    def built() -> Peers:
        """The cached programs, or newly built ones. Raises NoPeersError."""
        target = _cache()
        if not target.exists():
            _build(target)
        return Peers(target)

    def cadvisor(self, captures: Sequence[Path]) -> list[dict[str, Any]]:
        """file, sequence, pid, comm and cgroup of each kill that cAdvisor's oomparser sees."""
        return self._run("cadvisor", *captures)

    def npd(self, captures: Sequence[Path]) -> list[dict[str, Any]]:
        """file, sequence and message of each OOMKilling event of node-problem-detector."""
        return self._run("npd", self.directory / _RULES.name, *captures)

    def _run(self, program: str, *arguments: Path) -> list[dict[str, Any]]:
        command = [str(self.directory / program), *map(str, arguments)]
        done = subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE, timeout=_RUN_S)  # noqa: S603
        return [json.loads(line) for line in done.stdout.splitlines()]


def versions() -> dict[str, str]:
    """Module to version, as go.mod pins them."""
    columns = [line.split() for line in (HERE / "go.mod").read_text().splitlines()]
    return {line[0]: line[1] for line in columns if len(line) >= 2 and line[1].startswith("v")}


def _cache() -> Path:
    sources = [HERE / "go.mod", HERE / "go.sum", *sorted(HERE.glob("*/*.go"))]
    digest = hashlib.sha256()
    for source in sources:
        digest.update(source.relative_to(HERE).as_posix().encode() + b"\0" + source.read_bytes() + b"\0")
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return home / "otel-oom" / f"peers-{digest.hexdigest()[:12]}"


def _build(target: Path) -> None:
    # /usr/local/go is where Go's own installation guide unpacks it, without putting it on PATH.
    go = shutil.which("go") or shutil.which("/usr/local/go/bin/go")
    if go is None:
        raise NoPeersError("the peers are Go programs: install Go (https://go.dev/dl) to build them")
    sys.stderr.write(f"building the peers into {target}, once: half a minute\n")
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as directory:
        _go(go, "build", "-trimpath", "-o", f"{directory}/built/", "./cadvisor", "./npd", "./kmsgparser")
        module = _go(go, "list", "-m", "-f", "{{.Dir}}", _NPD).strip()
        built = Path(directory, "built")
        shutil.copyfile(Path(module) / _RULES, built / _RULES.name)
        # Whoever finds the name finds whole programs, also when two build at once.
        if not target.exists():
            built.rename(target)


def _go(go: str, *arguments: str) -> str:
    done = subprocess.run([go, *arguments], check=False, cwd=HERE, text=True, capture_output=True)  # noqa: S603
    if done.returncode != 0:
        raise NoPeersError(f"go {arguments[0]} failed: {done.stderr.strip()[-2000:]}")
    return done.stdout
