"""The machine's identity: the identity file, and a read that does not wait for a disk."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from pathlib import Path

from support.agent_rig import IDENTITY
from support.waiting import eventually

from otel_oom.machine.identity import BackgroundRead, MachineIdentity, read_machine_identity

COPY = replace(IDENTITY, mark="copy")


def test_a_background_read_does_not_wait_for_a_disk() -> None:
    hanging = threading.Event()
    looks: list[int] = []

    def look() -> MachineIdentity:
        looks.append(1)
        hanging.wait(10.0)
        return COPY

    background_read = BackgroundRead(look)
    began_s = time.monotonic()
    assert (background_read(), background_read()) == (None, None)
    assert time.monotonic() - began_s < 1.0
    hanging.set()
    assert eventually(background_read) == COPY
    assert len(looks) == 1, "one at a time"


def test_the_identity_file_tells_copies_apart(tmp_path: Path) -> None:
    file = tmp_path / "identity"
    file.write_bytes(b" i-0123\n\xff\x1b[31m\n")
    marked, unmarked = read_machine_identity(file), read_machine_identity()
    assert marked.mark == r"i-0123\x0a\xff\x1b[31m", "any bytes, and harmless"
    assert marked.instance_id != unmarked.instance_id == read_machine_identity(tmp_path / "none").instance_id
    file.write_bytes(b"x" * 100_000)
    assert len(read_machine_identity(file).mark) == 4096
