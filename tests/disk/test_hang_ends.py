"""Stop and start while the disk hangs: neither waits for it. What was not stored is read from the kernel log again."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import pytest
from disk.loop_mount import Disk
from disk.scene import Scene, scene, stored_events, stored_kills
from support import received_telemetry
from support.agents import AgentProcess
from support.levels import missing
from support.waiting import eventually

from otel_oom import schema

STOP_S = 3.0
PATIENCE_S = 2.0  # how long a start waits for the disk
START_S = 1.5  # a start without a spool takes this, in addition to PATIENCE_S
RETRY_S = 5.0


def ended(agent: AgentProcess, within_s: float) -> bool:
    """Whether the process has ended, with all its threads."""
    return eventually(lambda: agent.process.poll() is not None, within_s=within_s)


def stopped_while_frozen(agent: AgentProcess) -> tuple[float, bool]:
    """SIGTERM; returns the seconds until it wrote `stopped`, and whether the disk still blocks the process."""
    began_s = time.monotonic()
    agent.process.terminate()
    assert eventually(lambda: "otel-oom: info: stopped" in agent.said(), within_s=STOP_S), agent.said()
    stopped_s = time.monotonic() - began_s
    assert agent.said().count("may hold this process") == 1
    return stopped_s, not ended(agent, STOP_S - stopped_s)


def instances(stage: Scene) -> list[str]:
    """`service.instance.id` of all series so far, in order."""
    return list(
        dict.fromkeys(point.instance for point in received_telemetry.points(stage.receiver, schema.KILLS, "cgroup"))
    )


@pytest.mark.parametrize("collector", ["up", "down"])
def test_a_stop_while_it_hangs(collector: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with scene(tmp_path) as stage, Disk(tmp_path) as disk:
        spool = disk.path / "spool"
        with stage.agent("first", spool) as agent:
            stage.receiver.exports(1)
            if collector == "down":
                stage.receiver.stop()
            stage.kill(2)
            if collector == "up":
                stage.everything_arrives()
            time.sleep(0.5)  # these are on the disk
            with disk.frozen():
                stage.kill(3)
                time.sleep(0.2)  # read, and not on the disk
                stopped_s, is_held = stopped_while_frozen(agent)
                if collector == "up":
                    stage.everything_arrives()
                    stage.becomes(schema.KILLS, stage.judge.counted, "cgroup", within_s=1.0)
            thawed_s = time.monotonic()
            assert ended(agent, 1.0)
            gone_s = time.monotonic() - thawed_s
            assert agent.process.returncode == 0
        on_disk = (stored_kills(spool), stored_events(spool))
        if collector == "down":
            stage.receiver.start()
        stage.kill()  # between the two
        with stage.agent("second", spool):
            stage.everything_arrives()
            stage.becomes(schema.KILLS, stage.judge.counted, "cgroup")
        with capsys.disabled():
            print(  # noqa: T201
                f"\n| stop, collector {collector} | stopped after {stopped_s:.2f} s | held: {is_held} "
                f"| gone {gone_s * 1000:.0f} ms after the thaw | then stored: {on_disk[0]} kills, {on_disk[1]} events |"
            )
        # What was exported while the disk hung must not be counted again by a metric store.
        points = received_telemetry.points(stage.receiver, schema.KILLS, "cgroup")
        assert received_telemetry.increase(points) == stage.judge.counted
        stage.assert_one_series()


def no_agent(stage: Scene, spool: Path, disk: Disk, then: Callable[[], None]) -> None:
    """The first agent stopped in order, with two kills undelivered. Another kill happened without an agent."""
    with stage.agent("first", spool) as agent:
        leave_two(stage)
        agent.terminate()
    with disk.frozen():
        stage.kill()
        then()


def held_agent(stage: Scene, spool: Path, disk: Disk, then: Callable[[], None]) -> None:
    """The first agent was stopped while the disk hung. Its process still holds the lock."""
    with stage.agent("first", spool) as agent:
        leave_two(stage)
        with disk.frozen():
            stage.kill()
            time.sleep(0.2)
            _, is_held = stopped_while_frozen(agent)
            if not is_held:
                missing("kernel", "a frozen disk blocks no process on this kernel")
            then()


def leave_two(stage: Scene) -> None:
    stage.receiver.exports(1)
    stage.receiver.stop()
    stage.kill(2)
    time.sleep(0.5)  # these are on the disk


@pytest.mark.parametrize(
    ("before", "directory"),
    [
        (no_agent, "spool"),
        (held_agent, "spool"),
        (held_agent, ""),  # the root of the disk: the start reaches the lock, and finds that it is held
    ],
)
def test_a_start_while_it_hangs(
    before: Callable[[Scene, Path, Disk, Callable[[], None]], None],
    directory: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with scene(tmp_path) as stage, Disk(tmp_path) as disk:
        spool = disk.path / directory
        second: list[AgentProcess] = []
        figures: list[str] = []

        def start() -> None:
            stage.receiver.start()
            began_s = time.monotonic()
            agent = stage.agent("second", spool)
            second.append(agent)
            assert eventually(lambda: "watching" in agent.said(), within_s=PATIENCE_S + START_S), agent.said()
            figures.append(f"watches after {time.monotonic() - began_s:.2f} s")
            assert agent.said().count("continuing in memory only") == 1
            stage.becomes(schema.SPOOL_DURABLE, 0)
            stage.kill(2)
            stage.receiver.wait(lambda: len(received_telemetry.uids(stage.receiver)) >= 2)
            old, new = instances(stage)
            assert UUID(new).version == UUID(old).version == 5

        try:
            before(stage, spool, disk, start)
            thawed_s = time.monotonic()
            durable_s = stage.becomes_durable(thawed_s, within_s=RETRY_S + 2.0)
            figures.append(f"durable {durable_s:.2f} s after the thaw")
            with capsys.disabled():
                print(f"\n| start, {before.__name__} | {' | '.join(figures)} |")  # noqa: T201
            stage.kill()
            eventually(lambda: received_telemetry.uids(stage.receiver) >= stage.judge.uids)
            lost = stage.judge.uids - received_telemetry.uids(stage.receiver)
            assert not lost, f"{len(lost)} of {stage.judge.counted} kills are lost, and but the log still has them"
            stage.everything_arrives()
            assert second[0].terminate() == 0
        finally:
            for agent in second:
                agent.process.kill()
                agent.process.wait()
        assert stored_events(spool) == 0


def test_a_required_spool_that_hangs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with scene(tmp_path) as stage, Disk(tmp_path) as disk:
        with disk.frozen():
            began_s = time.monotonic()
            agent = stage.agent("agent", disk.path / "spool", "--spool-required")
            assert eventually(lambda: "cannot open the spool" in agent.said(), within_s=STOP_S), agent.said()
            said_s = time.monotonic() - began_s
            is_held = not ended(agent, STOP_S - said_s)
        thawed_s = time.monotonic()
        assert ended(agent, 1.0)
        assert agent.process.returncode == 73
        assert agent.said().count("\n") == 1
        with capsys.disabled():
            print(  # noqa: T201
                f"\n| required | said after {said_s:.2f} s | held: {is_held} "
                f"| gone {(time.monotonic() - thawed_s) * 1000:.0f} ms after the thaw |"
            )
