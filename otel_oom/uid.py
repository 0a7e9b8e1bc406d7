"""UUIDv5, as uuid.uuid5 makes it, without hashlib: that loads OpenSSL, 3.5 MiB of memory for one SHA-1."""

from __future__ import annotations

from uuid import UUID

try:  # as the standard library's `random` does for the same reason
    from _sha1 import sha1  # type: ignore[import-not-found]  # CPython's own, without stubs
except ImportError:
    from hashlib import sha1


def uuid5(namespace: UUID, name: str) -> UUID:
    """The id of this name in this namespace (RFC 9562, 5.5)."""
    return UUID(bytes=sha1(namespace.bytes + name.encode()).digest()[:16], version=5)  # noqa: S324 no secret
