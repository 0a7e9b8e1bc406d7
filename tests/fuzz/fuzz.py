"""Runs a target of `targets` under a coverage-guided fuzzer (atheris, which is libFuzzer).

    pip install -e '.[test]'
    python tests/fuzz/fuzz.py record|assembler|text [-max_total_time=60] [-runs=10000000] [DIRECTORY]

After the target come libFuzzer's own options and the directory of its growing corpus. Without a directory, each run
starts with the seeds of `seeds`. An input that breaks a rule is written to ./crash-… (-artifact_prefix). Give it a name
that describes it, and move it to corpus/<target>/, where test_fuzz.py replays it.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

if __name__ == "__main__":  # run by its path, the module path is this directory, where `fuzz` is this file
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import atheris

with atheris.instrument_imports(include=["otel_oom"]):
    from fuzz import targets

from fuzz import seeds
from fuzz.limits import Limited

# Long inputs are slow, and find nothing more: a report takes some 100 bytes of a stream.
OPTIONS = {"record": ["-max_len=400"], "assembler": ["-max_len=64"], "text": ["-max_len=64"]}


def main() -> None:
    """Fuzz until the limit in libFuzzer's options; does not return."""
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
