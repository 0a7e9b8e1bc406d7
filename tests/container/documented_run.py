"""The `docker run` of docs/install/container.md, with what this machine and a test need."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from support import canary

PAGE: Final = Path(__file__).resolve().parents[2] / "docs" / "install" / "container.md"

# A root without CAP_SYS_RESOURCE, as on some machines of the tests, may not lower it.
_LEFT_OUT: Final = ("--oom-score-adj=-999", "--restart=unless-stopped", "--detach", "--name=otel-oom")


def options(settings: Mapping[str, str], *, machine_id: Path, volume: str) -> list[str]:
    """The options of the documented command. settings: instead of its own --env; volume: instead of `otel-oom`."""
    block = re.search(r"^docker run ((?:.*\\\n)*.*)\n", PAGE.read_text(), re.MULTILINE)
    assert block
    words = shlex.split(block[1].replace("\\\n", " "))
    assert words.pop() == "otel-oom", "the image's name is last"
    assert set(_LEFT_OUT) <= set(words)
    kept = [word for word in words if word not in _LEFT_OUT and not word.startswith("--env=")]
    replaced = {
        "--volume=/etc/machine-id:/etc/machine-id:ro": f"--volume={machine_id}:/etc/machine-id:ro",
        "--volume=otel-oom:/var/lib/otel-oom": f"--volume={volume}:/var/lib/otel-oom",
    }
    assert set(replaced) <= set(kept)
    variables = {**canary.VARIABLES, **settings}
    return [
        *(replaced.get(word, word) for word in kept),
        *(f"--env={name}={value}" for name, value in variables.items()),
        "--network=host",  # the receiver listens on 127.0.0.1
    ]
