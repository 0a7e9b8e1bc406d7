"""The Prometheus text format: a page to samples. No I/O."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sample:
    """One line of a page."""

    name: str
    labels: dict[str, str]
    value: float


@dataclass(frozen=True, slots=True)
class Page:
    """One scrape: the text, and its samples."""

    text: str
    samples: tuple[Sample, ...]

    def value(self, name: str, **labels: str) -> float | None:
        """The value of the one sample with this name and these labels (it may have more); None: there is none.

        Raises: ValueError if several match, because a test must say which one it means.
        """
        found = [s for s in self.samples if s.name == name and labels.items() <= s.labels.items()]
        if len(found) > 1:
            raise ValueError(f"{len(found)} samples match {name}{labels}: {found}")
        return found[0].value if found else None


def parse(page: str) -> Page:
    """A page of the Prometheus text format. Raises: ValueError."""
    lines = (line for line in page.splitlines() if line and not line.startswith("#"))
    return Page(page, tuple(_sample(line) for line in lines))


# oom_kills_total{instance="6f0…",job="otel-oom",oom_scope="cgroup"} 1
_LINE = re.compile(r"(?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(?P<labels>.*)\})? (?P<value>\S+)(?: -?\d+)?")
_LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"')
_ESCAPES = {r"\\": "\\", r"\"": '"', r"\n": "\n"}


def _sample(line: str) -> Sample:
    match = _LINE.fullmatch(line)
    if match is None:
        raise ValueError(f"not a Prometheus sample: {line!r}")
    labels = {
        name: re.sub(r"\\.", lambda escape: _ESCAPES[escape[0]], text)
        for name, text in _LABEL.findall(match["labels"] or "")
    }
    return Sample(match["name"], labels, float(match["value"]))
