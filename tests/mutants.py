"""Mutation testing: changes one place of the package at a time, and prints the changes that no plain test notices.

    python tests/mutants.py [--seconds 1200] [--seed 1] [--only otel_oom/kernel/oom_report.py] [kernel spool otlp]

Rules:
- cosmic-ray makes the changes of operators and constants; statements that only call something are removed here.
- Each mutant is a change in a copy of the checkout, so that the subprocesses of tests run it too.
- A mutant runs the plain tests of its package, those of its module first, and ends at the first failure. A test that
  does not end is a failure.
- All mutants take hours. Mutants are run in a random order that the seed decides, until the time is over.
- A survivor that stays is in mutants.md with its reason. Its name is the change and the text of its line, so that it
  stays valid when lines move. Exit code 1: there are survivors without a reason.

mutmut is not used: it imports the tests once and forks for each mutant, which gRPC does not support
(https://github.com/grpc/grpc/blob/master/doc/fork_support.md), and it does not change constants of modules.
"""

from __future__ import annotations

import argparse
import ast
import os
import random
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final
from xml.etree import ElementTree as ET

from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator, operator_names

ROOT: Final = Path(__file__).resolve().parents[1]
REASONS: Final = Path(__file__).with_name("mutants.md")
PACKAGES: Final = ("kernel", "spool", "otlp")
_MARGIN_S: Final = 30.0  # in addition to three times the duration of all tests

#: Other replacements are noticed by the same tests. ExceptionReplacer of 8.7 fails on `except sqlite3.Error`.
OPERATORS: Final = re.compile(
    "core/(ReplaceComparisonOperator_(Lt_LtE|LtE_Lt|Gt_GtE|GtE_Gt|Eq_NotEq|NotEq_Eq|Is_IsNot|IsNot_Is)"
    "|ReplaceBinaryOperator_(Add_Sub|Sub_Add|Mul_Div|Div_Mul|FloorDiv_Mul|Mod_Mul|LShift_RShift|RShift_LShift"
    "|BitAnd_BitOr|BitOr_BitAnd)|ReplaceUnaryOperator_Delete_(Not|USub|Invert)|AddNot|ReplaceTrueWithFalse"
    "|ReplaceFalseWithTrue|ReplaceAndWithOr|ReplaceOrWithAnd|ReplaceBreakWithContinue|ReplaceContinueWithBreak"
    "|NumberReplacer|ZeroIterationForLoop)"
)
#: `- ReplaceComparisonOperator_Lt_LtE in "if rows < 5:" #2: reason`
_REASON: Final = re.compile(r'- (?P<name>\w+ in ".*"(?: #\d+)?): \S')


@dataclass(frozen=True)
class Mutant:
    """One change. module: path below ROOT; name: the change and its line; make: returns the whole changed module."""

    module: str
    name: str
    line: int
    make: Callable[[], str]


def mutants(module: str) -> Iterator[Mutant]:
    """All mutants of a module. Mutants with equal names are numbered from 2 on."""
    source = (ROOT / module).read_text()
    lines = source.splitlines()
    seen: Counter[str] = Counter()
    for change, line, column, make in sorted([*_replacements(source), *_removals(source)], key=lambda one: one[:3]):
        text = lines[line - 1]
        is_star_of_arguments = text[:column].rstrip().endswith(("(", ",")) or not text[:column].strip()
        if text.lstrip().startswith(("@", "if TYPE_CHECKING:")) or ("_Mul_" in change and is_star_of_arguments):
            continue
        name = f'{change} in "{text.strip()}"'
        seen[name] += 1
        yield Mutant(module, name if seen[name] == 1 else f"{name} #{seen[name]}", line, make)


def _replacements(source: str) -> Iterator[tuple[str, int, int, Callable[[], str]]]:
    """The name of each change by cosmic-ray, its line and column, and a function that makes the changed source."""
    annotations = set(_annotations(source))
    tree = get_ast(source)
    for name in filter(OPERATORS.fullmatch, operator_names()):
        operator = get_operator(name)()
        places = (begin for node in ast_nodes(tree) for begin, _ in operator.mutation_positions(node))
        for occurrence, (line, column) in enumerate(places):
            if (line, column) not in annotations:
                yield name.removeprefix("core/"), line, column, partial(mutate_code, source, operator, occurrence)


def _removals(source: str) -> Iterator[tuple[str, int, int, Callable[[], str]]]:
    """The same of statements that only call something."""
    lines = source.splitlines(keepends=True)
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            begin, end = node.lineno - 1, node.end_lineno or node.lineno
            changed = "".join([*lines[:begin], f"{' ' * node.col_offset}pass\n", *lines[end:]])
            yield "RemoveCall", node.lineno, node.col_offset, partial(str, changed)


def _annotations(source: str) -> Iterator[tuple[int, int]]:
    """Positions in annotations, which are never evaluated."""
    for node in ast.walk(ast.parse(source)):
        for name in ("annotation", "returns"):
            annotation = getattr(node, name, None)
            if isinstance(annotation, ast.expr):
                for line in range(annotation.lineno, (annotation.end_lineno or 0) + 1):
                    begin = annotation.col_offset if line == annotation.lineno else 0
                    end = (annotation.end_col_offset or 0) if line == annotation.end_lineno else 200
                    yield from ((line, column) for column in range(begin, end))


def reasons() -> set[tuple[str, str]]:
    """Module and name of the survivors that stay."""
    found: set[tuple[str, str]] = set()
    module = ""
    for line in REASONS.read_text().splitlines():
        if line.startswith("## "):
            module = line.removeprefix("## ")
        elif match := _REASON.match(line):
            found.add((module, match["name"]))
    return found


class Copy:
    """A copy of the checkout in which mutants are tested."""

    def __init__(self, directory: Path) -> None:
        self._root = directory
        files = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
        for name in filter(None, files.split("\0")):
            if (ROOT / name).is_file():
                (directory / name).parent.mkdir(parents=True, exist_ok=True)
                (directory / name).write_bytes((ROOT / name).read_bytes())
        self._written_s = int(time.time())

    def durations_s(self, package: str) -> dict[Path, float]:
        """Each plain test file of a package and how long it takes. Raises: SystemExit if a test fails."""
        report = self._root / "report.xml"
        files = sorted((self._root / "tests/plain" / package).glob("test_*.py"))
        done = self._pytest([*files, f"--junitxml={report}"], None)
        if done is None or done.returncode != 0:
            sys.exit(f"the tests of {package} fail without a change:\n{done.stdout if done else ''}")
        found = dict.fromkeys(files, 0.0)
        for case in ET.parse(report).iter("testcase"):
            parts = case.get("classname", "").split(".")
            path = next((one for one in files if one.stem in parts), None)
            if path is not None:
                found[path] += float(case.get("time", 0.0))
        return found

    def survives(self, mutant: Mutant, durations_s: dict[Path, float]) -> bool:
        """Whether all tests pass with this change."""
        stem = Path(mutant.module).stem
        ordered = sorted(durations_s, key=lambda file: (not file.stem.startswith(f"test_{stem}"), durations_s[file]))
        path = self._root / mutant.module
        before = path.read_bytes()
        try:
            self._write(path, mutant.make().encode())
            done = self._pytest(ordered, 3 * sum(durations_s.values()) + _MARGIN_S)
            return done is not None and done.returncode == 0
        finally:
            self._write(path, before)

    def _write(self, path: Path, content: bytes) -> None:
        """Every write has a time of its own, by which Python knows that its compiled file is out of date."""
        path.write_bytes(content)
        self._written_s += 1
        os.utime(path, (self._written_s, self._written_s))

    def _pytest(
        self, arguments: Sequence[Path | str], timeout_s: float | None
    ) -> subprocess.CompletedProcess[str] | None:
        """None: it did not end in time."""
        options = ["-x", "-q", "--tb=short", "-p", "no:cacheprovider", "--hypothesis-profile=mutants"]
        variables = {**os.environ, "PYTHONPATH": str(self._root), "OTEL_OOM_EXAMPLES": "30"}
        with subprocess.Popen(
            [sys.executable, "-m", "pytest", *options, *arguments],
            cwd=self._root,
            env=variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        ) as process:
            try:
                output, _ = process.communicate(timeout=timeout_s)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, 9)  # with the processes that its tests started
                return None
            return subprocess.CompletedProcess(process.args, process.returncode, output)


def main() -> int:
    """Run mutants until the time is over; print the survivors without a reason; returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("packages", nargs="*", default=PACKAGES, choices=[*PACKAGES, []], help="all of them, if none")
    parser.add_argument("--seconds", type=float, default=1200.0, help="time for all packages together")
    parser.add_argument("--seed", type=int, default=1, help="of the order of the mutants")
    parser.add_argument("--only", default="", help="a module: otel_oom/kernel/oom_report.py")
    options = parser.parse_args()
    end_s = time.monotonic() + options.seconds
    known = reasons()
    unexplained = 0
    with tempfile.TemporaryDirectory(prefix="otel-oom-mutants-") as directory:
        copy = Copy(Path(directory))
        for number, package in enumerate(options.packages):
            share_s = (end_s - time.monotonic()) / (len(options.packages) - number)
            unexplained += _run(copy, package, options.seed, time.monotonic() + share_s, options.only, known)
    return 1 if unexplained else 0


def _run(copy: Copy, package: str, seed: int, end_s: float, only: str, known: set[tuple[str, str]]) -> int:
    """The mutants of a package; returns the number of survivors without a reason."""
    durations_s = copy.durations_s(package)
    modules = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "otel_oom" / package).glob("*.py"))
    found = [mutant for module in modules if only in module for mutant in mutants(module)]
    random.Random(seed).shuffle(found)
    run = killed = unexplained = 0
    for mutant in found:
        if time.monotonic() > end_s:
            break
        if not _is_python(mutant.make()):
            continue
        run += 1
        if not copy.survives(mutant, durations_s):
            killed += 1
        elif (mutant.module, mutant.name) not in known:
            unexplained += 1
            print(f"{mutant.module}:{mutant.line}: {mutant.name}", flush=True)  # noqa: T201
    explained = run - killed - unexplained
    print(  # noqa: T201
        f"{package}: {run} of {len(found)} mutants run, {killed} killed, {explained} survived with a reason, "
        f"{unexplained} without (seed {seed})",
        flush=True,
    )
    return unexplained


def _is_python(source: str) -> bool:
    """`if not line := …` is none: cosmic-ray changes text without parentheses."""
    try:
        ast.parse(source)
    except SyntaxError:
        return False
    return True


if __name__ == "__main__":
    sys.exit(main())
