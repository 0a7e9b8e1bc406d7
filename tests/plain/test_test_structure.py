"""The structure of the tests: levels share only tests/support, and the plain level follows the packages of otel_oom."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from support.attack_table import ATTACKERS

TESTS = Path(__file__).resolve().parents[1]
PACKAGE = TESTS.parent / "otel_oom"
LEVELS = sorted({path.parent.name for path in TESTS.glob("*/test_*.py")})
FILES = sorted(path for path in TESTS.rglob("*.py"))

#: test files of a package that are about several of its modules, or about one in a certain situation
ABOUT_SEVERAL_MODULES = {
    "kernel": {"test_linear_time"},
    "parse": {"test_corpus"},
}


def level_of(path: Path) -> str:
    """The folder below tests/ that a file is in; "" for tests/conftest.py."""
    return path.relative_to(TESTS).parts[0] if path.parent != TESTS else ""


def imported(path: Path) -> set[str]:
    """The first part of the name of every module that a file imports."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.partition(".")[0])
    return found


def test_the_levels_are_known() -> None:
    known = {"plain", "kernel", "crash", "faults", "disk", "vm", "collector", "packaging", "container", "fuzz"}
    assert known == set(LEVELS)


def test_no_level_imports_another_level() -> None:
    """tests/support imports no level either: what several levels need is there, and only there."""
    assert {
        str(path.relative_to(TESTS)): foreign
        for path in FILES
        if (foreign := imported(path) & set(LEVELS) - {level_of(path)})
    } == {}


def test_no_test_uses_the_receiver_of_the_package() -> None:
    """tests/support has a receiver and a decoder: the tests must not lean on the code under test.

    The exception runs in subprocesses that list the modules which an agent has loaded.
    """
    users = {
        path.name
        for path in FILES
        if path.parent != TESTS / "plain" / "demo" and "otel_oom.demo.otlp_receiver" in path.read_text()
    }
    assert users - {Path(__file__).name, "test_warm_up.py"} == set()


def folders() -> list[Path]:
    """The folders of the plain level with tests of the package; tests/plain/docs is about docs/."""
    return sorted({path.parent for path in (TESTS / "plain").glob("*/test_*.py")} - {TESTS / "plain" / "docs"})


def test_every_folder_of_the_plain_level_is_a_package() -> None:
    packages = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert {folder.name for folder in folders()} - packages == set()


@pytest.mark.parametrize("folder", folders(), ids=lambda path: path.name)
def test_every_plain_test_file_names_a_module(folder: Path) -> None:
    """test_<module>.py, or test_<module>_<what it is about>.py; test_<package>.py is about the whole package."""
    modules = {path.stem for path in (PACKAGE / folder.name).glob("*.py")} - {"__init__"}
    names = {path.stem for path in folder.glob("test_*.py")} - {f"test_{folder.name}"}
    several = ABOUT_SEVERAL_MODULES.get(folder.name, set())
    about_none = {
        name
        for name in names - several
        if not any(name == f"test_{module}" or name.startswith(f"test_{module}_") for module in modules)
    }
    assert about_none == set()
    assert several - names == set(), "the list names files that do not exist"


@pytest.mark.parametrize("test", sorted({test for attacker in ATTACKERS for test in attacker.tests}))
def test_the_tests_that_the_table_of_attackers_names_exist(test: str) -> None:
    file, _, function = test.partition("::")
    defined = {node.name for node in ast.parse((TESTS / file).read_text()).body if isinstance(node, ast.FunctionDef)}
    assert function in defined if function else any(name.startswith("test_") for name in defined)
