"""The resource attributes of the operating system: /etc/os-release of any content, and the machine's architecture."""

from __future__ import annotations

import os
import platform
from pathlib import Path

import pytest

from otel_oom import schema
from otel_oom.machine.operating_system import operating_system_attributes

DEBIAN = b"""PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"
NAME="Debian GNU/Linux"
VERSION_ID="12"
VERSION="12 (bookworm)"
ID=debian
"""
LINUX = {schema.OS_NAME: "Linux", schema.OS_DESCRIPTION: "Linux"}  # the defaults of os-release(5)
RELEASE = os.uname().release


@pytest.fixture
def os_release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "os-release"
    monkeypatch.setattr(platform, "_os_release_candidates", (str(path),))
    monkeypatch.setattr(platform, "_os_release_cache", None)
    return path


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        pytest.param(
            DEBIAN,
            {
                schema.OS_NAME: "Debian GNU/Linux",
                schema.OS_VERSION: "12",
                schema.OS_DESCRIPTION: "Debian GNU/Linux 12 (bookworm)",
            },
            id="Debian: no build id",
        ),
        pytest.param(
            b"NAME='Arch Linux'\nPRETTY_NAME=Arch\nBUILD_ID=rolling\n",
            {schema.OS_NAME: "Arch Linux", schema.OS_DESCRIPTION: "Arch", schema.OS_BUILD_ID: "rolling"},
            id="Arch: a build id, no version",
        ),
        pytest.param(b"", LINUX, id="empty"),
        pytest.param(b"\0\x1b[31m\nVERSION_ID\n=\n", LINUX, id="no field"),
        pytest.param(
            "VERSION_ID=\x1b[31m\u2028é\0\n".encode(),
            {**LINUX, schema.OS_VERSION: r"\x1b[31m\xe2\x80\xa8é\x00"},
            id="not printable",
        ),
        pytest.param(b"VERSION_ID=" + b"9" * 100_000, {**LINUX, schema.OS_VERSION: "9" * 256}, id="long"),
        pytest.param(b"NAME=\nPRETTY_NAME=\nVERSION_ID=\n", {}, id="empty values are absent"),
        pytest.param(b"NAME=\xff\n", {}, id="not UTF-8"),
        pytest.param(None, {}, id="absent"),
    ],
)
def test_os_release_gives_what_it_says(content: bytes | None, expected: dict[str, str], os_release: Path) -> None:
    if content is not None:
        os_release.write_bytes(content)
    found = operating_system_attributes()
    always = {schema.OS_TYPE: "linux", schema.KERNEL_RELEASE: RELEASE, schema.OS_BUILD_ID: RELEASE}
    assert {**always, **expected, schema.HOST_ARCH: found[schema.HOST_ARCH]} == found
    assert set(found) <= set(schema.RESOURCE)


def test_a_directory_in_its_place_gives_nothing(os_release: Path) -> None:
    os_release.mkdir()
    assert schema.OS_NAME not in operating_system_attributes()


@pytest.mark.parametrize(
    ("machine", "expected"),
    [
        ("x86_64", "amd64"),
        ("aarch64", "arm64"),
        ("armv7l", "arm32"),
        ("i686", "x86"),
        ("ppc64le", "ppc64"),
        ("ppc", "ppc32"),
        ("s390x", "s390x"),
        ("ia64", "ia64"),
        ("riscv64", "riscv64"),  # the conventions have no value of their own
        ("loongarch64", "loongarch64"),
    ],
)
def test_the_architecture_has_the_name_of_the_conventions(
    machine: str, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "uname", lambda: os.uname_result(("Linux", "host", "6.1", "#1", machine)))
    assert operating_system_attributes()[schema.HOST_ARCH] == expected
