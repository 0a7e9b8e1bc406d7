"""Every command in a document's `sh` block is one that exists: its program, flags, files, targets and variables."""

from __future__ import annotations

import re
import shlex
from functools import cache
from itertools import takewhile
from pathlib import Path

import pytest
from support.documents import DOCUMENTS, ROOT, blocks, name

from otel_oom.cli.main import main

#: Programs of the system that documents use, with the arguments that are subcommands of theirs.
SYSTEM = {
    "apt": {"install", "purge", "remove"},
    "cd": set(),
    "chmod": set(),
    "cp": set(),
    "dmesg": set(),
    "docker": {"build", "compose", "image", "logs", "rm", "run", "up", "volume"},
    "echo": set(),
    "git": {"clone"},
    "grep": set(),
    "journalctl": set(),
    "kubectl": {"apply", "create", "delete", "kustomize", "logs", "rollout"},
    "ln": set(),
    "mkdir": set(),
    "otelcol-contrib": set(),
    "podman": {"build"},
    "pip": {"install"},
    "prometheus": set(),
    "promtool": {"check", "test", "rules"},
    "python": set(),
    "python3": set(),
    "rm": set(),
    "systemctl": {"daemon-reload", "disable", "enable", "restart", "status"},
    "systemd-analyze": {"security", "verify"},
    "weaver": {"registry", "check", "live-check"},
}  # fmt: skip
VARIABLE = re.compile(r"^([A-Z][A-Z0-9_]*)=")


def commands(text: str) -> list[list[str]]:
    """The words of each command in the document's `sh` blocks; a pipe and `&&` separate commands."""
    found: list[list[str]] = []
    for block in blocks(text, "sh"):
        for line in block.replace("\\\n", " ").splitlines():
            lexer = shlex.shlex(line, posix=True, punctuation_chars="|&;>")
            lexer.whitespace_split = True
            words: list[str] = []
            for word in [*lexer, ";"]:
                if set(word) <= set("|&;>"):
                    found.append(words)
                    words = [">"] if word == ">" else []
                else:
                    words.append(word)
    return [words for words in found if words and words[0] != ">"]


ALL = [(path, words) for path in DOCUMENTS for words in commands(path.read_text())]


def split(words: list[str]) -> tuple[list[str], str, list[str]]:
    """Names of variables that are set, program, arguments."""
    leading = list(takewhile(VARIABLE.match, words))
    program, *arguments = words[len(leading) :]
    return [word.partition("=")[0] for word in leading], Path(program).name, arguments


@cache
def known_variables() -> set[str]:
    """Those that the documents of the settings, the Collector's configuration and the Makefile name."""
    files = ("docs/configuration.md", "collector-config.yaml", "Makefile", "CONTRIBUTING.md")
    text = "\n".join((ROOT / file).read_text() for file in files)
    standard = {"PYTHONPATH", "COLUMNS"}
    return standard | set(re.findall(r"\b(?:OTEL|HONEYCOMB|GRAFANA)_[A-Z_]+\b", text))


def help_of(*command: str, capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as ended:
        main([*command, "--help"])
    assert ended.value.code == 0
    return capsys.readouterr().out


@pytest.mark.parametrize(("path", "words"), ALL, ids=[f"{name(path)}: {' '.join(words)}" for path, words in ALL])
def test_a_command_exists(path: Path, words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    variables, program, arguments = split(words)
    assert set(variables) - known_variables() == set()
    if program == "otel-oom":
        check_otel_oom(arguments, capsys)
    elif program == "make":
        targets = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))
        assert {word for word in arguments if "=" not in word} - targets == set()
    else:
        assert program in SYSTEM, f"{name(path)} uses a program that this test does not know"
        if SYSTEM[program]:
            assert next(word for word in arguments if not word.startswith("-")) in SYSTEM[program]
        check_files(arguments)


def check_otel_oom(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    if arguments and not arguments[0].startswith("-"):
        known = help_of(arguments[0], capsys=capsys)
    else:
        known = help_of(capsys=capsys)
    flags = {word.partition("=")[0] for word in arguments if word.startswith("--")}
    assert flags - set(re.findall(r"--[a-z][a-z-]*", known)) == set()


def check_files(arguments: list[str]) -> None:
    places = {entry.name for entry in ROOT.iterdir()}
    files = [word.partition("=")[2] or word for word in arguments]
    assert [file for file in files if file.split("/")[0] in places and not (ROOT / file).exists()] == []


def test_flags_and_commands_in_the_text_exist(capsys: pytest.CaptureFixture[str]) -> None:
    """A flag in backticks is one of a command of otel-oom, of docker or of the tools that the text names beside it."""
    known = "".join(help_of(*command, capsys=capsys) for command in ([], ["run"], ["demo"], ["parse"], ["schema"]))
    others = {"--device", "--cap-add", "--cap-drop", "--env", "--pid", "--security-opt", "--uts", "--cgroupns"}
    others |= {"--oom-score-adj", "--read-only", "--user", "--volume", "--timestamp"}
    for path in DOCUMENTS:
        used = re.findall(r"`(?:otel-oom )?(--[a-z][a-z-]*)", path.read_text())
        assert set(used) - set(re.findall(r"--[a-z][a-z-]*", known)) - others == set(), name(path)


def test_commands_are_found() -> None:
    """So that a change of the documents' form cannot leave this test without work."""
    assert len(ALL) > 30
    assert commands("```sh\nA=1 x --y | z && q > file\n```\n") == [["A=1", "x", "--y"], ["z"], ["q"]]
