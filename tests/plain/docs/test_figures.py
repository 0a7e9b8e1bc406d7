"""Measured figures and limits in the documents are those of the result files and of the code."""

from __future__ import annotations

import re

import pytest
from support import figures
from support.documents import README, ROOT, prose

from benchmarks import readme_table, report
from otel_oom.demo.kill_sandbox import LIMIT_MIB
from otel_oom.machine.clock_jumps import MIN_JUMP_NS
from otel_oom.machine.fork_detection import IDENTITY_READ_S
from otel_oom.spool.event_queue import MAX_BYTES, MAX_EVENTS

MEASURED = re.compile(r"\d[\d.,]*(?: or \d+)? (?:MiB|ms|% of a core|of \d+)")


def test_the_readme_has_no_measured_figure_but_those_of_the_results() -> None:
    """`test_generated.py` compares the generated table with the results."""
    text = README.read_text()
    (table,) = re.findall(r"<!-- generated: performance -->\n(.*?)<!-- end -->", text, re.DOTALL)
    assert len(re.findall(r"\| \d", table)) >= 20
    assert 3 <= len(table.splitlines()) - 2 <= readme_table.MAX_ROWS
    assert set(MEASURED.findall(prose(text.replace(table, "")))) == {f"{LIMIT_MIB} MiB"}


def test_the_results_in_the_repository_are_whole() -> None:
    """Not of `--short`; each row of README has its figure."""
    found = report.results()
    assert [name for name, result in found.items() if result.about["is_short"]] == []
    assert found


def test_each_figure_says_when_and_how_it_was_measured() -> None:
    for one in figures.figures():
        assert re.fullmatch(r"2\d{3}-\d\d(-\d\d)?", one.date), one
        path = one.command.split()[0]
        assert path == "make" or "no command is kept" in one.command or (ROOT / path).exists(), one


def test_the_figures_of_other_programs_are_those_of_the_comparison() -> None:
    text = (ROOT / "benchmarks" / "results" / "peers.md").read_text()
    (row,) = re.findall(r"^\| 050-v618-storm-40-serial \| (.*) \|$", text, re.MULTILINE)
    assert row.split(" | ") == ["40", "right", "misses 30", "right"]
    known = {one.what: one.figure for one in figures.figures() if one.command == "benchmarks/peers/peers.py"}
    assert sorted(known.values()) == ["10 of 40", "40 of 40", "40 of 40"]
    versions = set(re.findall(r"v\d+\.\d+\.\d+", text.partition("| capture |")[0]))
    assert {version for what in known for version in re.findall(r"v\d+\.\d+\.\d+", what)} == versions


@pytest.mark.parametrize(
    ("page", "sentence"),
    [
        ("delivery", f"up to {MAX_EVENTS:,} events or {MAX_BYTES >> 20} MiB"),
        ("copies", f"for {'one minute' if IDENTITY_READ_S == 60 else f'{IDENTITY_READ_S:.0f} s'}"),
        ("time", f"by more than {MIN_JUMP_NS / 1e9:g} s"),
    ],
)
def test_limits_are_those_of_the_code(page: str, sentence: str) -> None:
    assert sentence in re.sub(r"\s+", " ", (ROOT / "docs" / f"{page}.md").read_text())
