"""Whose each victim of a storm was, on the real kernel, where it printed no report.

The judge is the name of each victim: the program that made it wrote the number of its container into it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support import real_kills
from support.agents import AgentProcess
from support.container_cgroups import ContainerCgroups, container_of, containers
from support.otlp_receiver import OtlpReceiver
from support.waiting import eventually

from otel_oom import schema

CONTAINERS = 20
KILLS = 300
_OPENED = "get their cgroup from the kill counters"
_OPEN_S = 30.0


@pytest.fixture
def receiver() -> Iterator[OtlpReceiver]:
    with OtlpReceiver("http/protobuf") as listening:
        yield listening


def attributes(receiver: OtlpReceiver) -> list[dict[str, Any]]:
    return [record.attributes for request in receiver.accepted("logs") for record in request.log_records]


def sources(kills: list[dict[str, Any]]) -> Counter[str]:
    """How many kills have a cgroup, by source."""
    return Counter(kill.get(schema.VICTIM_CGROUP_SOURCE.name, "none") for kill in kills)


def wrong(kills: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Those with another container than their own."""
    return [
        kill
        for kill in kills
        if schema.CONTAINER_ID.name in kill
        and kill[schema.CONTAINER_ID.name] != ContainerCgroups.id_of(container_of(kill[schema.COMM.name]))
    ]


@pytest.mark.parametrize(("parallel", "least_share"), [(1, 0.8), (8, 0.3)])
def test_a_storm_over_many_containers(
    receiver: OtlpReceiver, tmp_path: Path, capsys: pytest.CaptureFixture[str], parallel: int, least_share: float
) -> None:
    """Victims that come at the same time are often not named: more than one counter has moved."""
    with containers(CONTAINERS) as made, AgentProcess(tmp_path, receiver.settings) as agent:
        assert eventually(lambda: _OPENED in agent.said(), within_s=_OPEN_S), agent.said()
        counted = real_kills.oom_kill_count()
        made_kills = made.storm(KILLS, parallel=parallel)
        assert eventually(lambda: len(attributes(receiver)) >= made_kills, within_s=60)
        kills = attributes(receiver)
        assert real_kills.oom_kill_count() - counted == len(kills) == made_kills
    with capsys.disabled():
        print(f"\n| {made_kills} kills, {parallel} at a time | {dict(sources(kills))} |")  # noqa: T201
    assert not wrong(kills)
    without_report = made_kills - sources(kills)["report"]
    assert without_report > made_kills / 2
    assert without_report - sources(kills)["none"] >= least_share * without_report
    assert sources(kills)["counter"]
