"""The Makefile: its help, and a .venv that is made again when its Python cannot be used. The interpreters are fakes."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

# Answers what the Makefile asks of an interpreter, and makes a .venv with a copy of itself.
FAKE = """#!/bin/sh
case "$2" in
venv) mkdir -p "$3/bin" && cp "$0" "$3/bin/python" ;;
pip) echo "installed by {version}" >>installed ;;
*) echo "{is_new_enough} {version} /opt/python" ;;
esac
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A directory with the Makefile, and fake interpreters `python3` (3.11) and `python3.12` on PATH."""
    for name in ("Makefile", "pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / "otel_oom").mkdir()
    (tmp_path / "bin").mkdir()
    interpreter(tmp_path / "bin" / "python3", "3 11 7")
    interpreter(tmp_path / "bin" / "python3.12", "3 12 1")
    return tmp_path


def interpreter(path: Path, version: str, *, is_new_enough: bool = True) -> None:
    path.write_text(FAKE.format(version=version, is_new_enough=int(is_new_enough)))
    path.chmod(0o755)


def make(checkout: Path, *arguments: str, code: int = 0, **variables: str) -> str:
    """Makes the stamp of the tests' environment; returns what make prints."""
    done = subprocess.run(
        ["make", "--no-print-directory", ".venv/test.stamp", *arguments],
        cwd=checkout,
        env={"PATH": f"{checkout / 'bin'}:{os.defpath}", **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == code, done.stdout
    return done.stdout


def installed(checkout: Path) -> list[str]:
    return (checkout / "installed").read_text().splitlines()


def test_an_environment_is_made_once(checkout: Path) -> None:
    make(checkout)
    assert "up to date" in make(checkout)
    assert installed(checkout) == ["installed by 3 11 7"]


@pytest.mark.parametrize("is_in_environment", [False, True])
def test_another_python_makes_it_again(checkout: Path, *, is_in_environment: bool) -> None:
    make(checkout)
    named = "PYTHON=python3.12"
    done = make(checkout, PYTHON="python3.12") if is_in_environment else make(checkout, named)
    assert "make: .venv is made again: its Python is not python3.12" in done
    assert "up to date" in make(checkout, named)
    assert installed(checkout) == ["installed by 3 11 7", "installed by 3 12 1"]


def test_a_python_that_was_named_once_stays(checkout: Path) -> None:
    make(checkout, "PYTHON=python3.12")
    assert "up to date" in make(checkout)


def test_an_environment_whose_python_is_gone_is_made_again(checkout: Path) -> None:
    make(checkout)
    program = checkout / ".venv" / "bin" / "python"
    program.unlink()
    program.symlink_to("/no/such/python")
    assert "make: .venv is made again: its Python does not run" in make(checkout)
    assert installed(checkout) == ["installed by 3 11 7"] * 2


def test_an_environment_of_an_old_python_is_made_again(checkout: Path) -> None:
    make(checkout)
    interpreter(checkout / ".venv" / "bin" / "python", "3 9 2", is_new_enough=False)
    assert "make: .venv is made again: its Python is too old" in make(checkout)
    assert "up to date" in make(checkout)


@pytest.mark.parametrize("name", ["python3.9", "no-such-python"])
def test_a_python_that_cannot_be_used_changes_nothing(checkout: Path, name: str) -> None:
    make(checkout)
    interpreter(checkout / "bin" / "python3.9", "3 9 2", is_new_enough=False)
    done = make(checkout, f"PYTHON={name}", code=2)
    assert f"make: {name} is no Python 3.10 or later; name one: make PYTHON=python3.12" in done
    assert "is made again" not in done
    assert "up to date" in make(checkout)


def test_the_help_names_every_target_for_people() -> None:
    shown = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    (phony,) = re.findall(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    internal = {"test-computing", "test-sharing", "test-vm", "collector", "FORCE"}
    assert set(re.findall(r"^  make ([a-z-]+) +\S", shown, re.MULTILINE)) == set(phony.split()) - internal
