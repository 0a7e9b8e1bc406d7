"""The documents of the repository: which there are, and how their links, code blocks and generated parts are read."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
CONTRIBUTING = ROOT / "CONTRIBUTING.md"
PAGES = sorted((ROOT / "docs").rglob("*.md"))
TEMPLATES = sorted((ROOT / ".github").rglob("*.md"))
DOCUMENTS = [*sorted(ROOT.glob("*.md")), *PAGES, *TEMPLATES]

_FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)|!\[[^\]]*\]\(([^)\s]+)\)|<img[^>]* src=\"([^\"]+)\"")
_REFERENCE = re.compile(r"^\[[^\]]+\]: (\S+)$", re.MULTILINE)
_HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)
_CODE = re.compile(r"`([^`\n]+)`")


def name(path: Path) -> str:
    """The path as the repository writes it."""
    return str(path.relative_to(ROOT))


def region(part: str) -> re.Pattern[str]:
    """The generated part of a document: groups are its first line and its last line."""
    return re.compile(rf"(<!-- generated: {re.escape(part)} -->\n)(?:(?!<!-- end).)*(<!-- end -->)", re.DOTALL)


def blocks(text: str, language: str) -> list[str]:
    """The code blocks of a language, without their indent."""
    return [
        re.sub(rf"^{found[1]}", "", found[3], flags=re.MULTILINE)
        for found in _FENCE.finditer(text)
        if found[2] == language
    ]


def prose(text: str) -> str:
    """The text without its code blocks."""
    return _FENCE.sub("", text)


def links(text: str) -> list[str]:
    """Targets of links and pictures, those in reference definitions too."""
    text = prose(text)
    return [*(next(filter(None, found)) for found in _LINK.findall(text)), *_REFERENCE.findall(text)]


def anchors(text: str) -> set[str]:
    """What a link into the document may name: a heading in lower case, with hyphens in place of blanks."""
    headings = _HEADING.findall(prose(text))
    return {re.sub(r"[^\w\s-]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


def code(text: str) -> list[str]:
    """What stands between single backticks."""
    return _CODE.findall(prose(text))
