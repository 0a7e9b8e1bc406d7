"""The packages of this checkout, built once for each content of it."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
from functools import cache
from pathlib import Path
from typing import Final

from support import build_cache
from support.agents import environment
from support.levels import missing

ROOT: Final = Path(__file__).resolve().parents[2]
BUILD: Final = ROOT / "deploy" / "packages" / "build.py"
_EPOCH_S: Final = "1700000000"


@cache
def packages() -> Path:
    """The directory with the deb and the rpm."""
    sources = [ROOT / name for name in ("pyproject.toml", "README.md", "CHANGELOG.md", "LICENSE")]
    sources += [path for part in ("otel_oom", "deploy") for path in sorted((ROOT / part).rglob("*"))]
    content = [path.read_bytes() for path in sources if path.is_file() and path.suffix != ".pyc"]
    return build_cache.made(build_cache.place("packages", *content), build)


def build(out: Path, *kinds: str) -> None:
    """Build the packages of these kinds, all without any."""
    if sysconfig.get_python_version() != "3.11":
        missing("packaging", "the packages are built with Python 3.11, which they depend on")
    command: list[str | Path] = [sys.executable, BUILD, out, *kinds]
    variables = environment(SOURCE_DATE_EPOCH=_EPOCH_S)
    done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False, timeout=1200)
    assert done.returncode == 0, done.stdout + done.stderr
