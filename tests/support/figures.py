"""The measured figures of benchmarks/results, and their tables for docs/performance.md."""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import groupby

from support.documents import ROOT

_FILE = ROOT / "benchmarks" / "results" / "figures.json"


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured figure. date: of the measurement; command: what measured it, a path or a make target."""

    group: str
    what: str
    figure: str
    date: str
    command: str


def machine() -> str:
    """Where all of them were measured."""
    return str(json.loads(_FILE.read_text())["machine"])


def figures() -> list[Figure]:
    """All, in the order of the file."""
    return [Figure(**one) for one in json.loads(_FILE.read_text())["figures"]]


def tables() -> str:
    """One table for each group."""
    parts = [f"Measured on {machine()}."]
    for group, members in groupby(figures(), key=lambda one: one.group):
        rows = [f"| {one.what} | {one.figure} | {one.date} | {_command(one.command)} |" for one in members]
        parts.append(
            "\n".join([f"### {group}\n", "| what | figure | date | command |", "| --- | --- | --- | --- |", *rows])
        )
    return "\n\n".join(parts)


def _command(command: str) -> str:
    return f"`{command}`" if command.startswith(("make ", "benchmarks/", "tests/")) else command
