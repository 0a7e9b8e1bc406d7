"""A spool that was found late: what the earlier agent left is caught up with once."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID, uuid5

import pytest
from support.agent_rig import IDENTITY, Rig, first_checkpoint, kill
from support.sources import Script
from support.waiting import eventually

from otel_oom import schema
from otel_oom.agent.late_spool import read_missed
from otel_oom.health import Health
from otel_oom.kernel.kmsg_record import sequence_of
from otel_oom.spool.lost_checkpoint import checkpoint_from_events
from otel_oom.totals import ResourceIdentity, Totals

FIRST = first_checkpoint()


@pytest.mark.parametrize(
    ("earlier", "acknowledged", "base"),
    [
        pytest.param({}, [76, 79], 30 + 2 + 1, id="it stood in the middle"),
        pytest.param({"first_uncounted": 78}, [79], 30 + 2 + 1, id="it had counted up to there"),
        pytest.param({"boot_id": "before"}, [73, 76, 79], 0, id="it lived in another boot"),
        pytest.param({"cursor": None}, [], 40, id="it never read a record"),
    ],
)
def test_a_spool_that_is_found_late_is_caught_up_with(
    earlier: dict[str, object], acknowledged: list[int], base: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From where the earlier agent stood to where this one began; what this one has read itself is not read again."""
    log = [kill(73), kill(76), kill(79), kill(80), kill(81)]
    opened: list[int] = []

    def source_at(cursor: int) -> Script:
        opened.append(cursor)
        script = Script()
        script.put(*[one for one in log if (sequence_of(one) or 0) >= cursor])
        return script

    rig = Rig(counted=40, source_at=source_at)
    rig.source.next_sequence = 80
    totals = Totals(5).plus("cgroup", 7).plus_surplus(1)
    stood = replace(
        FIRST,
        identity=ResourceIdentity("another"),
        totals=totals,
        acknowledged=totals,
        cursor=70,
        first_uncounted=75,
        base=30,
        lines=2,
    )

    def happen(sequence: int) -> None:
        rig.counted = sequence - 39
        rig.source.put(kill(sequence))

    with rig.running():
        happen(80)
        assert eventually(lambda: rig.kills == {"cgroup": 1})
        left = replace(stood, **earlier)  # type: ignore[arg-type]  # each of its field's type
        monkeypatch.setattr(rig.spool, "_wake_reader", lambda: happen(81))
        rig.spool.hand_over(left)
        assert rig.spool.wait_taken(10.0, lambda: False)
        assert eventually(lambda: rig.kills == {"cgroup": 2 + len(acknowledged)})
    sequences = [one.attributes[schema.KMSG_SEQUENCE.name] for one in rig.events]
    assert sequences == [80, 81, *acknowledged]
    assert [one.attributes.get(schema.BACKLOG.name) for one in rig.events] == [None, None, *[True] * len(acknowledged)]
    assert (rig.spool.checkpoint.base, rig.spool.checkpoint.lines) == (base, 2 + len(acknowledged))
    assert opened == ([] if earlier.get("cursor", 0) is None else [0 if "boot_id" in earlier else 70])


def test_a_late_spool_of_an_earlier_version_is_of_this_machine() -> None:
    """Its id has another namespace. So its unacknowledged counts are carried over, and are no retired series."""
    former = ResourceIdentity(str(uuid5(UUID("1c9bfad8-2c8c-5b55-a353-52ba67b6afd8"), "machine\0host")))
    earlier = replace(FIRST, identity=former, totals=Totals(5, {"cgroup": 2}), cursor=70, first_uncounted=70)
    own = IDENTITY.resource_identity(random_part="f00")
    missed = read_missed(earlier, 70, own, IDENTITY, Health(), lambda _: Script())
    assert missed is not None
    _, left = missed
    assert left.carried_over is not None
    assert (left.carried_over.kills, left.retired) == ({"cgroup": 2}, ())


def test_a_spool_without_a_checkpoint_is_caught_up_with_from_its_newest_event() -> None:
    earlier = checkpoint_from_events(Rig().run(kill(70), kill(75)).events)
    assert earlier is not None
    log = [kill(70), kill(75), kill(77), kill(80)]

    def source_at(cursor: int) -> Script:
        script = Script()
        script.put(*[one for one in log if (sequence_of(one) or 0) >= cursor])
        return script

    rig = Rig(counted=4, source_at=source_at)
    rig.source.next_sequence = 80
    with rig.running():
        rig.source.put(kill(80))
        assert eventually(lambda: rig.kills == {"cgroup": 1})
        rig.spool.hand_over(earlier)
        rig.source.wake()
        assert rig.spool.wait_taken(10.0, lambda: False)
        assert eventually(lambda: rig.kills == {"cgroup": 2})
    assert [one.attributes[schema.KMSG_SEQUENCE.name] for one in rig.events] == [80, 77]
    assert rig.spool.retired is None
