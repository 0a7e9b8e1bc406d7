"""A start on the spool of an earlier version: totals and undelivered events go on under the identity of that version.

`upgrade-from-725a7be.sql` is the dump of a spool of commit 725a7be: an agent that was killed. It holds the id and the
attribute names of that version, and three kills in cgroups, two of them not acknowledged.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest
from support.agent_rig import kill
from support.agents import environment
from support.sources import Script

from otel_oom.agent import start, start_point
from otel_oom.agent.start import ReadyAgent
from otel_oom.config.settings import load_config
from otel_oom.machine.identity import MachineIdentity
from otel_oom.telemetry.event import Event
from otel_oom.totals import ResourceIdentity, Totals

DUMP = Path(__file__).parents[1] / "spool" / "data" / "upgrade-from-725a7be.sql"
MACHINE = MachineIdentity("boot-1", "5f3c6a1e9b7d4c0e8a2f1b3d5c7e9a0b", "node-1", 4096)
FORMER = ResourceIdentity("45d0d0ac-c8fd-5531-b63c-8c7fdbd35335", MACHINE.host_name, MACHINE.machine_id)
START_NS = 1_699_999_000_000_000_000
Begin = Callable[..., ReadyAgent]


@pytest.fixture
def begin(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Begin:
    """Starts the agent of a machine on the spool in tmp_path, over a log with two more kills, and stops the writer."""
    (tmp_path / "spool").mkdir()
    database = sqlite3.connect(tmp_path / "spool" / "spool.db")
    database.executescript(DUMP.read_text("utf-8"))
    database.close()
    for name in [name for name in os.environ if name.startswith("OTEL_")]:
        monkeypatch.delenv(name)

    def begin(machine: MachineIdentity = MACHINE) -> ReadyAgent:
        monkeypatch.setattr(start_point, "read_machine_identity", lambda *_: machine)
        source = Script()
        source.put(kill(10), kill(11))
        running = start.prepare(load_config(environment(OTEL_OOM_SPOOL=str(tmp_path / "spool"))), source=source)
        assert running.writer is not None
        running.writer.follow(running.spool)
        assert running.writer.stop(10.0)
        return running

    return begin


def undelivered(running: ReadyAgent) -> list[Event]:
    return list(running.spool.peek(99, 1 << 20))


def kills(totals: Totals) -> tuple[int, Mapping[str, int]]:
    return totals.start_ns, totals.kills


def test_in_the_same_boot_the_series_goes_on(begin: Begin) -> None:
    first = begin()
    assert first.spool.exportable.identity == FORMER
    assert kills(first.spool.exportable.totals) == (START_NS, {"cgroup": 5, "system": 1}), "with the two in the log"
    assert first.spool.retired is None
    again = begin()
    assert again.spool.exportable.identity == FORMER, "and at each start until the next boot"
    assert kills(again.spool.exportable.totals) == (START_NS, {"cgroup": 5, "system": 1}), "none is counted twice"


def test_undelivered_events_keep_their_identity_and_their_attribute_names(begin: Begin) -> None:
    stored, new = undelivered(begin())[:2], undelivered(begin())[2:]
    assert [event.uid for event in stored] == ["uid-5", "uid-6"]
    assert [event.attributes.get("process.command_line") for event in stored] == ["java -Xmx8g -jar app.jar", None]
    assert [event.attributes.get("container.id") for event in stored] == [None, "web"]
    assert [event.identity for event in (*stored, *new)] == [FORMER] * 4
    assert len({event.uid for event in (*stored, *new)}) == 4


def test_the_next_boot_takes_the_new_id_and_keeps_the_counts(begin: Begin) -> None:
    rebooted = replace(MACHINE, boot_id="boot-2")
    running = begin(rebooted)
    assert running.spool.exportable.identity == rebooted.resource_identity() != FORMER
    assert UUID(running.spool.exportable.identity.service_instance_id).version == 5
    assert running.spool.exportable.totals.kills == {}
    assert running.spool.checkpoint.carried_over is not None
    assert running.spool.checkpoint.carried_over.kills == {"cgroup": 2, "system": 0}, "the unacknowledged ones"
    assert running.spool.retired is None
    assert [event.identity for event in undelivered(running)[:2]] == [FORMER, FORMER]


def test_a_copy_of_the_disk_is_another_machine(begin: Begin) -> None:
    copy = replace(MACHINE, machine_id="another")
    running = begin(copy)
    assert running.spool.exportable.identity == copy.resource_identity()
    assert running.spool.retired is not None
    assert running.spool.retired.series.identity == FORMER
    assert kills(running.spool.retired.series.totals) == (START_NS, {"cgroup": 5, "system": 1})
