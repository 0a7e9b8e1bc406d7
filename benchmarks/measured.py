"""Figures of one measure: their values, median and spread, and the JSON file that holds them.

Rules:
- A figure has a scenario ("500 kills, 8 at a time"), a subject ("otel-oom"), a quantity and a unit. No two are equal in
  the first three.
- It keeps every value that was measured. Its median is what tables show; lowest and highest are beside it.
- A measure writes its file when it is complete. What fails leaves the previous file as it is.
"""

from __future__ import annotations

import argparse
import json
import signal
import statistics
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Final

from benchmarks import machine

RESULTS: Final = Path(__file__).resolve().parent / "results"
SHORT_RESULTS: Final = Path(__file__).resolve().parents[1] / "build" / "bench-short"
REPEATS: Final = 5
TITLES: Final = {
    "completeness": "Completeness of a storm of kills",
    "drain": "Reading the kernel log",
    "latency": "Delay of a record",
    "footprint_peers": "Memory, threads and processor time",
    "delivery": "Delivery through an outage and SIGKILLs",
    "time_truth": "Time of a kill after a standby",
    "growth": "Growth",
}
"""Of each measure, in the order of `make bench` and of RESULTS.md. benchmarks/NAME.py measures it."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One quantity of one subject in one scenario. unit: "" for a number of things."""

    scenario: str
    subject: str
    quantity: str
    unit: str
    values: tuple[float, ...]

    @property
    def median(self) -> float:
        """Of all values."""
        return statistics.median(self.values)


@dataclass(slots=True)
class Measure:
    """A measure and its figures. repeats: how often each is measured; is_short: only to see that the code runs."""

    name: str
    title: str
    is_short: bool = False
    repeats: int = REPEATS
    notes: list[str] = field(default_factory=list)
    figures: list[Figure] = field(default_factory=list)

    def add(self, scenario: str, subject: str, quantity: str, unit: str, values: Iterable[float]) -> None:
        """Add a figure. Raises: ValueError if it has no value."""
        kept = tuple(round(value, 4) for value in values)
        if not kept:
            raise ValueError(f"no value: {scenario}, {subject}, {quantity}")
        self.figures.append(Figure(scenario, subject, quantity, unit, kept))


def program(name: str, run: Callable[[Measure], None]) -> None:
    """The command line of a measure. An exception ends it with exit code 1, a SIGTERM with 143; both clean up."""
    parser = argparse.ArgumentParser(prog=f"python -m benchmarks.{name}", description=TITLES[name])
    parser.add_argument("--short", action="store_true", help="seconds; the figures mean nothing")
    parser.add_argument("--results", type=Path, help="directory of the JSON file")
    parser.add_argument("--repeats", type=int, help=f"how often each scenario is measured ({REPEATS}; with --short: 1)")
    options = parser.parse_args()
    repeats = options.repeats or (1 if options.short else REPEATS)
    measure = Measure(name, TITLES[name], is_short=options.short, repeats=repeats)
    # Contexts end: cgroups are removed, and processes killed.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    began = time.monotonic()
    load = machine.load()
    run(measure)
    directory = options.results or (SHORT_RESULTS if options.short else RESULTS)
    directory.mkdir(parents=True, exist_ok=True)
    write(measure, directory / f"{name}.json", seconds=time.monotonic() - began, load=load)


def write(measure: Measure, path: Path, *, seconds: float, load: float) -> None:
    """Write the file. load: of the machine when the measure began."""
    content = {
        "measure": measure.name,
        "title": measure.title,
        "date": datetime.now(timezone.utc).strftime("%Y-%m-%d"),
        "seconds": round(seconds),
        "is_short": measure.is_short,
        "machine": {**machine.description(), "load before": f"{load:.2f}"},
        "notes": measure.notes,
        "figures": [{**asdict(one), "median": one.median} for one in measure.figures],
    }
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n")


def read(path: Path) -> tuple[dict[str, object], list[Figure]]:
    """A file that `write` wrote: all but the figures, and the figures."""
    content = json.loads(path.read_text())
    figures = [
        Figure(one["scenario"], one["subject"], one["quantity"], one["unit"], tuple(one["values"]))
        for one in content.pop("figures")
    ]
    return content, figures


def progress(text: str) -> None:
    """One line for the person who waits."""
    print(f"  {text}", file=sys.stderr, flush=True)
