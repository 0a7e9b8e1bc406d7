"""Without a checkpoint, the stored events tell how far the earlier agent had read."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from support.agent_rig import Rig, first_checkpoint, kill, line
from support.klog import CAPTURES
from support.pipelines import event

from otel_oom import schema
from otel_oom.kernel.kmsg_record import sequence_of
from otel_oom.spool.checkpoint import NOT_KNOWN, Checkpoint, resume
from otel_oom.spool.lost_checkpoint import checkpoint_from_events
from otel_oom.telemetry.event import Attributes, Event, Scalar
from otel_oom.totals import ResourceIdentity, Totals

NOW = replace(first_checkpoint(), totals=Totals(9_000), log_epoch_ns=90, agent_pid=9)
HERE = ResourceIdentity("instance")


def placed(boot_id: Scalar, sequence: Scalar, observed_ns: int = 1, identity: ResourceIdentity | None = HERE) -> Event:
    places: Attributes = {schema.BOOT_ID.name: boot_id, schema.KMSG_SEQUENCE.name: sequence}
    attributes = {**event("u").attributes, **places}
    return replace(event("u"), attributes=attributes, observed_ns=observed_ns, identity=identity)


def lost(boot_id: str, first_uncounted: int) -> Checkpoint:
    return Checkpoint(boot_id, HERE, NOT_KNOWN, cursor=0, first_uncounted=first_uncounted, is_ended=True)


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        pytest.param([], None, id="no event"),
        pytest.param([event("u")], None, id="an event without a record"),
        pytest.param([placed("boot", 7, identity=None)], None, id="an event without an identity"),
        pytest.param([placed("boot", "7"), placed(8, 7)], None, id="of other types"),
        pytest.param([placed("boot", 7), placed("boot", 5, 2)], lost("boot", 8), id="the highest record counts"),
        pytest.param([placed("old", 70, 1), placed("boot", 7, 2)], lost("boot", 8), id="of the newest boot"),
        pytest.param([placed("boot", 7, 2), placed("old", 70, 1)], lost("boot", 8), id="whatever their order"),
    ],
)
def test_how_far_the_events_tell(events: list[Event], expected: Checkpoint | None) -> None:
    assert checkpoint_from_events(events) == expected


def test_an_agent_begins_behind_the_newest_event_with_totals_of_its_own() -> None:
    assert resume(lost("boot", 8), NOW) == replace(NOW, cursor=0, first_uncounted=8)
    assert resume(lost("before", 8), NOW) == replace(NOW, cursor=0, first_uncounted=0, base=0), "in a new boot"
    other = replace(lost("boot", 8), identity=ResourceIdentity("another"))
    assert resume(other, NOW).identity == ResourceIdentity("another"), "until the agent compares it"


@pytest.mark.parametrize("capture", CAPTURES, ids=lambda capture: str(capture.stem))
def test_no_kill_is_lost_or_counted_twice(capture: Path) -> None:
    """The checkpoint is lost after any kill of a real log; the ring holds all of it."""
    records = capture.read_bytes().splitlines(keepends=True)
    whole = Rig().run(*records)
    kills = [one for one in whole.events if one.name == schema.OOM_KILL]
    for kept in range(1, min(len(kills), 6) + 1):
        checkpoint = checkpoint_from_events(kills[:kept])
        assert checkpoint is not None
        after = Rig(checkpoint=resume(checkpoint, NOW), reads_backlog=True).run(*records)
        assert [one.uid for one in after.events if one.name == schema.OOM_KILL] == [one.uid for one in kills[kept:]]
        assert sum(after.kills.values()) == len(kills) - kept


def test_the_kernels_counter_stays_compared() -> None:
    rig = Rig(checkpoint=resume(lost("boot", 11), NOW), reads_backlog=True, counted=5)
    rig.run(kill(10), line("other", 11), kill(12))
    assert rig.kills == {"cgroup": 1}
    assert sequence_of(kill(12)) == 12
    again = Rig(checkpoint=rig.spool.checkpoint, reads_backlog=True, counted=5)
    again.open()._turn()
    assert again.spool.totals.unaccounted == 0
