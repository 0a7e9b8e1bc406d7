"""The disk of the guests: busybox, this machine's Python, and the built wheel with all that it depends on.

It is read-only, so that guests can share it. It is a disk and not an initramfs, so that the kernel can drop its pages
when memory is short, as on any machine.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import sysconfig
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Final

from support import build_cache, real_kills
from vm.kernels import GUEST, tool

ROOT: Final = Path(__file__).resolve().parents[2]
STDLIB: Final = Path(sysconfig.get_path("stdlib"))
PYTHON: Final = f"python{sys.version_info.major}.{sys.version_info.minor}"
LEFT_OUT: Final = (
    *("test", "tests", "idlelib", "tkinter", "turtledemo", "lib2to3", "ensurepip", "pydoc_data", "site-packages"),
    *("__pycache__", "config-*", "*.a"),
)
_SPARE_BYTES: Final = 16 << 20


@cache
def disk() -> Path:
    """The image, built again when the package or a part of the image has changed."""
    package = sorted((ROOT / "otel_oom").rglob("*"))
    sources = [file.read_bytes() for file in package if file.is_file() and file.suffix != ".pyc"]
    recipe = [file.read_bytes() for file in (*sorted(GUEST.iterdir()), Path(__file__), real_kills.OOMER_SOURCE)]
    place = build_cache.place("guest", *sources, (ROOT / "pyproject.toml").read_bytes(), *recipe, str(_python()))
    return build_cache.made(place, _make) / "disk"


@cache
def _python() -> Path:
    """A tree with Python and the dependencies, compiled: an emulated processor would need seconds for that."""
    requirements = [one for one in metadata.requires("otel-oom") or () if "extra ==" not in one]
    versions = [f"{one.name} {one.version}" for one in metadata.distributions()]
    place = build_cache.place(
        "guest-python", sys.version, *requirements, *sorted(versions), Path(__file__).read_bytes()
    )
    return build_cache.made(place, lambda fresh: _gather(fresh, requirements))


def _gather(tree: Path, requirements: list[str]) -> None:
    library = tree / "usr" / "lib" / PYTHON
    shutil.copytree(STDLIB, library, ignore=shutil.ignore_patterns(*LEFT_OUT), symlinks=True)
    site = library / "site-packages"
    _pip("install", "--no-compile", "--target", site, *requirements)
    shutil.rmtree(site / "bin")
    program = tree / "usr" / "bin" / PYTHON
    program.parent.mkdir()
    shutil.copy(Path(sys.executable).resolve(), program)
    (program.parent / "python3").symlink_to(PYTHON)
    _add_libraries(tree, [program, *library.rglob("*.so")])
    _compile(library)


def _add_libraries(tree: Path, programs: list[Path]) -> None:
    """Copy the shared libraries that these programs need to where the loader looks first."""
    said = subprocess.run(["ldd", *map(str, programs)], capture_output=True, text=True, check=False).stdout
    for library in set(re.findall(r"(?:=>|^)\s+(/\S+) \(0x", said, re.MULTILINE)):
        target = tree / ("lib64" if "ld-linux" in library else "lib") / Path(library).name
        target.parent.mkdir(exist_ok=True)
        shutil.copy(library, target)


def _compile(directory: Path) -> None:
    how = ("-q", "-j", "2", "--invalidation-mode", "unchecked-hash")
    subprocess.run(
        [sys.executable, "-m", "compileall", *how, str(directory)], check=False, stdout=subprocess.DEVNULL
    )  # some files of dependencies are templates


def _make(target: Path) -> None:
    tree = target / "tree"
    shutil.copytree(_python(), tree, symlinks=True, copy_function=_link)
    site = tree / "usr" / "lib" / PYTHON / "site-packages"
    _pip("wheel", "--no-deps", "--wheel-dir", target, ROOT)
    (wheel,) = target.glob("*.whl")
    _pip("install", "--no-compile", "--no-deps", "--target", site, wheel)
    _compile(site / "otel_oom")
    for place in ("bin", "sbin", "dev", "proc", "sys", "run", "tmp", "var", "etc"):
        (tree / place).mkdir(exist_ok=True)
    busybox = tree / "bin" / "busybox"
    shutil.copy(tool("busybox"), busybox)
    for name in subprocess.run([busybox, "--list"], capture_output=True, text=True, check=True).stdout.split():
        if not (tree / "bin" / name).exists():
            (tree / "bin" / name).symlink_to("busybox")
    for script in ("init", "answer"):
        shutil.copy(GUEST / script, tree / "sbin" / script)
        (tree / "sbin" / script).chmod(0o755)
    shutil.copy(GUEST / "records.py", tree / "sbin" / "records.py")
    (tree / "etc" / "machine-id").write_text(f"{'0123456789abcdef' * 2}\n")
    (tree / "etc" / "hosts").write_text("127.0.0.1 localhost guest\n")
    subprocess.run(["cc", "-O1", "-static", "-o", tree / "bin" / "oomer", real_kills.OOMER_SOURCE], check=True)
    filesystem(target / "disk", tree)
    shutil.rmtree(tree)


def _pip(*arguments: str | Path) -> None:
    subprocess.run([sys.executable, "-m", "pip", "-q", "--disable-pip-version-check", *arguments], check=True)


def _link(source: str, target: str) -> None:
    Path(target).hardlink_to(source)


def filesystem(image: Path, tree: Path | None = None, size_bytes: int = 0) -> None:
    """Make an ext4 image with the files of a tree, or an empty one of this size."""
    if tree is not None:
        blocks = sum((file.lstat().st_size + 4095) // 4096 + 1 for file in tree.rglob("*"))
        size_bytes = blocks * 4096 * 11 // 10 + _SPARE_BYTES
    options: list[str | Path] = ["-d", tree] if tree else []
    with image.open("wb") as file:
        file.truncate(size_bytes)
    subprocess.run([tool("mkfs.ext4"), "-q", "-F", *options, image], check=True)
