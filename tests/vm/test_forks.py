"""Machines that are copied while they run, as Linux 6.12 notices it: whose are the kills, and whose series?"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from uuid import uuid4

import pytest
from crash import ledger
from support.otlp_receiver import OtlpReceiver
from vm.kernels import kernel
from vm.machine import Guest
from vm.scene import PATIENCE_S, Scene

from otel_oom import schema

KERNEL = "6.12"  # 6.1 has no CONFIG_VMGENID
IDENTITY = "/run/identity"
#: [   30.214871] random: crng reseeded due to virtual machine fork: within 10 ms of going on
FORKED = "crng reseeded due to virtual machine fork"
MOVED = "the identity of this machine changed"


@contextmanager
def life(stage: Scene, directory: Path, snapshot: Path | None = None) -> Iterator[None]:
    """The machine of this scene: a new one, or one that goes on from a snapshot under another generation id."""
    with Guest(kernel(KERNEL), directory, generation=str(uuid4()), snapshot=snapshot) as guest:
        stage.guest = guest
        if snapshot is not None:
            guest.await_snapshot()
            guest.go_on()
            guest.await_shell()
            stage.set_clock()
        yield


def lives(stage: Scene, directory: Path, resumes: int) -> Generator[int, None, None]:
    """One machine that is saved and resumed so often; yields how often it was so far."""
    snapshot = None
    for number in range(resumes + 1):
        with life(stage, directory / str(number), snapshot):
            assert forks(stage) == number, "the kernel says so each time"
            yield number
            snapshot = directory / f"snapshot-{number}"
            stage.guest.save(snapshot)


def name(stage: Scene, text: str) -> None:
    """What the platform writes, as a whole, where the agent is told to look."""
    stage.guest.shell(f"echo '{text}' > {IDENTITY}.new && mv {IDENTITY}.new {IDENTITY}")


def forks(stage: Scene) -> int:
    return int(stage.guest.shell(f"dmesg | grep -c '{FORKED}' || true"))


def series(receiver: OtlpReceiver) -> dict[tuple[str, int], list[int]]:
    """Totals of kills in cgroups in the order of their exports, by instance and start time."""
    found: dict[tuple[str, int], list[int]] = {}
    for point in ledger.points(receiver, schema.KILLS, "cgroup"):
        found.setdefault((point.instance, point.start_ns), []).append(point.value)
    return found


def instances(stage: Scene) -> dict[str, str]:
    """Who sent each kill, by its uid. What is saved between a receipt and its answer is sent again, as by the same."""
    found: dict[str, str] = {}
    for kill in stage.received():
        assert found.setdefault(kill.uid, kill.instance) == kill.instance
    return found


@pytest.mark.timeout(600)
def test_copies_with_names_of_their_own_share_nothing_that_came_after(tmp_path: Path) -> None:
    snapshot = tmp_path / "snapshot"
    with OtlpReceiver("http/protobuf") as receiver, ExitStack() as copies_run:
        original, *copies = stages = [Scene(receiver, ("--identity-file", IDENTITY)) for _ in range(3)]
        with life(original, tmp_path / "original"):
            name(original, "original")
            original.start()
            original.kill()
            original.await_total(1)
            (first,) = original.received()
            receiver.stop()
            original.kill(2)
            before, boot_id = original.uids(), original.boot_id
            original.guest.save(snapshot)
        receiver.start()
        for number, copy in enumerate(copies):
            copies_run.enter_context(life(copy, tmp_path / f"copy-{number}", snapshot))
            name(copy, f"copy {number}")
        for copy in copies:
            copy.await_said(MOVED)
            copy.kill()
        kills = original.await_received(1 + 2 * 2 + 2)

        old = [kill for kill in kills if kill.instance == first.instance]
        assert sorted(kill.uid for kill in old) == sorted([before[0], *before[1:] * 2]), "both copies send what was"
        assert len({(kill.uid, kill.time_ns, str(kill.attributes)) for kill in old}) == 3, "and it is equal"
        new = [kill for kill in kills if kill.instance != first.instance]
        assert sorted(kill.uid for kill in new) == sorted(copy.uids()[-1] for copy in copies)
        assert len({kill.uid for kill in kills}) == 3 + 2
        assert len({kill.instance for kill in kills}) == 1 + 2
        assert {kill[schema.BOOT_ID] for kill in kills} == {boot_id}, "all else is the same"
        assert {copy.boot_id for copy in copies} == {boot_id}

        receiver.wait(lambda: sorted(totals[-1] for totals in series(receiver).values()) == [1, 1, 3], PATIENCE_S)
        assert sorted((totals[0], totals[-1]) for totals in series(receiver).values()) == [(0, 1), (0, 1), (0, 3)]
        assert all(totals == sorted(totals) for totals in series(receiver).values())
        assert {instance for instance, _ in series(receiver)} == {kill.instance for kill in kills}
        assert [stage.counted for stage in copies] == [4, 4]
        assert stages[0].received(schema.UNACCOUNTED) == []


@pytest.mark.timeout(600)
def test_ten_resumes_of_the_only_copy_are_one_series(tmp_path: Path) -> None:
    resumes = 10
    with OtlpReceiver("http/protobuf") as receiver:
        stage = Scene(receiver, ("--identity-file", IDENTITY))
        with closing(lives(stage, tmp_path, resumes)) as numbers:
            for number in numbers:
                if number == 0:
                    name(stage, "the only one")
                    stage.start()
                stage.kill()
                stage.await_total(number + 1)
                if number == resumes:
                    assert [kill.uid for kill in stage.received()] == stage.uids()
                    assert MOVED not in stage.said()
        ((_, totals),) = series(receiver).items()
        assert (totals[0], totals[-1]) == (0, resumes + 1)
        assert totals == sorted(totals)
        assert len({kill.instance for kill in stage.received()}) == 1


@pytest.mark.timeout(600)
def test_always_another_one_at_each_line(tmp_path: Path) -> None:
    resumes = 2
    with OtlpReceiver("http/protobuf") as receiver:
        stage = Scene(receiver, ("--fork-identity", "always"))
        with closing(lives(stage, tmp_path, resumes)) as numbers:
            for number in numbers:
                if number == 0:
                    stage.start()
                stage.receiver.wait(lambda: len(series(receiver)) == number + 1, PATIENCE_S)  # noqa: B023 used now
                stage.kill()
                receiver.wait(lambda: len(instances(stage)) == number + 1, PATIENCE_S)  # noqa: B023 used now
                newest = list(instances(stage).values())[-1]
                receiver.wait(lambda: stage.totals(newest)[-1:] == [1], PATIENCE_S)  # noqa: B023 used now
                if number == resumes:
                    assert list(instances(stage)) == stage.uids()
        assert len(set(instances(stage).values())) == resumes + 1
        assert [instance for instance, _ in series(receiver)] == list(instances(stage).values())
        assert [(totals[0], totals[-1]) for totals in series(receiver).values()] == [(0, 1)] * (resumes + 1)
