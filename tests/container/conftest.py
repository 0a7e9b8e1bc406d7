"""The image, built once for all tests of this level."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest
from container import podman as podman_here
from container.podman import Podman
from support.kernel_log import require_device

IMAGE = "localhost/otel-oom:test"


@pytest.fixture(scope="session")
def image_and_podman() -> Iterator[tuple[str, Podman]]:
    require_device()
    podman = podman_here.on_this_machine()
    try:
        podman.build(IMAGE, "--layers")
        yield IMAGE, podman
        podman("image", "rm", "--force", "--ignore", IMAGE, check=False)
    finally:
        shutil.rmtree(podman.state, ignore_errors=True)


@pytest.fixture(scope="session")
def image(image_and_podman: tuple[str, Podman]) -> str:
    return image_and_podman[0]


@pytest.fixture
def podman(image_and_podman: tuple[str, Podman]) -> Iterator[Podman]:
    """Podman; the containers of the test are removed after it."""
    yield image_and_podman[1]
    image_and_podman[1].remove_own()
