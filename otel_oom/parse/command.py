"""`otel-oom parse FILE…`: reads each file and writes each kill.

Rules:
- After an input that cannot be read, the others are still read.
- Kills on stdout, messages on stderr. Each kill is written when it is found.
- No colour unless stdout is a terminal and NO_COLOR is not set.
"""

from __future__ import annotations

import logging
import os
import shutil
import sys
from collections import Counter
from collections.abc import Iterator, Sequence

from otel_oom.errors import UsageError
from otel_oom.parse import json_output, text_output
from otel_oom.parse.input_files import STDIN, Input, UnreadableError, opened, shown
from otel_oom.parse.kill_search import KillSearch
from otel_oom.parse.line_recovery import RecoveredLines
from otel_oom.parse.text_layout import Style, fold
from otel_oom.parse.text_record import record_of
from otel_oom.printable_text import printable_text

log = logging.getLogger(__name__)

_SHOWN = 80
_UNREAD = "%s: %s not read, because other words than the kernel's stand before it; the first is in line %d, behind `%s`"
_FEWEST_COLUMNS, _MOST_COLUMNS = 40, 140
_NOTHING_FOUND = 1


def run(files: Sequence[str], output: str, page_size: int, *, fail_if_none: bool = False) -> int:
    """Parse the files; returns the exit code. Raises: UsageError.

    0; 66 if a file cannot be read; 1 if there is no kill, for `fail_if_none`
    output: `text` or `json`; page_size: of the machine that wrote the text, bytes
    """
    if page_size < 1 or page_size & (page_size - 1):
        raise UsageError(
            f"--page-size {page_size} is no power of two", "most machines have 4096; some arm64 16384 or 65536"
        )
    if not files:
        if sys.stdin is None or sys.stdin.isatty():
            raise UsageError("no file is named", "name one, or pipe a log in: journalctl -k | otel-oom parse -")
        files = [STDIN]
    if STDIN in files and sys.stdin is None:
        raise UsageError("standard input is closed", "name a file, or pipe a log in: journalctl -k | otel-oom parse -")
    reading = _Reading(output, page_size)
    code = 0
    for name in files:
        sources = opened(name)
        while True:
            try:
                source = next(sources, None)
                if source is None:
                    break
                reading.read(source, has_heading=len(files) > 1 or source.name != shown(name))
            except UnreadableError as error:  # the others are still read
                sys.stdout.flush()
                log.error("%s", error)  # noqa: TRY400 the user can fix it: no traceback
                code = error.exit_code
    is_found = reading.finish()
    return code or (_NOTHING_FOUND if fail_if_none and not is_found else 0)


class _Reading:
    """The inputs of one run, and the notes that hold for all of them."""

    def __init__(self, output: str, page_size: int) -> None:
        self._is_json = output == "json"
        self._page_size = page_size
        self._style = _style()
        self._counts: Counter[str] = Counter()
        self._others: set[str] = set()
        self._is_all_kmsg = True
        self._names_pages = False

    def read(self, source: Input, *, has_heading: bool) -> None:
        """Write the kills of one input. A failure to read is raised after these: UnreadableError."""
        failures: list[UnreadableError] = []

        def read() -> bytes:
            try:
                return source.read()
            except UnreadableError as error:  # the text before it is searched to its end
                failures.append(error)
                return b""

        lines = RecoveredLines(read, source.is_waiting)
        search = KillSearch(lines, self._page_size, number_of=lines.number)
        number = 0
        try:
            for number, kill in enumerate(search.kills(), start=1):
                source.hide_bar()
                self._is_all_kmsg &= record_of(kill).has_sequence
                if self._is_json:
                    self._write([json_output.as_json(kill)])
                    continue
                self._names_pages |= kill.context.page_size is None and bool(
                    kill.context.top_tasks or kill.context.memory_total
                )
                if number == 1 and has_heading:
                    self._write([self._style.strong(line) for line in fold(source.name, self._style.columns)] + [""])
                self._write([*text_output.kill(number, kill, self._style, self._page_size), ""])
        finally:
            source.hide_bar()
            found = {"kills": number, "refused": search.refused, "no victim": search.no_victim}
            self._counts.update(found, inputs=1, unanswered=search.unanswered)
            self._others |= search.others
        if lines.is_newest_first:
            log.info("%s: newest first, so read from its end", source.name)
        if search.unread:
            first, text = search.unread[0], source.name
            head = printable_text(first.head[-_SHOWN:].decode(errors="surrogateescape"))
            log.warning(_UNREAD, text, _plural(len(search.unread), "kill line"), first.number, head)
        if failures:
            raise failures[0]

    def finish(self) -> bool:
        """Write the notes that hold for all inputs; returns whether there is a kill."""
        counts = self._counts
        if counts["kills"] and not self._is_json:
            notes = text_output.NOTE_KMSG if self._is_all_kmsg else text_output.NOTE
            if self._names_pages:
                notes += f" Pages are taken for {self._page_size} bytes (--page-size)."
            self._write([self._style.faint(line) for line in fold(notes, self._style.columns)])
        sys.stdout.flush()
        if counts["refused"]:
            log.warning("%s refused: user space wrote them", _plural(counts["refused"], "kill line"))
        if counts["kills"]:
            if self._is_json and not self._is_all_kmsg:
                log.info("%s", text_output.NOTE)
        elif counts["inputs"]:
            log.info("no OOM kill found%s", "".join(f"; {instead}" for instead in self._instead()))
        return counts["kills"] > 0

    def _instead(self) -> Iterator[str]:
        """What the texts have instead of a kill."""
        if count := self._counts["unanswered"]:
            are = "1 report begins" if count == 1 else f"{count} reports begin"
            yield f"{are} without a `Killed process` line: the text may be cut, or the kernel found nothing to kill"
        if self._others:
            yield f"not the kernel's killer: {', '.join(sorted(self._others))}"
        if count := self._counts["no victim"]:
            yield f"{_plural(count, 'time')} the kernel found no process to kill"

    def _write(self, lines: list[str]) -> None:
        """Write lines to stdout. Nothing else does."""
        text = "\n".join(map(self._style.line, lines)) + "\n"
        if not text.isascii():
            encoding = sys.stdout.encoding or "utf-8"
            text = text.encode(encoding, "backslashreplace").decode(encoding)
        sys.stdout.write(text)


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def _style() -> Style:
    is_terminal = sys.stdout.isatty()
    columns = shutil.get_terminal_size().columns if is_terminal or "COLUMNS" in os.environ else 100
    try:
        "█▏·".encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        has_blocks = False
    else:
        has_blocks = True
    is_colored = is_terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    return Style(max(_FEWEST_COLUMNS, min(columns, _MOST_COLUMNS)), is_colored, has_blocks)
