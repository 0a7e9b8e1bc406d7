"""Renders the output of `otel-oom demo` as a picture of a terminal: docs/images/demo.svg.

    COLUMNS=104 .venv/bin/otel-oom demo | .venv/bin/python docs/images/render_demo.py > docs/images/demo.svg

The text is the real output. Of the attributes, those in `_SHOWN` are kept; a line says how many were left out. The
picture has a background of its own, so it is legible on light and dark pages, and it loads no font.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Iterator
from html import escape

_SHOWN = {
    "timestamp", "severity", "event.name", "oom.scope", "process.pid", "oom.victim.comm", "oom.victim.rss",
    "oom.victim.cgroup", "oom.memcg.usage", "oom.memcg.limit", "oom.trigger.comm", "oom.report", "oom.kmsg.skew",
    "log.record.original",
}  # fmt: skip
COLUMNS = 104
_CHARACTER, _LINE, _MARGIN, _BAR = 8.4, 19, 16, 30  # pixels
_STYLE = (
    "text{font:14px ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace;"
    "fill:#d7dde4;white-space:pre}.prompt{fill:#28c840}.name{fill:#7cb7ff}.faint{fill:#8b95a1}"
    ".news{fill:#ffd479;font-weight:bold}"
)
_ATTRIBUTE = re.compile(r"^  ([a-z][\w.]+) {2,}(\S.*)$")


def shortened(lines: Iterable[str]) -> Iterator[str]:
    """The lines with a run of attributes that are not shown as one line."""
    left_out = 0
    for line in lines:
        found = _ATTRIBUTE.match(line)
        if found and found[1] not in _SHOWN:
            left_out += 1
            continue
        if not found and left_out:
            yield f"  … {left_out} more attributes"
            left_out = 0
        yield line if len(line) <= COLUMNS else f"{line[: COLUMNS - 1]}…"


def _spans(line: str) -> str:
    if line.startswith("$ "):
        return f'<tspan class="prompt">$</tspan> {escape(line[2:])}'
    if found := _ATTRIBUTE.match(line):
        start = found.start(2)
        return f'<tspan class="name">{escape(line[:start])}</tspan>{escape(line[start:])}'
    if line.startswith("  … "):
        return f'<tspan class="faint">{escape(line)}</tspan>'
    if re.search(r"received .* after|: 0 -> 1|^  \S", line):  # indented text is the sentence
        return f'<tspan class="news">{escape(line)}</tspan>'
    return escape(line)


def terminal(lines: list[str], spans: Callable[[str], str], title: str) -> str:
    """The picture. spans: makes SVG of a line."""
    width = round(COLUMNS * _CHARACTER + 2 * _MARGIN)
    height = _BAR + len(lines) * _LINE + 2 * _MARGIN
    texts = [
        f'<text x="{_MARGIN}" y="{_BAR + _MARGIN + (number + 1) * _LINE - 6}">{spans(line)}</text>'
        for number, line in enumerate(lines)
        if line
    ]
    buttons = [
        f'<circle cx="{_MARGIN + 6 + number * 20}" cy="15" r="6" fill="{color}"/>'
        for number, color in enumerate(("#ff5f57", "#febc2e", "#28c840"))
    ]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}"',
            f' viewBox="0 0 {width} {height}" role="img" aria-labelledby="title">',
            f'<title id="title">{title}</title>',
            f"<style>{_STYLE}</style>",
            f'<rect width="{width}" height="{height}" rx="10" fill="#1b2129" stroke="#4a5562"/>',
            *buttons,
            *texts,
            "</svg>",
            "",
        ]
    )


if __name__ == "__main__":
    printed = ["$ make demo", *sys.stdin.read().rstrip("\n").split("\n")]
    title = "Output of make demo: one OOM kill as it arrives at an OTLP receiver"
    sys.stdout.write(terminal(list(shortened(printed)), _spans, title))
