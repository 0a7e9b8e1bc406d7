"""The first inputs of a fuzzer: each form of line, complete reports, and the named inputs of corpus/."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from fuzz import stream
from support import corpus, klog

HERE: Final = Path(__file__).resolve().parent
_FORMS: Final = range(0, 256, 32)


def seeds(target: str) -> Iterator[bytes]:
    """The first inputs of a target, by its name."""
    yield from (path.read_bytes() for path in named(target))
    if target == "record":
        for capture in klog.CAPTURES:
            yield from corpus.records(capture.read_bytes())
        yield b"6,339,5140900,-,caller=T123;text with \\x0a escapes\n SUBSYSTEM=acpi\n DEVICE=+acpi:PNP0A03:00\n"
        yield from (b"4,7,1000,-;" + line.encode() + b"\n" for line in stream.LINES)
        return
    for first in _FORMS if target == "text" else (0,):
        yield from _streams(first | 1)
        yield bytes([first | 0b0100, 0xFC, 0xF8, 0xFD])


def _streams(first: int) -> Iterator[bytes]:
    lines = range(len(stream.LINES))
    yield from (bytes([first, line, 0]) for line in lines)
    yield bytes([first, 0xFC, 0xF8, 0xFD])
    yield bytes([first, 0xFC, 0xF0, 0xFD, 0xF8])
    yield bytes([first, *(byte for line in lines for byte in (line, 0))])
    for begin in range(0, len(stream.LINES), 8):
        yield bytes([first, *(byte for line in lines[begin : begin + 16] for byte in (line, 0)), 0xF8])


def named(target: str) -> list[Path]:
    """The inputs that broke a rule in the past."""
    return sorted(path for path in (HERE / "corpus" / target).glob("*") if path.is_file())


def write(target: str, directory: Path) -> None:
    """Write the seeds as files."""
    directory.mkdir(parents=True)
    for number, seed in enumerate(seeds(target)):
        (directory / f"{number:04}").write_bytes(seed)


def dictionary() -> str:
    """Important words in the format of libFuzzer's -dict."""
    lines = (line.split("  ")[0] for line in stream.WORDS if 1 < len(line) < 50)
    return "".join(f'"{line.replace(chr(92), chr(92) * 2)}"\n' for line in lines)
