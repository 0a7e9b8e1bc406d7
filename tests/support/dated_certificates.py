"""Certificates of tests with given names and dates, made by openssl: each signs itself."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from support.levels import missing

_DATES = """
[ca]
default_ca = own
[own]
database = {directory}/index
new_certs_dir = {directory}
rand_serial = yes
default_md = sha256
policy = any
x509_extensions = extensions
[any]
commonName = supplied
[extensions]
{extension}
"""


def certificate(
    directory: Path, *, names: str = "IP:127.0.0.1", dates: tuple[str, str] = ("20200101000000Z", "20990101000000Z")
) -> tuple[Path, Path]:
    """A certificate and its key, in a new directory.

    names: its subjectAltName; empty: it has only its common name, `localhost`
    dates: its first and its last, as YYYYMMDDhhmmssZ
    """
    if not shutil.which("openssl"):
        missing("plain", "no openssl to make a certificate with")
    directory.mkdir()
    chain, key, request, config = (directory / name for name in ("chain.pem", "key.pem", "request.pem", "config"))
    extension = f"subjectAltName = {names}" if names else "extendedKeyUsage = serverAuth"
    config.write_text(_DATES.format(directory=directory, extension=extension))
    (directory / "index").touch()
    _openssl(
        "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
        "-subj", "/CN=localhost", "-keyout", key, "-out", request,
    )  # fmt: skip
    _openssl(
        "ca", "-batch", "-selfsign", "-notext", "-config", config, "-keyfile", key, "-in", request, "-out", chain,
        "-startdate", dates[0], "-enddate", dates[1],
    )  # fmt: skip
    return chain, key


def _openssl(*words: str | Path) -> None:
    subprocess.run(["openssl", *words], check=True, capture_output=True)
