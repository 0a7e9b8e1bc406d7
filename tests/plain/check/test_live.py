"""`otel-oom check --live` as a health check runs it: its line, its exit code, and what it imports."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.agents import environment

from otel_oom.check import live
from otel_oom.cli.main import main
from otel_oom.liveness.question import FindPid, Liveness

GONE = Liveness(0, "no agent runs\nhere", "start it")


@pytest.fixture(autouse=True)
def settings(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name, value in environment().items():
        monkeypatch.setenv(name, value)
    return iter(())


@pytest.mark.parametrize(
    ("liveness", "code", "line", "found"),
    [
        (Liveness(47), 0, "alive: pid 47 reads the kernel log", {"live": True, "pid": 47}),
        (Liveness(), 0, "alive: the agent reads the kernel log", {"live": True, "pid": None}),
        (
            GONE,
            1,
            "not alive: no agent runs here; start it",
            {"live": False, "pid": None, "problem": "no agent runs\nhere", "remedy": "start it"},
        ),
    ],
)
def test_the_result_is_one_line_and_an_exit_code(
    liveness: Liveness,
    code: int,
    line: str,
    found: dict[str, object],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(live, "ask", lambda *_, **__: liveness)
    assert main(["check", "--live"]) == code
    assert capsys.readouterr().out == f"{line}\n"
    assert main(["check", "--live", "--output", "json"]) == code
    assert json.loads(capsys.readouterr().out) == found


@pytest.mark.parametrize(
    ("arguments", "asked"),
    [((), None), (("--spool", "/a/spool"), Path("/a/spool")), (("--spool", "none", "--from-ring"), None)],
)
def test_the_agent_of_the_settings_is_asked(
    arguments: tuple[str, ...], asked: Path | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Path | None] = []

    def ask(spool: Path | None, *_: object, **__: object) -> Liveness:
        seen.append(spool)
        return GONE

    monkeypatch.setattr(live, "ask", ask)
    assert main(["check", "--live", *arguments]) == 1
    assert seen == [asked]


@pytest.mark.parametrize(("text", "pid"), [("47\n", "47"), ("", None), ("who\n", None), (None, None)])
def test_the_holder_of_the_lock_is_asked_as_well(
    text: str | None, pid: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if text is not None:
        (tmp_path / "lock").write_text(text)
    before = sorted(tmp_path.iterdir())
    seen: list[str | None] = []

    def ask(_: Path | None, lock_pid: FindPid, **__: object) -> Liveness:
        seen.append(lock_pid())
        return GONE

    monkeypatch.setattr(live, "ask", ask)
    main(["check", "--live", "--spool", str(tmp_path)])
    assert seen == [pid]
    assert sorted(tmp_path.iterdir()) == before


def test_it_imports_nothing_heavy() -> None:
    script = "import sys\nfrom otel_oom.cli.main import main\nmain(['check', '--live'])\nprint(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], env=dict(os.environ), capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.split())
    assert {
        "opentelemetry",
        "sqlite3",
        "ssl",
        "psutil",
        "google",
        "otel_oom.agent",
        "otel_oom.config.settings",
    } & loaded == set()
