"""The directory of a cgroup: hostile paths, links, and cgroups that are gone."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from otel_oom.cgroupfs.cgroup_directory import cgroup_names, open_cgroup, open_root
from otel_oom.kernel.text_escapes import escape, printable


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/", ()),
        ("/a/b.scope", (b"a", b"b.scope")),
        (r"/my\x5cx2dapp.slice", (rb"my\x2dapp.slice",)),
        (r"/caf\xc3\xa9/\xff", ("café".encode(), b"\xff")),
        ("/café", ("café".encode(),)),
        ("/a (deleted)", (b"a (deleted)",)),
        ("/..a/...", (b"..a", b"...")),
        ("", None),
        ("a", None),
        ("/a/", None),
        ("//a", None),
        ("/a//b", None),
        ("/..", None),
        ("/../other", None),
        ("/a/./b", None),
        (r"/a/\x2e\x2e/b", None),
        (r"/a\x00b", None),
        ("/" + "a/" * 500 + "b", None),
    ],
)
def test_only_a_path_from_the_root_has_names(path: str, expected: tuple[bytes, ...] | None) -> None:
    assert cgroup_names(path) == expected


def test_a_path_that_the_kernel_may_have_cut_is_refused() -> None:
    """The kernel's record ends after 975 bytes or more; `/aa` would be the path of another cgroup than `/aaa`."""
    assert cgroup_names("/" + "a" * 898) is not None
    assert cgroup_names("/" + "a" * 899) is None
    assert cgroup_names("/" + r"\xff" * 898) is not None, "counted as the kernel counts: in bytes of the name"


def open_files() -> int:
    """The number of open file descriptors of this process."""
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.fixture
def root(tmp_path: Path) -> Iterator[int]:
    """An open hierarchy with /a/b, a link and a file."""
    top = tmp_path / "cgroup"
    (top / "a" / "b").mkdir(parents=True)
    (top / "link").symlink_to(tmp_path)
    (top / "a" / "up").symlink_to("..")
    (top / "file").touch()
    opened = open_root(str(top))
    assert opened is not None
    yield opened
    os.close(opened)


@pytest.mark.parametrize("name", [b"c", b"\xff\n", "Ω é".encode(), rb"my\x2dapp", b"a\\"])
def test_a_cgroup_is_found_by_the_printed_path_and_by_the_printable_one(root: int, name: bytes) -> None:
    os.mkdir(b"a/b/" + name, dir_fd=root)
    expected = os.stat(b"a/b/" + name, dir_fd=root).st_ino
    for path in (f"/a/b/{escape(name)}", printable(f"/a/b/{escape(name)}")):
        opened = open_cgroup(root, path)
        assert opened is not None
        assert os.fstat(opened).st_ino == expected
        os.close(opened)


@pytest.mark.parametrize(
    "path",
    ["/a/c", "/c", "/link", "/link/cgroup", "/a/up", "/a/up/a", "/file", "/file/x", "/a/../a", "", "/" + "x" * 256],
)
def test_what_is_no_cgroup_is_not_opened(root: int, path: str) -> None:
    before = open_files()
    assert open_cgroup(root, path) is None
    assert open_files() == before


def test_another_filesystem_that_is_mounted_below_is_no_cgroup() -> None:
    before = open_files()
    root = open_root("/")
    assert root is not None
    assert open_cgroup(root, "/proc") is None
    os.close(root)
    assert open_files() == before


def test_the_root_is_a_cgroup_too(root: int) -> None:
    before = open_files()
    opened = open_cgroup(root, "/")
    assert opened is not None
    assert os.fstat(opened).st_ino == os.fstat(root).st_ino
    os.close(opened)
    assert open_files() == before


def test_no_hierarchy_gives_no_root(tmp_path: Path) -> None:
    assert open_root(str(tmp_path / "missing")) is None
