"""Certificates for tests of TLS, made by openssl: an authority, a server's pair, a client's pair, and damaged files."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from support.levels import missing

_CURVE = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30000")


@dataclass(frozen=True)
class Certificates:
    """The directory of the files. Each property is a path."""

    directory: Path

    def path(self, name: str) -> str:
        """Of one of the files; of a missing one, if there is none with that name."""
        return str(self.directory / name)

    @property
    def server(self) -> tuple[Path, Path]:
        """Certificate for localhost, 127.0.0.1 and collector.test, signed by ca.pem; its key."""
        return self.directory / "server.pem", self.directory / "server.key"

    @property
    def server_of_clients(self) -> tuple[Path, Path, Path]:
        """The same, and the authority whose certificate a client must have."""
        return *self.server, self.directory / "ca.pem"


def make_certificates(directory: Path) -> Certificates:
    """All files. Without openssl the test is skipped."""
    if not shutil.which("openssl"):
        missing("plain", "no openssl to make a certificate with")
    usage = ("-addext", "keyUsage=critical,keyCertSign")  # without it Python 3.13 refuses an authority
    _openssl(directory, "req", "-x509", *_CURVE, *usage, "-subj", "/CN=own", "-keyout", "ca.key", "-out", "ca.pem")
    names = "subjectAltName=DNS:localhost,DNS:collector.test,IP:127.0.0.1"
    for name, extension in (("server", names), ("client", "extendedKeyUsage=clientAuth")):
        signed = ("-CA", "ca.pem", "-CAkey", "ca.key", "-addext", extension, "-addext", "basicConstraints=CA:FALSE")
        files = ("-keyout", f"{name}.key", "-out", f"{name}.pem")
        _openssl(directory, "req", "-x509", *_CURVE, "-subj", f"/CN={name}", *signed, *files)
    for name, cipher in (("encrypted.key", ("-aes256",)), ("encrypted-old.key", ("-aes256", "-traditional"))):
        _openssl(directory, "pkey", "-in", "client.key", *cipher, "-passout", "pass:secret", "-out", name)
    _openssl(directory, "x509", "-in", "client.pem", "-outform", "der", "-out", "client.der")
    (directory / "empty.pem").touch()
    (directory / "both.pem").write_bytes(
        (directory / "client.pem").read_bytes() + (directory / "client.key").read_bytes()
    )
    for name in ("client.pem", "client.key", "ca.pem"):
        begin, first, *rest = (directory / name).read_text().splitlines(keepends=True)
        (directory / f"damaged-{name}").write_text("".join((begin, f"AAAA{first[4:]}", *rest)))
    return Certificates(directory)


def _openssl(directory: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=directory, check=True, capture_output=True)
