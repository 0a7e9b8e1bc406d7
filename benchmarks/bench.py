"""`make bench`: all measures, one after another, each in a process of its own; then RESULTS.md and the tables.

PYTHONPATH=.:tests python -m benchmarks.bench [--short] [MEASURE…]

A measure that fails is named at the end, and the exit code is 1. Its earlier results stay. With --short it takes
seconds, proves that the code runs, and leaves the results as they are.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

from benchmarks import machine, measured, report

_ROOT: Final = Path(__file__).resolve().parents[1]
_WITHIN_S: Final = 600
_CLEANED_UP_S: Final = 90


def measured_well(name: str, *, is_short: bool, within_s: float = _WITHIN_S) -> bool:
    """Run one measure. SIGTERM lets it remove its cgroups and end its processes."""
    print(f"{name} …", flush=True)
    began = time.monotonic()
    command = [sys.executable, "-m", f"benchmarks.{name}", *(["--short"] if is_short else [])]
    process = subprocess.Popen(command, cwd=_ROOT)  # noqa: S603 ours
    try:
        code = process.wait(within_s)
    except (subprocess.TimeoutExpired, KeyboardInterrupt) as error:
        process.terminate()
        code = process.wait(_CLEANED_UP_S)
        if isinstance(error, KeyboardInterrupt):
            raise
    took = f"{time.monotonic() - began:.0f} s"
    print(f"{name}: {took}" if code == 0 else f"{name} FAILED after {took}, exit code {code}", flush=True)
    return code == 0


def main(names: list[str], *, is_short: bool) -> int:
    """Measure, write, print; returns the exit code."""
    if machine.load() > 0.5:
        print(f"this machine is not quiet: load {machine.load():.2f}", flush=True)
    directory = measured.SHORT_RESULTS if is_short else measured.RESULTS
    if is_short:
        shutil.rmtree(directory, ignore_errors=True)
    failed = [name for name in names if not measured_well(name, is_short=is_short)]
    found = report.results(directory)
    if not is_short:
        report.PAGE.write_text(report.page(found))
    for name in names:
        if name in found and name not in failed:
            print(f"\n{report.section(found[name])}")
    if failed:
        print(f"\nfailed: {', '.join(failed)}")
    elif not is_short:
        print("\nresults are in benchmarks/RESULTS.md; `make tables` writes README's table from them")
    return 1 if failed else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--short", action="store_true", help="prove that the code runs; the figures mean nothing")
    parser.add_argument("measures", nargs="*", choices=[[], *measured.TITLES], metavar="MEASURE")
    options = parser.parse_args()
    sys.exit(main(options.measures or list(measured.TITLES), is_short=options.short))
