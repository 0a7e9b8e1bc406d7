"""A target of `targets` under a coverage-guided fuzzer (atheris, which is libFuzzer).

    pip install -e '.[test,fuzz]'
    python tests/fuzz/fuzz.py record|assembler|text [-max_total_time=60] [-runs=10000000] [DIRECTORY]

All that follows the target are libFuzzer's own options and the directory of its growing corpus; without one it begins
with the seeds of `seeds` each time. An input that breaks a rule is left as ./crash-… (-artifact_prefix): give it a name
that says what it is and put it into corpus/<target>/, where test_fuzz.py replays it.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

if __name__ == "__main__":  # run by its path, only this directory is on the module path, where `fuzz` is this file
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import atheris

with atheris.instrument_imports(include=["otel_oom"]):
    from fuzz import targets

from fuzz import seeds
from fuzz.limits import Limited

# Long inputs are slow ones and hold nothing that short ones do not: a report takes some 100 bytes of a stream.
OPTIONS = {"record": ["-max_len=400"], "assembler": ["-max_len=64"], "text": ["-max_len=64"]}


def main() -> None:
    """Fuzz until libFuzzer's options say that it is enough; never returns."""
    name, *given = sys.argv[1:] or [""]
    if name not in targets.TARGETS:
        sys.exit(f"usage: fuzz.py {'|'.join(targets.TARGETS)} [libFuzzer's options] [directory]")
    with tempfile.TemporaryDirectory() as directory:
        words = Path(directory, "words")
        words.write_text(seeds.dictionary())
        options = ["-timeout=10", "-rss_limit_mb=1024", "-print_final_stats=1", f"-dict={words}", *OPTIONS[name]]
        if all(one.startswith("-") for one in given):
            corpus = Path(directory, "corpus")
            seeds.write(name, corpus)
            given.append(str(corpus))
        atheris.Setup([sys.argv[0], *options, *given], Limited(targets.TARGETS[name]))
        atheris.Fuzz()


if __name__ == "__main__":
    main()
