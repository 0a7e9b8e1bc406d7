"""Builds the packages: `python deploy/packages/build.py OUT [deb|rpm …]`. `make packages` calls it.

Rules:
- Everything is locked: the dependencies by deploy/requirements.lock, the build of the wheel by deploy/build.lock.
- Two builds of one commit are identical: all times are SOURCE_DATE_EPOCH, or the time of the commit.
- The environment belongs to one minor version of Python, the one that the packages depend on. This program must run
  with it, because the compiled files belong to it too.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from datetime import datetime, timezone
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).resolve().parent
ROOT: Final = HERE.parents[1]
sys.path[:0] = [str(HERE), str(ROOT)]

import shtab  # noqa: E402
from environment_file import environment_file  # noqa: E402
from manual import manual  # noqa: E402

from otel_oom import __version__  # noqa: E402
from otel_oom.cli import arguments  # noqa: E402

PYTHON: Final = (3, 11)
HOME: Final = Path("/usr/lib/otel-oom")
NFPM: Final = "github.com/goreleaser/nfpm/v2/cmd/nfpm@v2.45.2"
_PLATFORMS: Final = ("manylinux_2_17_x86_64", "manylinux2014_x86_64", "manylinux1_x86_64", "manylinux_2_5_x86_64")
_START: Final = f"#!{HOME}/bin/python -I\nimport sys\n\nfrom otel_oom.__main__ import main\n\nsys.exit(main())\n"


def main() -> None:
    """Build the kinds that are named, or all of them."""
    if sys.version_info[:2] != PYTHON:
        sys.exit(f"build.py: needs Python {PYTHON[0]}.{PYTHON[1]}, which the packages depend on; this is {sys.version}")
    out, kinds = Path(sys.argv[1]).resolve(), sys.argv[2:] or ["deb", "rpm"]
    out.mkdir(parents=True, exist_ok=True)
    epoch_s = _epoch_s()
    os.environ["SOURCE_DATE_EPOCH"] = str(epoch_s)
    os.umask(0o022)
    with tempfile.TemporaryDirectory() as directory:
        work = Path(directory)
        wheel = _build_wheel(work)
        _gather(wheel, work / "stage", epoch_s)
        for kind in kinds:
            _pack(kind, work / "stage", out, epoch_s)


def _epoch_s() -> int:
    if given := os.environ.get("SOURCE_DATE_EPOCH"):
        return int(given)
    return int(_run("git", "-C", ROOT, "log", "-1", "--format=%ct"))


def _build_wheel(work: Path) -> Path:
    _pip("install", "--target", work / "builder", "--require-hashes", "-r", ROOT / "deploy" / "build.lock")
    path = {"PYTHONPATH": str(work / "builder")}
    _pip("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", work, ROOT, **path)
    (wheel,) = work.glob("*.whl")
    return wheel


def _gather(wheel: Path, stage: Path, epoch_s: int) -> None:
    """Make the tree of files that a package installs."""
    home = stage / HOME.relative_to("/")
    name = f"python{PYTHON[0]}.{PYTHON[1]}"
    site = home / "lib" / name / "site-packages"
    platforms = [word for platform in _PLATFORMS for word in ("--platform", platform)]
    locked = ("--require-hashes", "-r", ROOT / "deploy" / "requirements.lock")
    _pip("install", "--no-compile", "--only-binary=:all:", *platforms, "--target", site, *locked)
    shutil.rmtree(site / "bin", ignore_errors=True)
    zipfile.ZipFile(wheel).extractall(site)
    _run(
        sys.executable, "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash", "-s", stage, "-p", "/", site
    )
    (home / "pyvenv.cfg").write_text("home = /usr/bin\ninclude-system-site-packages = false\n")
    programs = home / "bin"
    programs.mkdir()
    (programs / "python").symlink_to(f"/usr/bin/{name}")
    _write(programs / "otel-oom", _START, mode=0o755)
    usr = stage / "usr"
    (usr / "bin").mkdir()
    (usr / "bin" / "otel-oom").symlink_to("../lib/otel-oom/bin/otel-oom")
    _write(usr / "lib" / "systemd" / "system" / "otel-oom.service", _deployed("systemd/otel-oom.service"))
    documents = usr / "share" / "doc" / "otel-oom"
    _write(documents / "examples" / "victim-facts.conf", _deployed("systemd/victim-facts.conf"))
    _write(documents / "copyright", _copyright())
    _write_compressed(documents / "changelog.gz", (ROOT / "CHANGELOG.md").read_bytes())
    _write_compressed(usr / "share" / "man" / "man1" / "otel-oom.1.gz", manual(epoch_s).encode())
    _write(usr / "share" / "bash-completion" / "completions" / "otel-oom", shtab.complete(arguments.parser(), "bash"))
    _write(usr / "share" / "zsh" / "vendor-completions" / "_otel-oom", shtab.complete(arguments.parser(), "zsh"))
    _write(stage / "etc" / "otel-oom" / "otel-oom.env", environment_file(), mode=0o600)


def _copyright() -> str:
    licence = "\n".join(f" {line}" if line.strip() else " ." for line in (ROOT / "LICENSE").read_text().splitlines())
    head = "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\nUpstream-Name: otel-oom\n"
    return f"{head}\nFiles: *\nCopyright: The otel-oom authors\nLicense: Apache-2.0\n{licence}\n"


def _deployed(path: str) -> str:
    return (ROOT / "deploy" / path).read_text()


def _write(path: Path, text: str, *, mode: int = 0o644) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)


def _write_compressed(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(["gzip", "-9n"], input=content, capture_output=True, check=True)
    path.write_bytes(done.stdout)


def _pack(kind: str, stage: Path, out: Path, epoch_s: int) -> None:
    for path in sorted(stage.rglob("*"), reverse=True):
        os.utime(path, (epoch_s, epoch_s), follow_symlinks=False)
    moment = datetime.fromtimestamp(epoch_s, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    values = {"STAGE": str(stage), "VERSION": __version__, "MTIME": moment, "HERE": str(HERE)}
    recipe = (HERE / "nfpm.yaml").read_text()
    for name, value in values.items():
        recipe = recipe.replace(f"${{{name}}}", value)
    (stage.parent / "nfpm.yaml").write_text(recipe)
    _run(_nfpm(), "package", "--config", stage.parent / "nfpm.yaml", "--packager", kind, "--target", out)


def _nfpm() -> Path:
    """nfpm, built once, outside of the checkout."""
    if found := shutil.which("nfpm"):
        return Path(found)
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "otel-oom" / NFPM.rpartition("/")[2]
    if not (home / "nfpm").exists():
        _run("go", "install", NFPM, GOBIN=str(home))
    return home / "nfpm"


def _pip(*arguments: str | Path, **variables: str) -> None:
    _run(sys.executable, "-m", "pip", "-q", "--disable-pip-version-check", *arguments, **variables)


def _run(*command: str | Path, **variables: str) -> str:
    done = subprocess.run(command, env={**os.environ, **variables}, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        sys.exit(f"build.py: {' '.join(map(str, command))} ended with {done.returncode}")
    return done.stdout.strip()


if __name__ == "__main__":
    main()
