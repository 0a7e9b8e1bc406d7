"""UUIDv5, equal to uuid.uuid5, but without hashlib: that loads OpenSSL, 3.5 MiB of memory for one SHA-1. No I/O."""

from __future__ import annotations

from uuid import UUID

try:  # CPython's own module. The standard library's `random` avoids hashlib in the same way.
    from _sha1 import sha1  # type: ignore[import-not-found]  # without stubs
except ImportError:
    from hashlib import sha1


def uuid5(namespace: UUID, name: str) -> str:
    """Return the UUID of a name in a namespace (RFC 9562, 5.5) as text. A UUID object would cost more than the hash."""
    digest: str = sha1(namespace.bytes + name.encode()).hexdigest()  # noqa: S324 no secret
    variant = "89ab"[int(digest[16], 16) & 3]
    return f"{digest[:8]}-{digest[8:12]}-5{digest[13:16]}-{variant}{digest[17:20]}-{digest[20:32]}"
