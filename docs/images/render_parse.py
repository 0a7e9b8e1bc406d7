"""Renders the output of `otel-oom parse` as a picture of a terminal: docs/images/parse.svg.

    COLUMNS=104 .venv/bin/otel-oom parse tests/plain/data/v612-cgroup-pod.kmsg |
        .venv/bin/python docs/images/render_parse.py > docs/images/parse.svg

The text is the real output. Each kind of memory in the bar has a colour, and a letter.
"""

from __future__ import annotations

import re
import sys
from html import escape

from render_demo import COLUMNS, terminal

_BAR = re.compile(r"([A-Z])\1*|\.+")
_STACKED = re.compile(r"^(  why +)([A-Z]+\.*)( .*)$")
_LABEL = re.compile(r"^(  [a-z][a-z' ]+?)(  +\S.*)$")
_COLOURS = {
    "A": "#ff7b72",
    "T": "#ffa657",
    "D": "#d2a8ff",
    "C": "#79c0ff",
    "S": "#7ee787",
    "R": "#56d364",
    "N": "#a5d6ff",
    "H": "#f2cc60",
    "U": "#ffa198",
    "L": "#c9d1d9",
    "X": "#b1bac4",
    "K": "#8b949e",
    "P": "#6e7681",
    "O": "#8b949e",
}


def _spans(line: str) -> str:
    if line.startswith("$ "):
        return f'<tspan class="prompt">$</tspan> {escape(line[2:])}'
    if found := _STACKED.match(line):
        parts = [(run[0], run[0][0]) for run in _BAR.finditer(found[2])]
        bar = "".join(f'<tspan fill="{_COLOURS.get(kind, "#4a5562")}">{run}</tspan>' for run, kind in parts)
        return f'<tspan class="name">{found[1]}</tspan>{bar}{escape(found[3])}'
    if found := _LABEL.match(line):
        return f'<tspan class="name">{escape(found[1])}</tspan>{escape(found[2])}'
    if line.startswith("  line "):
        return f'<tspan class="faint">{escape(line)}</tspan>'
    return escape(line) if line.startswith(" ") else f'<tspan class="news">{escape(line)}</tspan>'


if __name__ == "__main__":
    kill = sys.stdin.read().partition("\n\n")[0].split("\n")
    title = "Output of otel-oom parse: why a process was killed, in one sentence, and what filled the memory"
    lines = [f"{line[: COLUMNS - 1]}…" if len(line) > COLUMNS else line for line in kill]  # paths are not folded
    sys.stdout.write(terminal(["$ otel-oom parse kern.log", *lines], _spans, title))
