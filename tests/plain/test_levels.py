"""No level of tests and no check is left out: pytest, make, the CI workflow and pre-commit run the same ones."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]


def jobs() -> dict[str, Any]:
    jobs: dict[str, Any] = yaml.safe_load((ROOT / ".github/workflows/check.yml").read_text())["jobs"]
    return jobs


def commands(job: Any) -> list[str]:
    return [step["run"] for step in job["steps"] if "run" in step]


def recipes(*targets: str) -> str:
    """What make would run, with .venv as it is."""
    command = ["make", "--dry-run", "--no-print-directory", "--assume-old=.venv/test.stamp", *targets]
    outside = {
        name: value for name, value in os.environ.items() if not name.startswith("MAKE")
    }  # these tests run in make
    return subprocess.run(command, cwd=ROOT, env=outside, capture_output=True, text=True, check=True).stdout


def test_make_runs_every_level() -> None:
    listed = re.search(r"^testpaths = \[(.*?)\]", (ROOT / "pyproject.toml").read_text(), re.DOTALL | re.MULTILINE)
    run = re.findall(r"^(?:COMPUTING|SHARING) := (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert listed
    levels = set(re.findall(r'"tests/(\w+)"', listed[1]))
    assert levels == {*" ".join(run).split(), "vm"}
    assert levels == {path.parent.name for path in (ROOT / "tests").glob("*/test_*.py")}


def test_check_is_lint_types_and_test() -> None:
    run = recipes("check")
    assert all(recipes(part) in run for part in ("lint", "types", "test-computing", "test-sharing", "test-vm"))
    assert len(recipes("lint").splitlines()) == 4
    assert (ROOT / ".ci/run").read_text().endswith("export OTEL_OOM_REQUIRE=all\nexec make check\n")


def test_ci_checks_every_supported_python() -> None:
    pyproject = (ROOT / "pyproject.toml").read_text()
    versions = jobs()["plain"]["strategy"]["matrix"]["python"]
    assert versions == re.findall(r'"Programming Language :: Python :: (3\.\d+)"', pyproject)
    assert f'requires-python = ">={versions[0]}"' in pyproject
    assert f'target-version = "py{versions[0].replace(".", "")}"' in pyproject
    assert f'python_version = "{versions[0]}"' in pyproject
    assert commands(jobs()["plain"]) == ["make lint types plain"]


def test_ci_runs_every_level() -> None:
    assert commands(jobs()["all-levels"]) == ["bash .ci/run"]
    assert commands(jobs()["coverage"]) == ["make coverage"]


def test_pre_commit_runs_the_checks_of_make() -> None:
    (repository,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert [hook["entry"] for hook in repository["hooks"]] == ["make lint", "make types"]
    assert {(hook["language"], hook["pass_filenames"]) for hook in repository["hooks"]} == {("system", False)}
