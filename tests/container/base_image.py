"""The base image of the Containerfile, made of Debian's packages: no test asks a registry.

mmdebstrap makes the root file system once. It is cached outside the checkout. The Containerfile's base has Python in
/usr/local/bin, so a link is there.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Final

from support import build_cache

CONTAINERFILE: Final = Path(__file__).resolve().parents[2] / "deploy" / "container" / "Containerfile"
_COMMAND: Final = (
    *("mmdebstrap", "--quiet", "--variant=minbase", "--include=python3-minimal,python3-venv,ca-certificates"),
    "--aptopt=APT::Install-Recommends false",
    *(f"--dpkgopt=path-exclude=/usr/share/{one}/*" for one in ("doc", "man", "locale")),
    '--customize-hook=ln -s /usr/bin/python3 "$1/usr/local/bin/python3"',
    "bookworm",
)


def name() -> str:
    """The name that the Containerfile gives to its base."""
    found = re.search(r"^ARG BASE=(\S+)$", CONTAINERFILE.read_text(), re.MULTILINE)
    assert found
    return found[1]


def root_file_system() -> Path:
    """The tar archive of the base. Raises: CalledProcessError, with apt's own words."""
    return build_cache.made(build_cache.place("container-base", repr(_COMMAND)), _make) / "root.tar"


def _make(directory: Path) -> None:
    command = [*_COMMAND, str(directory / "root.tar")]
    done = subprocess.run(command, env=_ENVIRONMENT, check=False, capture_output=True, text=True, timeout=600)
    if done.returncode:
        raise subprocess.CalledProcessError(done.returncode, command, done.stdout, done.stderr)


# The files of the packages keep their own times; those that mmdebstrap makes get this one.
_ENVIRONMENT: Final = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "SOURCE_DATE_EPOCH": "1700000000", "LC_ALL": "C.UTF-8"}
