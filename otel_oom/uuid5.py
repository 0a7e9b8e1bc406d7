"""UUIDv5, as uuid.uuid5 makes it, without hashlib: that loads OpenSSL, 3.5 MiB of memory for one SHA-1."""

from __future__ import annotations

from uuid import UUID

try:  # as the standard library's `random` does for the same reason
    from _sha1 import sha1  # type: ignore[import-not-found]  # CPython's own, without stubs
except ImportError:
    from hashlib import sha1


def uuid5(namespace: UUID, name: str) -> str:
    """The id of this name in this namespace (RFC 9562, 5.5), as text: a UUID in between costs more than the hash."""
    digest: str = sha1(namespace.bytes + name.encode()).hexdigest()  # noqa: S324 no secret
    variant = "89ab"[int(digest[16], 16) & 3]
    return f"{digest[:8]}-{digest[8:12]}-5{digest[13:16]}-{variant}{digest[17:20]}-{digest[20:32]}"
