"""The forms of an OTLP endpoint: a URL, and for gRPC each name that its client resolves. No I/O.

Sources: OTLP exporter specification ("any form allowed by the underlying gRPC client implementation"); gRPC name
resolution (doc/naming.md).
"""

from __future__ import annotations

import ipaddress
import re
from binascii import b2a_base64
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import SplitResult, unquote, urlsplit, urlunsplit

from otel_oom.config.standard_variables import ENDPOINT
from otel_oom.errors import UsageError

DEFAULT_ENDPOINTS: Final = {"grpc": "http://localhost:4317", "http/protobuf": ENDPOINT.default}
_GRPC_NAME: Final = re.compile(r"(dns|unix|unix-abstract|ipv4|ipv6|xds):(?://([^/]*)/)?(.*)", re.DOTALL | re.IGNORECASE)
_SOCKETS: Final = frozenset({"unix", "unix-abstract"})
_SOCKET_PATH_BYTES: Final = 107  # sockaddr_un without its final NUL
_SIGNAL_PATH: Final = re.compile(r"/v1/(logs|metrics|traces)/?$")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A place that requests can go to.

    shown: the text for messages: as the user wrote it, without user name, password and query
    scheme: in lower case; empty for gRPC's `host:port`
    host: in lower case, without brackets; empty if there is none (a unix socket, xds)
    target: a URL for HTTP, a name for gRPC; without user name and password
    authorization: value of the header for the user name and the password, empty without them
    """

    shown: str
    scheme: str
    host: str
    port: int | None
    target: str
    authorization: str = field(default="", repr=False)

    @property
    def is_socket(self) -> bool:
        """Whether it is a unix socket."""
        return self.scheme in _SOCKETS

    @property
    def is_loopback(self) -> bool:
        """Whether it is on this machine."""
        if self.is_socket or self.host == "localhost" or self.host.endswith(".localhost"):
            return True
        address = ip_address(self.host)
        return address is not None and address.is_loopback

    @property
    def signal_path(self) -> str:
        """The path of a signal at the end of the URL, such as `/v1/logs`; empty if it ends in another way."""
        match = _SIGNAL_PATH.search(urlsplit(self.target).path)
        return match[0] if match else ""

    def with_path(self, path: str) -> str:
        """The target with a path appended to its own. The query stays behind the path."""
        url = urlsplit(self.target)
        return urlunsplit(url._replace(path=f"{url.path.rstrip('/')}{path}"))


def read_endpoint(variable: str, text: str, protocol: str) -> Endpoint:
    """Parse the value of a variable. protocol: `grpc` or `http/protobuf`. Raises: UsageError, without a password."""
    shown = without_password(text)
    remedy = f"write it as {DEFAULT_ENDPOINTS[protocol].replace('localhost', 'HOST')}"
    name = _GRPC_NAME.fullmatch(text) if protocol == "grpc" else None
    try:
        check_characters(text)
        found = _grpc_name(name, shown) if name else _url(text, shown, protocol)
    except ValueError as error:
        why = f": {error}" if shown == text else ""  # the error may quote a part of the password
        raise UsageError(f"{variable}={shown!r} is not a URL{why}", remedy) from error
    if found is None:
        raise UsageError(f"{variable}={shown!r} is not an endpoint for {protocol}", remedy)
    return found


def _url(text: str, shown: str, protocol: str) -> Endpoint | None:
    """The endpoint of a URL, None for another scheme or without a host.

    Raises: ValueError (a port that is no number, a broken IPv6 address).
    """
    url = urlsplit(text if "://" in text else f"//{text}")
    port = url.port
    # gRPC's own form without a scheme is allowed by the specification.
    if not url.hostname or (url.scheme not in {"http", "https"} and (protocol != "grpc" or "://" in text)):
        return None
    place = url.netloc.rpartition("@")[2]
    target = place if protocol == "grpc" else urlunsplit((url.scheme, place, url.path, url.query, ""))
    return Endpoint(shown, url.scheme, url.hostname, port, target, basic_authorization(url))


def _grpc_name(name: re.Match[str], shown: str) -> Endpoint | None:
    """The endpoint of a name that gRPC resolves, None if it names nothing. Raises: ValueError."""
    scheme, path = name[1].lower(), name[3]
    target = f"{scheme}{name[0][len(scheme) :]}"
    if scheme in _SOCKETS and len(path.encode()) > _SOCKET_PATH_BYTES:
        raise ValueError(f"the path of a unix socket has at most {_SOCKET_PATH_BYTES} bytes")
    if scheme in _SOCKETS or scheme == "xds":
        return Endpoint(shown, scheme, "", None, target) if path else None
    first = urlsplit(f"//{unquote(path).partition(',')[0]}")  # ipv4 and ipv6 take a list of addresses
    return Endpoint(shown, scheme, first.hostname, first.port, target) if first.hostname else None


def basic_authorization(url: SplitResult) -> str:
    """Value of an authorization header for the user and the password of a URL, empty without them (RFC 7617, UTF-8)."""
    if "@" not in url.netloc:
        return ""
    pair = f"{unquote(url.username or '')}:{unquote(url.password or '')}"
    return f"Basic {b2a_base64(pair.encode(), newline=False).decode('ascii')}"


def check_characters(url: str) -> None:
    """Check that a URL can be printed. Raises: ValueError for a line break, or for a byte that is not UTF-8.

    urllib removes some such characters without an error.
    """
    if not url.isprintable():
        raise ValueError("it has a character that cannot be printed")


def ip_address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The host as an address, without a zone. None: it is a name."""
    try:
        return ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None


def without_password(text: str) -> str:
    """The text for messages: a URL, also a malformed one, without user name, password, query and fragment."""
    match = re.match(r"([a-z][a-z0-9+.-]*://)?(.*@)?([^?#]*)", text, re.DOTALL | re.IGNORECASE)
    return f"{match[1] or ''}{match[3]}" if match else ""
