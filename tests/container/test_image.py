"""The image of deploy/container/Containerfile: what is in it, and that a second build is the same."""

from __future__ import annotations

import pytest
from container.podman import Podman

import otel_oom

pytestmark = pytest.mark.timeout(900)  # the first of them builds


def test_two_builds_have_the_same_digest(podman: Podman) -> None:
    tags = [f"localhost/otel-oom:build-{number}" for number in (1, 2)]
    try:
        for tag in tags:
            podman.build(tag, "--no-cache")
        assert podman.oci_digest(tags[0]) == podman.oci_digest(tags[1])
    finally:
        podman("image", "rm", "--force", "--ignore", *tags)


def test_the_image_says_what_it_is(image: str, podman: Podman) -> None:
    about = podman.image(image)
    config = about["Config"]
    assert (config["Entrypoint"], config["Cmd"]) == (["otel-oom"], ["run"])
    assert list(config["Volumes"]) == ["/var/lib/otel-oom"]
    assert about["HealthCheck" if "HealthCheck" in about else "Healthcheck"]["Test"] == [
        *("CMD", "otel-oom", "check", "--live")
    ]
    labels = {name.removeprefix("org.opencontainers.image."): value for name, value in config["Labels"].items()}
    assert labels["licenses"] == "Apache-2.0"
    assert {labels["url"], labels["source"]} == {otel_oom.URL}
    assert labels["documentation"] == f"{otel_oom.URL}/docs"


@pytest.mark.parametrize(
    ("script", "printed"),
    [
        pytest.param(
            "find /opt/otel-oom/lib -name '*.py' | sed 's,/\\([^/]*\\)[.]py$,/__pycache__/\\1.cpython-311.pyc,' "
            "| while read f; do test -e $f || echo $f; done; echo checked",
            "checked\n",
            id="every module is compiled",
        ),
        pytest.param(
            '/opt/otel-oom/bin/python -c "import importlib.util as u, otel_oom; print(open(u.cache_from_source('
            "otel_oom.__file__), 'rb').read(8)[4])\"",
            "1\n",
            id="and is not compared with its source (PEP 552: flags, hash without check)",
        ),
        pytest.param("otel-oom --version", f"otel-oom {otel_oom.__version__}\n", id="the version"),
        pytest.param("test -e /src -o -e /build || echo none", "none\n", id="nothing of the build"),
    ],
)
def test_what_is_in_the_image(image: str, podman: Podman, script: str, printed: str) -> None:
    arguments = ("run", "--rm", "--no-healthcheck", "--read-only", "--network=none", "--cap-drop=ALL")
    limits = ("--ulimit=nofile=512:512", "--ulimit=nproc=1024:1024", "--entrypoint=sh")
    assert podman(*arguments, *limits, image, "-c", script, check=False).stdout == printed
