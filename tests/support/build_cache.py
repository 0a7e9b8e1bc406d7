"""A cache outside the checkout for things that take minutes to build. Only the standard library is used.

A new build removes the builds of the same name that were not used for an hour, which is longer than any test run.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

_UNUSED_S: Final = 3600.0


def place(name: str, *made_of: bytes | str) -> Path:
    """The path of a build: its name, and a hash of all its inputs."""
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    parts = [hashlib.sha256(one.encode() if isinstance(one, str) else one).hexdigest() for one in made_of]
    digest = parts[0] if len(parts) == 1 else hashlib.sha256("".join(parts).encode()).hexdigest()
    return home / "otel-oom" / f"{name}-{digest[:12]}"


def made(path: Path, make: Callable[[Path], None]) -> Path:
    """The directory at `path`, built if it does not exist. It appears there when it is complete."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}-"))
        try:
            make(fresh)
            fresh.chmod(0o755)
            fresh.rename(path)
        except OSError:
            if not path.exists():  # else another process was faster
                raise
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
        _remove_unused(path)
    os.utime(path)
    return path


def _remove_unused(path: Path) -> None:
    name, _, digest = path.name.rpartition("-")
    for other in path.parent.glob(f"{name}-{'?' * len(digest)}"):
        with suppress(OSError):  # another process removes it too
            if time.time() - other.stat().st_mtime > _UNUSED_S:
                shutil.rmtree(other)
