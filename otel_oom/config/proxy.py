"""Chooses the proxy of an endpoint from the usual variables. No I/O.

Rules, the same over HTTP and gRPC:
- The scheme of the endpoint chooses the variable: https_proxy or http_proxy, else all_proxy. gRPC looks at grpc_proxy
  and no_grpc_proxy first. The name in lower case wins over the one in capitals.
- No proxy for this machine (loopback, unix sockets), nor for what no_proxy names.
- urllib.request has a rule of its own, but its import takes 7.6 MiB, because it loads ssl and http.client.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from otel_oom.config.otlp_endpoint import (
    Endpoint,
    basic_authorization,
    check_characters,
    ip_address,
    without_password,
)
from otel_oom.errors import UsageError

_DEFAULT_PORT: Final = 80  # as in requests; curl takes 1080
_NAME_AND_PORT: Final = re.compile(r"\[?(.*?)\]?(?::([0-9]{1,5}))?")


@dataclass(frozen=True, slots=True)
class Proxy:
    """An HTTP proxy.

    variable: the one that names it
    authorization: value of the header Proxy-Authorization, empty without a password
    url: with its password, for gRPC
    """

    variable: str
    host: str
    port: int
    authorization: str = field(default="", repr=False)
    url: str = field(default="", repr=False)

    def __str__(self) -> str:
        """For a message, without a password."""
        return f"proxy {self.host}:{self.port} ({self.variable})"


def read_proxy(env: Mapping[str, str], endpoint: Endpoint, *, is_grpc: bool, is_secure: bool) -> Proxy | None:
    """The proxy for an endpoint, None for a direct connection. Raises: UsageError for one that is not supported."""
    of_grpc = ("grpc_proxy",) if is_grpc else ()
    variable = _first(env, (*of_grpc, "https_proxy" if is_secure else "http_proxy", "all_proxy"))
    if not variable or endpoint.is_loopback or not endpoint.host:
        return None
    excluded = _first(env, ("no_grpc_proxy", "no_proxy") if is_grpc else ("no_proxy",))
    port = endpoint.port or (443 if is_secure or is_grpc else 80)
    if excluded and any(_excludes(entry, endpoint.host, port) for entry in re.split(r"[,\s]+", env[excluded])):
        return None
    shown = without_password(env[variable])
    remedy = "give an HTTP proxy as http://HOST:PORT, or name the collector in no_proxy"
    try:
        check_characters(env[variable])
        url = urlsplit(env[variable] if "://" in env[variable] else f"http://{env[variable]}")
        proxy_port = url.port or _DEFAULT_PORT
    except ValueError as error:
        raise UsageError(f"{variable}={shown!r} is not a URL", remedy) from error
    if url.scheme != "http" or not url.hostname:
        raise UsageError(f"{variable}={shown!r} is not supported as a proxy", remedy)
    return Proxy(variable, url.hostname, proxy_port, basic_authorization(url), url.geturl())


def _first(env: Mapping[str, str], names: tuple[str, ...]) -> str:
    """The first variable that is set, in lower case or in capitals; empty if none is."""
    return next((name for lower in names for name in (lower, lower.upper()) if env.get(name, "").strip()), "")


def _excludes(entry: str, host: str, port: int) -> bool:
    """Whether an entry of no_proxy names the host: `*`, a network, or a domain or an address, also with a port."""
    if entry == "*":
        return True
    address = ip_address(host)
    try:
        network = ipaddress.ip_network(entry.strip("[]"), strict=False)
    except ValueError:
        match = _NAME_AND_PORT.fullmatch(entry.lower())
        name, entry_port = (match[1], match[2]) if match else ("", None)
        if not name or (entry_port and int(entry_port) != port):
            return False
        if address is not None:
            return ip_address(name) == address
        name = name.lstrip("*").lstrip(".")
        return bool(name) and (host == name or host.endswith(f".{name}"))
    return address is not None and address in network
