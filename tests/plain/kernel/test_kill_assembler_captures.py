"""Captures with their golden results: a .kmsg file in tests/plain/data is a test.

    OTEL_OOM_GOLDEN=write pytest tests/plain/kernel/test_kill_assembler_captures.py

writes the results. Read the difference before you commit it.
"""

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from support import corpus
from support.klog import CAPTURES

from otel_oom.kernel import kmsg_record
from otel_oom.kernel.kill_assembler import Assembler
from otel_oom.kernel.oom_kill import Finding, NoVictim, OomKill, Repeat

IS_WRITING = os.environ.get("OTEL_OOM_GOLDEN") == "write"


def shown(finding: Finding) -> dict[str, Any]:
    """A finding in the form of the golden file: without unknown values, with the number of its record."""
    fields = asdict(finding) | {"record": finding.record.sequence, "event": type(finding).__name__}
    if isinstance(finding, OomKill):
        del fields["boot_id"], fields["line"]
        line = {key: value for key, value in asdict(finding.line).items() if key not in {"cause", "user_id"}}
        fields |= line | {"comm": finding.comm, "uid": finding.uid, "context": asdict(finding.context)}
    return said(fields)


def said(fields: dict[str, Any]) -> dict[str, Any]:
    known = {key: said(value) if isinstance(value, dict) else value for key, value in fields.items()}
    return {key: value for key, value in known.items() if value not in (None, (), {})}


def test_there_are_captures() -> None:
    assert len(CAPTURES) > 5


@pytest.mark.parametrize("capture", CAPTURES, ids=lambda capture: str(capture.stem))
def test_the_result_is_the_golden_one(capture: Path) -> None:
    found = corpus.findings(capture.read_bytes())
    result = {
        "kill_lines": corpus.kill_lines(found),
        "findings": [shown(finding) for finding in found if not isinstance(finding, Repeat)],
    }
    text = json.dumps(result, indent=2, ensure_ascii=False) + "\n"
    golden = capture.with_suffix(".json")
    if IS_WRITING:
        golden.write_text(text, encoding="utf-8")
    assert golden.exists(), f"no {golden.name}: write it with OTEL_OOM_GOLDEN=write"
    assert json.loads(golden.read_text(encoding="utf-8")) == json.loads(text)


CRASHES = sorted((Path(__file__).parents[1] / "data" / "crashes").iterdir())


@pytest.mark.timeout(10)
@pytest.mark.parametrize("crash", CRASHES, ids=lambda crash: str(crash.name))
def test_an_input_that_once_failed_works(crash: Path) -> None:
    """Inputs found by fuzzing: the file's name tells the fault."""
    assembler = Assembler("boot", 4096)
    found: list[Finding] = []
    for line in crash.read_bytes().splitlines():
        if isinstance(record := kmsg_record.parse(line), kmsg_record.Record):
            found += assembler.feed(record, 1)
    found += assembler.release_held()
    assert all("Killed process " in one.record.text for one in found if not isinstance(one, NoVictim))
