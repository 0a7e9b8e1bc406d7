"""Reads and checks the files of TLS, in the same way for HTTP and gRPC.

Rules:
- One trust rule: OTEL_EXPORTER_OTLP_CERTIFICATE, else the certificates of the system where OpenSSL looks for them. Its
  variables SSL_CERT_FILE and SSL_CERT_DIR work. gRPC's own list (roots.pem) is not used.
- OpenSSL and gRPC see no file before it was checked here. gRPC 1.85 ends the process (SIGABRT) where one half of the
  client's pair is missing. OpenSSL asks the terminal for a passphrase.
- An error names the variable. It shows a path, and nothing of a file.
- ssl is imported only where TLS is used: it takes 6 MiB.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from otel_oom.config.otlp_export import NamedFile, TlsFiles
from otel_oom.config.redaction import is_file_content
from otel_oom.errors import UsageError

if TYPE_CHECKING:
    from ssl import SSLContext

_CERTIFICATE: Final = re.compile(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)
_KEY: Final = re.compile(rb"-----BEGIN ([A-Z0-9 ]*)PRIVATE KEY-----(.{0,40})", re.DOTALL)
_HASHED: Final = re.compile(r"[0-9a-f]{8}\.[0-9]+")  # the names that OpenSSL looks for in a directory
_MAX_BYTES: Final = 16 << 20  # all certificates of a system take 0.2 MiB
_MAX_PATH_CHARACTERS: Final = 255  # a longer value is the content of a file, and may be a secret


class Pem(NamedTuple):
    """What gRPC takes. certificate, key: of the client, None without one."""

    ca: bytes
    certificate: bytes | None
    key: bytes | None


def tls_context(files: TlsFiles) -> SSLContext:
    """A context for a client, after a check of all files. Raises: UsageError."""
    import ssl

    pair = _client_pair(files)
    try:
        context = ssl.create_default_context(cafile=_checked_ca(files))
    except OSError as error:  # ssl.SSLError is one
        raise _refused(files.ca or files.system_ca, "holds a damaged certificate") from error
    # RFC 9525, section 2: a common name is no host name. create_default_context has no argument for this.
    setattr(context, "hostname_checks_common_name", False)  # noqa: B010
    if pair is not None:
        _load_pair(context, *pair)
    return context


def pem(files: TlsFiles) -> Pem:
    """The content of the files, after a check of all. Raises: UsageError."""
    tls_context(files)
    if files.ca is not None:
        ca = _read(files.ca)
    else:
        ca = b"\n".join(dict.fromkeys(block for path in _system_files() for block in _certificates(path)))
    pair = _client_pair(files)
    return Pem(ca, *((_read(pair[0]), _read(pair[1])) if pair else (None, None)))


def _checked_ca(files: TlsFiles) -> str | None:
    """The path of the file that replaces the system's certificates, None without one. Raises: UsageError."""
    if files.ca is not None:
        _read_certificate(files.ca)
        return files.ca.path
    if files.system_ca is not None:
        _read_certificate(files.system_ca)
    if next(_system_files(), None) is None:
        raise UsageError(
            "this system has no CA certificates", "install ca-certificates, or set OTEL_EXPORTER_OTLP_CERTIFICATE"
        )
    return None


def _client_pair(files: TlsFiles) -> tuple[NamedFile, NamedFile] | None:
    """Certificate and key of the client; one file may hold both. Raises: UsageError."""
    certificate, key = files.certificate, files.key
    if certificate is None:
        if key is not None:
            other = key.variable.replace("CLIENT_KEY", "CLIENT_CERTIFICATE")
            raise UsageError(f"{key.variable} is set without a certificate", f"set {other} too")
        return None
    content = _read_certificate(certificate)
    found = _KEY.search(content if key is None else _read(key))
    if found is None:
        if key is not None:
            raise _refused(key, "holds no private key in PEM")
        other = certificate.variable.replace("CLIENT_CERTIFICATE", "CLIENT_KEY")
        raise UsageError(f"{certificate.variable} is set without a private key", f"set {other} too")
    if b"ENCRYPTED" in found[1] + found[2]:
        raise UsageError(
            f"{(key or certificate).variable}: the private key needs a passphrase",
            "write it without one: openssl pkey -in FILE -out NEW",
        )
    return certificate, key or certificate


def _load_pair(context: SSLContext, certificate: NamedFile, key: NamedFile) -> None:
    import ssl

    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(certificate.path)
    except ssl.SSLError as error:
        raise _refused(certificate, "holds a damaged certificate") from error
    try:
        context.load_cert_chain(certificate.path, key.path, password=_no_passphrase)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise UsageError(
                f"the private key of {key.variable} does not belong to the certificate of {certificate.variable}",
                "name the two files of one pair",
            ) from error
        raise _refused(key, "holds a damaged private key") from error


def _no_passphrase() -> str:
    """An answer in place of the user's: without it OpenSSL asks the terminal."""
    return ""


def _read_certificate(file: NamedFile) -> bytes:
    """The content, after a check that a certificate is in it. Raises: UsageError."""
    content = _read(file)
    if not _CERTIFICATE.search(content):
        raise _refused(file, "holds no certificate in PEM")
    return content


def _read(file: NamedFile) -> bytes:
    """The content. Raises: UsageError; it does not show the value if that may be the content itself."""
    try:
        content = _content(file.path)
    except _NotAFileError as error:
        raise _refused(file, str(error)) from None
    except (OSError, ValueError) as error:
        if not isinstance(error, OSError) or len(file.path) > _MAX_PATH_CHARACTERS or is_file_content(file.path):
            remedy = "write the certificate or key to a file"
            raise UsageError(f"{file.variable} is not the path of a file", remedy) from error
        remedy = "name a file that this user can read"
        raise UsageError(f"{file.variable}={file.path!r}: {error.strerror}", remedy) from error
    if not content.strip():
        raise _refused(file, "is empty")
    return content


class _NotAFileError(ValueError):
    """What a path names is no file that can be read as a whole. The text is a predicate, such as `is empty`."""


def _content(path: str | Path) -> bytes:
    """The content of a regular file. Raises: OSError, ValueError (a NUL in the path), _NotAFileError.

    A pipe without a writer would block the start for ever, and a device such as /dev/zero never ends.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    with open(descriptor, "rb") as file:  # noqa: PTH123 it is open
        kind = os.fstat(descriptor).st_mode
        if stat.S_ISDIR(kind):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if not stat.S_ISREG(kind):
            raise _NotAFileError("is a pipe, a socket or a device, not a file")
        content = file.read(_MAX_BYTES + 1)
    if len(content) > _MAX_BYTES:
        raise _NotAFileError(f"is larger than {_MAX_BYTES >> 20} MiB")
    return content


def _refused(file: NamedFile | None, why: str) -> UsageError:
    """The error for the content of a file. file: None for one of the system; why: a predicate, such as `is empty`."""
    if file is None:
        return UsageError(f"the system's CA certificates: the file {why}", "correct it, or install ca-certificates")
    return UsageError(f"{file.variable}={file.path!r} {why}", "name a PEM file")


def _system_files() -> Iterator[Path]:
    """The files that OpenSSL reads by default: one of all certificates, and the hashed names of directories."""
    import ssl

    system = ssl.get_default_verify_paths()
    file = Path(os.environ.get(system.openssl_cafile_env) or system.openssl_cafile)
    if file.is_file():
        yield file
    for directory in (os.environ.get(system.openssl_capath_env) or system.openssl_capath).split(":"):
        try:
            paths = sorted(Path(directory or ".").iterdir())
        except OSError:
            continue  # as for OpenSSL
        yield from (path for path in paths if _HASHED.fullmatch(path.name))


def _certificates(path: Path) -> list[bytes]:
    try:
        return _CERTIFICATE.findall(_content(path))
    except (OSError, _NotAFileError):
        return []  # as for OpenSSL: a name that leads nowhere
