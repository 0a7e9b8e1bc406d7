"""The machine's identity: the identity file, and a read that does not wait for a disk."""

from __future__ import annotations

import os
import socket
import threading
import time
import uuid
from dataclasses import replace
from pathlib import Path

import pytest
from support.agent_rig import IDENTITY
from support.waiting import eventually

from otel_oom.machine.identity import BackgroundRead, MachineIdentity, read_machine_identity
from otel_oom.totals import ResourceIdentity

COPY = replace(IDENTITY, mark="copy")


@pytest.mark.parametrize(
    ("machine", "name"), [(IDENTITY, "machine\0host"), (COPY, "machine\0host\0copy")], ids=["no file", "with a file"]
)
def test_the_instance_id_is_a_uuid_in_the_namespace_of_the_conventions(machine: MachineIdentity, name: str) -> None:
    """4d63009a-…: semantic conventions 1.44, service.instance.id. The second id is that of earlier versions."""
    namespaces = ("4d63009a-8d0f-11ee-aad7-4c796ed8e320", "1c9bfad8-2c8c-5b55-a353-52ba67b6afd8")
    assert machine.instance_ids == tuple(str(uuid.uuid5(uuid.UUID(one), name)) for one in namespaces)
    assert machine.resource_identity().service_instance_id == machine.instance_id == machine.instance_ids[0]


def test_a_random_part_gives_another_uuid_of_the_same_machine() -> None:
    own, first, second = (IDENTITY.resource_identity(random_part=part) for part in ("", "a", "b"))
    ids = [uuid.UUID(one.service_instance_id) for one in (own, first, second, first.with_random_part("c"))]
    assert (len(set(ids)), {one.version for one in ids}) == (4, {5})
    assert all(one.is_of_machine(IDENTITY.instance_ids) for one in (own, first, second))
    assert not any(one.is_of_machine(COPY.instance_ids) for one in (own, first, second))
    assert first.with_random_part("") == own
    former = ResourceIdentity(f"{IDENTITY.instance_ids[1]}-f00")
    assert former.service_instance_id == former.instance_id, "its series goes on under the id of the earlier version"


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


def test_a_background_read_without_a_thread_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    background_read = BackgroundRead(lambda: COPY)
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refuse)
        assert (background_read(), background_read()) == (None, None)
    assert eventually(background_read) == COPY


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"web-1.example", "web-1.example"),
        ("h\xf6st".encode(), "h\xf6st"),
        (b"\xff\xfe", "\\xff\\xfe"),
        (b"h\xc3", "h\\xc3"),
        (b"a\nb\x1b]0;x\x07", "a\\x0ab\\x1b]0;x\\x07"),
        ("\u202ehost".encode(), "\\xe2\\x80\\xaehost"),
        (b"x" * 64, "x" * 64),
        (b"", ""),
    ],
)
def test_a_host_name_is_printable_text(raw: bytes, expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """sethostname(2) takes any 64 bytes. OTLP takes UTF-8 alone."""
    monkeypatch.setattr(socket, "gethostname", lambda: os.fsdecode(raw))
    machine = read_machine_identity()
    assert machine.host_name == expected
    assert machine.resource_identity().host_name == expected


def test_the_identity_file_tells_copies_apart(tmp_path: Path) -> None:
    file = tmp_path / "identity"
    file.write_bytes(b" i-0123\n\xff\x1b[31m\n")
    marked, unmarked = read_machine_identity(file), read_machine_identity()
    assert marked.mark == r"i-0123\x0a\xff\x1b[31m", "any bytes, and harmless"
    assert marked.instance_id != unmarked.instance_id == read_machine_identity(tmp_path / "none").instance_id
    file.write_bytes(b"x" * 100_000)
    assert len(read_machine_identity(file).mark) == 4096
