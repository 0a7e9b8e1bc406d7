"""The results as Markdown: benchmarks/RESULTS.md, and the table of README. No measuring.

A cell of RESULTS.md is `median (lowest to highest)`, or one number where all values are equal.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks import measured
from benchmarks.measured import Figure

PAGE: Final = Path(__file__).resolve().parent / "RESULTS.md"


@dataclass(frozen=True, slots=True)
class Result:
    """The file of one measure. about: all but its figures."""

    about: dict[str, object]
    figures: list[Figure]

    def figure(self, scenario: str, subject: str, quantity: str) -> Figure:
        """One figure. Raises: KeyError."""
        for one in self.figures:
            if (one.scenario, one.subject, one.quantity) == (scenario, subject, quantity):
                return one
        raise KeyError(scenario, subject, quantity)


def results(directory: Path = measured.RESULTS) -> dict[str, Result]:
    """Of all measures that have a file, by name."""
    paths = {name: directory / f"{name}.json" for name in measured.TITLES}
    return {name: Result(*measured.read(path)) for name, path in paths.items() if path.exists()}


def page(found: dict[str, Result]) -> str:
    """The whole of RESULTS.md."""
    return "\n\n".join(["# Results of `make bench`", _HOW, *(section(result) for result in found.values())]) + "\n"


_HOW: Final = """\
`make bench` wrote this page from the files in `benchmarks/results`. Do not edit it. To repeat: as root on a quiet
machine, with Go and a C compiler, `make bench`; or one measure, `make bench MEASURES=drain`. What each measure does:
`docs/performance.md`. A cell is the median, and in brackets the lowest and the highest value."""


def section(result: Result) -> str:
    """One measure: machine, notes, and a table for each scenario."""
    machine = result.about["machine"]
    assert isinstance(machine, dict)
    said = "; ".join(f"{name}: {value}" for name, value in machine.items())
    notes = result.about["notes"]
    assert isinstance(notes, list)
    scenarios = list(dict.fromkeys(one.scenario for one in result.figures))
    parts = [
        f"## {result.about['title']}",
        f"{result.about['date']}, in {result.about['seconds']} s; `benchmarks/{result.about['measure']}.py`. {said}.",
        *map(str, notes),
        *("\n".join(table([one for one in result.figures if one.scenario == name])) for name in scenarios),
    ]
    return "\n\n".join(parts)


def table(figures: list[Figure]) -> Iterator[str]:
    """The figures of one scenario: a row for each subject, a column for each quantity."""
    columns = list(dict.fromkeys((one.quantity, one.unit) for one in figures))
    cells = {(one.subject, one.quantity): cell(one) for one in figures}
    heads = [f"{quantity}, {unit}" if unit else quantity for quantity, unit in columns]
    yield f"| {figures[0].scenario} | {' | '.join(heads)} |"
    yield f"| --- |{' ---: |' * len(columns)}"
    for subject in dict.fromkeys(one.subject for one in figures):
        row = [cells.get((subject, quantity), "") for quantity, _ in columns]
        yield f"| {subject} | {' | '.join(row)} |"


def cell(figure: Figure) -> str:
    """Median and spread."""
    low, high = min(figure.values), max(figure.values)
    if low == high:
        return number(low)
    return f"{number(figure.median)} ({number(low)} to {number(high)})"


def number(value: float) -> str:
    """Three digits that mean something; two of a small number."""
    if float(value).is_integer():
        return f"{value:,.0f}"
    if abs(value) < 0.1:
        return f"{value:.2g}"
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    return f"{value:,.{digits}f}"
