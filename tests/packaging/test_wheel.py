"""The wheel: installed into an empty environment, it shows a kill."""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from support import real_kills
from support.agents import environment
from support.kernel_log import require_device

ROOT = Path(__file__).resolve().parents[2]


def run(*command: str | Path, cwd: Path) -> str:
    done = subprocess.run(command, env=environment(), cwd=cwd, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--wheel-dir", out, ROOT, cwd=out)
    (made,) = out.glob("*.whl")
    return made


@pytest.fixture(scope="module")
def program(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("installed")
    run(sys.executable, "-m", "venv", home, cwd=home)
    run(home / "bin" / "pip", "install", "-q", wheel, cwd=home)
    return home / "bin" / "otel-oom"


def test_the_wheel_has_the_package_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names if ".dist-info/" not in name} == {"otel_oom"}
    assert "otel_oom/kernel/recorded.kmsg" in names
    assert "otel_oom/py.typed" in names
    assert any(name.endswith("licenses/LICENSE") for name in names)


def test_the_demo_shows_a_real_kill(program: Path, tmp_path: Path) -> None:
    with real_kills.sandbox():
        pass  # it skips the test where it cannot be made
    counted = real_kills.oom_kill_count()
    shown = run(program, "demo", cwd=tmp_path)
    assert real_kills.oom_kill_count() == counted + 1
    assert re.search(r"system_oom_kill received \d+\.\d ms after it was observed", shown)
    assert "RECORDED" not in shown
    assert "oom.kills: 0 -> 1" in shown


def test_the_demo_plays_a_recorded_kill_where_a_real_one_is_not_allowed(program: Path, tmp_path: Path) -> None:
    require_device()
    counted = real_kills.oom_kill_count()
    shown = run("setpriv", "--bounding-set=-all", "--inh-caps=-all", program, "demo", cwd=tmp_path)
    assert "RECORDED" in shown
    assert "oom.kills: 0 -> 1" in shown
    assert real_kills.oom_kill_count() == counted
