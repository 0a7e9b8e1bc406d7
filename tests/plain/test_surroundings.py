"""Where the agent runs, and what each problem's remedy is there."""

from __future__ import annotations

import string
from pathlib import Path

import pytest

from otel_oom import surroundings
from otel_oom.surroundings import Place, Remedy, find_place

REMEDIES = {name: value for name, value in vars(surroundings).items() if isinstance(value, Remedy)}
VALUES = {"unit": "LimitSTACK", "least": 1048576, "flag": "-s", "ulimit": 1024, "score": -999}


@pytest.mark.parametrize(
    ("file", "environment", "expected"),
    [
        ("", {}, Place.SYSTEM),
        ("", {"INVOCATION_ID": "0123"}, Place.SYSTEM),
        (".dockerenv", {}, Place.CONTAINER),
        ("run/.containerenv", {}, Place.CONTAINER),
        ("", {"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, Place.POD),
        ("run/.containerenv", {"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, Place.POD),
        ("", {"container": "lxc"}, Place.SYSTEM),
    ],
)
def test_the_place_is_found(tmp_path: Path, file: str, environment: dict[str, str], expected: Place) -> None:
    if file:
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).touch()
    assert find_place(f"{tmp_path}/", environment) is expected


@pytest.mark.parametrize(
    ("remedy", "place", "expected"),
    [
        ("OOM_SCORE", Place.SYSTEM, "give it CAP_SYS_RESOURCE, or set OOMScoreAdjust= in its unit"),
        ("OOM_SCORE", Place.CONTAINER, "docker run --oom-score-adj=-999, or --cap-add=SYS_RESOURCE"),
        ("OOM_SCORE", Place.POD, "add SYS_RESOURCE to securityContext.capabilities of its container"),
        ("LOCKED_MEMORY", Place.SYSTEM, "set LimitMEMLOCK=infinity, or give it CAP_IPC_LOCK"),
        ("LOCKED_MEMORY", Place.CONTAINER, "docker run --cap-add=IPC_LOCK, or --ulimit memlock=-1"),
        ("PROCESS_LIMIT", Place.SYSTEM, "set LimitSTACK=1048576 in its unit, or ulimit -s 1024 in its shell"),
        ("PID_NAMESPACE", Place.CONTAINER, "docker run --pid=host"),
        ("PID_NAMESPACE", Place.POD, "hostPID: true"),
    ],
)
def test_a_remedy_is_that_of_the_place(remedy: str, place: Place, expected: str) -> None:
    assert REMEDIES[remedy].here(place=place, **VALUES) == expected


@pytest.mark.parametrize("place", Place)
@pytest.mark.parametrize("name", REMEDIES)
def test_no_remedy_speaks_of_another_place(name: str, place: Place) -> None:
    text = REMEDIES[name].here(place=place, **VALUES)
    assert text
    assert not any(field for _, field, _, _ in string.Formatter().parse(text))
    if place is Place.POD:
        assert "docker" not in text
        assert "its unit" not in text
    if place is Place.CONTAINER:
        assert "its unit" not in text
        assert "pod" not in text.split()


def test_the_place_of_this_process_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    assert REMEDIES["PID_NAMESPACE"].here() == "hostPID: true"
