"""The agent is killed: every kill is delivered once, and the totals continue."""

from __future__ import annotations

from pathlib import Path

import pytest
from vm.scene import KERNELS, scene

from otel_oom import schema

pytestmark = pytest.mark.parametrize("name", KERNELS)


def test_an_agent_that_is_the_victim_itself(tmp_path: Path, name: str) -> None:
    """Its own cgroup is too small for it. The next agent reports that, and no kill is lost or counted twice."""
    with scene(name, tmp_path, "--oom-score-adj", "0") as stage:
        own = "/sys/fs/cgroup/agent"
        stage.guest.shell(f"mkdir {own}")
        stage.start(cgroup=own)
        stage.kill()
        stage.await_total(1)
        victim = stage.pid
        stage.signal("STOP")
        stage.kill(2)
        stage.guest.shell(f"echo 4M > {own}/memory.max")
        stage.await_end()
        assert stage.counted == 4
        stage.start()
        kills = stage.await_distinct(4)
        assert [kill.uid for kill in kills] == stage.uids()
        (died,) = stage.await_received(1, schema.AGENT_KILLED)
        assert died[schema.PID] == kills[-1][schema.PID] == victim
        assert [schema.BACKLOG in kill and kill[schema.BACKLOG] for kill in kills] == [False, True, True, True]
        stage.await_total(4)
        totals = stage.totals(kills[0].instance)
        assert (totals[0], totals) == (0, sorted(totals))


def test_an_agent_that_is_killed_continues_where_it_was(tmp_path: Path, name: str) -> None:
    with scene(name, tmp_path) as stage:
        for number in range(1, 5):
            stage.start()
            stage.kill(2)
            stage.await_received(3 * number - 1)
            stage.signal("KILL")
            stage.await_end()
            stage.kill()
        stage.start()
        kills = stage.await_distinct(12)
        assert [kill.uid for kill in kills] == stage.uids()
        assert stage.counted == 12
        stage.await_total(12)
        assert len({kill.instance for kill in kills}) == 1
        totals = stage.totals(kills[0].instance)
        assert (totals[0], totals) == (0, sorted(totals))
