"""The sentences of real captures: each rule has one in which it fires, and one near to it in which it does not.

`tests/vm/capture.py` makes those of 6.1 and 6.12. The golden file tests/plain/data/sentences.json has the sentences of
each capture; `OTEL_OOM_GOLDEN=write` writes it. Read the difference before you commit it.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from support import reason_table
from support.klog import CAPTURES

from otel_oom.telemetry.event_bodies import kill_body
from otel_oom.telemetry.kill_event import LiveFacts, victim_owner
from otel_oom.telemetry.reason_additions import ADDITIONS
from otel_oom.telemetry.what_was_full import CAUSES
from otel_oom.telemetry.whose_limit import LIMITS

GOLDEN = Path(__file__).parents[1] / "data" / "sentences.json"


def sentences(stem: str) -> list[str]:
    """One sentence for each set of rules that fires in a capture."""
    found: dict[tuple[str, ...], str] = {}
    for kill in reason_table.kills(stem):
        found.setdefault(reason_table.rules(kill), kill_body(kill, victim_owner(kill, LiveFacts()), kill.cgroup))
    return list(found.values())


def test_the_sentences_are_the_golden_ones() -> None:
    found = {capture.stem: sentences(capture.stem) for capture in CAPTURES}
    if os.environ.get("OTEL_OOM_GOLDEN") == "write":
        GOLDEN.write_text(json.dumps(found, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    assert json.loads(GOLDEN.read_text(encoding="utf-8")) == found


def test_every_rule_is_in_the_table() -> None:
    assert [rule.name for rule in (*LIMITS, *CAUSES, *ADDITIONS)] == list(reason_table.FIRES)


@pytest.mark.parametrize("rule", reason_table.FIRES)
def test_a_rule_fires_in_one_capture_and_not_in_the_one_near_it(rule: str) -> None:
    fires, near = reason_table.FIRES[rule]
    assert any(rule in reason_table.rules(kill) for kill in reason_table.kills(fires))
    assert not any(rule in reason_table.rules(kill) for kill in reason_table.kills(near))
