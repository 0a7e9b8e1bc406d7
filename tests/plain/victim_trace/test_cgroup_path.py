"""The path of a cgroup by its id: of the host's hierarchy, and never a guess."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from otel_oom.victim_trace.cgroup_path import CgroupPaths, path_below


@pytest.mark.parametrize(
    ("place", "name", "expected"),
    [
        (b"/cg/a/b", "b", "/a/b"),
        (b"/cg/a/b (deleted)", "b", "/a/b"),
        (b"/cg/a/b (deleted)", "b (deleted)", "/a/b (deleted)"),
        (b"/cg/a/b (deleted) (deleted)", "b (deleted)", "/a/b (deleted)"),
        (b"/cg/a/\xff\n", r"\xff\x0a", r"/a/\xff\x0a"),
        (b"/cg/a/b", "c", None),
        (b"/cg", "b", None),
        (b"/cgx/a/b", "b", None),
        (b"(unreachable)/a/b", "b", None),
        (b"/a/b", "b", None),
    ],
)
def test_a_path_is_inside_the_mount_and_ends_with_the_known_name(place: bytes, name: str, expected: str | None) -> None:
    assert path_below(place, b"/cg", name) == expected


def test_a_mount_at_the_root_directory() -> None:
    assert path_below(b"/a/b", b"/", "b") == "/a/b"


def test_no_cgroup_filesystem_gives_no_path(tmp_path: Path) -> None:
    for mount in (tmp_path, tmp_path / "missing"):
        paths = CgroupPaths(str(mount))
        assert paths.path_of(4711, "b") is None
        paths.close()
        paths.close()


def test_a_path_that_was_found_stays_known_for_its_name_only(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A cgroup that was removed since has no path any more. An id is not used again."""
    paths = CgroupPaths(str(tmp_path))
    places = {number: f"{tmp_path}/{number}/x" for number in range(300)}

    def open_by_handle_at(_directory: int, _handle: object, _flags: int) -> int:
        return os.open(places[asked[-1]], os.O_PATH) if asked[-1] in places else -1

    asked: list[int] = []
    monkeypatch.setattr(paths, "_libc", SimpleNamespace(open_by_handle_at=open_by_handle_at))

    def path_of(number: int, name: str = "x") -> str | None:
        asked.append(number)
        return paths.path_of(number, name)

    for number, place in places.items():
        Path(place).mkdir(parents=True)
        assert path_of(number) == f"/{number}/x"
    places.clear()
    assert path_of(299) == "/299/x"
    assert path_of(299, "y") is None
    assert path_of(0) is None, "256 are known"
    paths.close()
