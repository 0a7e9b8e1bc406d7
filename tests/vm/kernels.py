"""The kernels of the guests: Debian's cloud images, downloaded by apt and unpacked, but not installed."""

from __future__ import annotations

import lzma
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from support import build_cache
from support.levels import missing

GUEST: Final = Path(__file__).resolve().parent / "guest"

#: kernel -> the package that depends on the newest of its kind
PACKAGES: Final = {"6.1": "linux-image-cloud-amd64", "6.12": "linux-image-6.12-cloud-amd64"}

#: in the order in which they are loaded; a module that is built into a kernel has no file
MODULES: Final = (
    *("virtio_ring", "virtio", "virtio_pci_legacy_dev", "virtio_pci_modern_dev", "virtio_pci"),
    *("failover", "net_failover", "virtio_net", "virtio_blk"),
)


@dataclass(frozen=True)
class Kernel:
    """A kernel that QEMU can boot."""

    name: str
    image: Path
    initramfs: Path


@cache
def kernel(name: str) -> Kernel:
    """A kernel by its name in PACKAGES."""
    package, version = _newest(PACKAGES[name])
    early_init, busybox = (GUEST / "early-init").read_bytes(), tool("busybox").read_bytes()
    place = build_cache.place(f"kernel-{name}", package, version, early_init, busybox)
    directory = build_cache.made(place, lambda fresh: _fetch(package, fresh))
    return Kernel(name, directory / "vmlinuz", directory / "initramfs")


def tool(name: str) -> Path:
    """The path of a program of this machine. Without it, the test is skipped."""
    found = shutil.which(name)
    if found is None:
        missing("vm", f"no {name} (Debian 12: apt-get install qemu-system-x86 busybox-static cpio e2fsprogs)")
    return Path(found)


def _newest(package: str) -> tuple[str, str]:
    said = subprocess.run([tool("apt-cache"), "show", package], capture_output=True, text=True, check=False).stdout
    found = re.search(r"^Depends: (linux-image-\S+) \(= (\S+)\)", said, re.MULTILINE)
    if found is None:
        missing("vm", f"apt does not know {package} (Debian 12; apt-get update)")
    return found[1], found[2]


def _fetch(package: str, target: Path) -> None:
    with tempfile.TemporaryDirectory() as directory:
        work = Path(directory)
        work.chmod(0o777)  # apt downloads as the user _apt
        download: list[str | Path] = [tool("apt-get"), "download", "-q", package]
        done = subprocess.run(download, cwd=work, check=False, capture_output=True, text=True)
        if done.returncode != 0:
            missing("vm", f"apt-get download {package} failed; after apt-get update? {done.stderr.strip()[-500:]}")
        (archive,) = work.glob("*.deb")
        subprocess.run(["dpkg-deb", "-x", archive, work / "unpacked"], check=True)
        (image,) = (work / "unpacked" / "boot").glob("vmlinuz-*")
        shutil.copy(image, target / "vmlinuz")
        _pack(work / "unpacked", work / "initramfs", target / "initramfs")


def _pack(unpacked: Path, tree: Path, target: Path) -> None:
    """Make an uncompressed initramfs: an emulated processor unpacks slower than a disk reads."""
    modules = tree / "modules"
    modules.mkdir(parents=True)
    order = []
    for name in MODULES:
        for file in unpacked.glob(f"lib/modules/*/kernel/**/{name}.ko*"):
            raw = file.read_bytes()
            (modules / f"{name}.ko").write_bytes(lzma.decompress(raw) if file.suffix == ".xz" else raw)
            order.append(f"{name}.ko")
    (modules / "order").write_text("\n".join(order))
    (tree / "bin").mkdir()
    shutil.copy(tool("busybox"), tree / "bin" / "busybox")
    shutil.copy(GUEST / "early-init", tree / "init")
    (tree / "init").chmod(0o755)
    files = "\n".join(str(file.relative_to(tree)) for file in sorted(tree.rglob("*")))
    with target.open("wb") as out:
        subprocess.run(
            [tool("cpio"), "--quiet", "-o", "-H", "newc"], cwd=tree, input=files.encode(), stdout=out, check=True
        )
