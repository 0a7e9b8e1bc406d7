"""No fault of a collector loses a kill: each case of the table, over both protocols, judged by the kernel log."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from faults.cases import CASES, Case
from faults.scene import scene
from support.fault_table import FAULTS
from support.otlp_receiver import Protocol
from support.waiting import eventually

from otel_oom import schema

RUNS = [pytest.param(case, protocol, id=f"{case.name}-{protocol}") for case in CASES for protocol in case.protocols]


@pytest.mark.parametrize(("case", "protocol"), RUNS)
def test_every_kill_arrives(case: Case, protocol: Protocol, tmp_path: Path) -> None:
    with scene(protocol, tmp_path, case.variables, has_network=case.has_network) as on:
        case.run(on)
        on.everything_arrives()
        # As Prometheus sees it: the last value.
        assert eventually(lambda: on.last(schema.KILLS, "cgroup") == on.judge.counted)
        assert eventually(lambda: on.last(schema.SPOOL_DROPPED, "rejected") == case.given_up)
        assert eventually(lambda: on.last(schema.SPOOL_SIZE, "") == 0)
        assert on.agent.process.poll() is None
        assert on.agent.terminate() == 0

        delivered = on.receiver.delivered
        assert list(dict.fromkeys(delivered)) == [uid for uid in on.uids if uid not in on.given_up], "all, in order"
        assert case.may_repeat or len(delivered) == len(set(delivered)), "each once"
        assert on.judge.counted == len(on.judge.kills)
        assert quarantined(tmp_path) == on.given_up


def quarantined(directory: Path) -> set[str]:
    """Uids of the events in quarantine: a collector refused them, and the spool keeps them."""
    with closing(sqlite3.connect(directory / "spool" / "spool.db")) as spool:
        return {uid for (uid,) in spool.execute("SELECT uid FROM refused")}


def test_every_row_of_the_table_has_one_case() -> None:
    assert [case.name for case in CASES] == [fault.name for fault in FAULTS]
    assert len({case.name for case in CASES}) == len(CASES)
