"""Requests through an HTTP proxy: CONNECT for https, the whole URL as the target for http.

Source: RFC 9110, section 9.3.6 (CONNECT) and 7.6 (forwarding); RFC 9112, section 3.2.2 (absolute form).
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from h11 import RemoteProtocolError

from otel_oom.config.proxy import Proxy
from otel_oom.otlp.http_exchange import Answer, exchange, request_of

_PROXY_KEY: Final = 407


class ProxyError(OSError):
    """The proxy cannot be reached, or refuses. `strerror` names it, without its password.

    status: of its answer, None without one
    """

    def __init__(self, proxy: Proxy, why: str, status: int | None = None) -> None:
        super().__init__(errno.ECONNREFUSED, f"{proxy}: {why}")
        self.proxy = proxy
        self.status = status


@contextmanager
def named(proxy: Proxy) -> Iterator[None]:
    """Name the proxy in the errors of a connection to it. Raises: ProxyError."""
    try:
        yield
    except ProxyError:
        raise
    except OSError as error:
        raise ProxyError(proxy, error.strerror or str(error)) from error
    except RemoteProtocolError as error:
        raise ProxyError(proxy, "the answer is not HTTP") from error


def authorization(proxy: Proxy) -> dict[str, str]:
    """The field of each request that carries the proxy's password."""
    return {"proxy-authorization": proxy.authorization} if proxy.authorization else {}


def open_tunnel(sock: socket.socket, proxy: Proxy, host: str, port: int, until_s: float) -> None:
    """Make the connection to the proxy one to the host. Raises: ProxyError, OSError, RemoteProtocolError."""
    place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    request = request_of("CONNECT", place, {"host": place, **authorization(proxy)})
    answer, _ = exchange(sock, request, b"", until_s)
    status = answer.status_code or 0
    if not 200 <= status < 300:
        raise ProxyError(proxy, f"HTTP {status} {answer.reason or ''}".strip(), status)


def check_answer(proxy: Proxy, answer: Answer) -> None:
    """Only a proxy answers 407; another refusal of a forwarded request may be the server's. Raises: ProxyError."""
    if answer.status_code == _PROXY_KEY:
        raise ProxyError(proxy, f"HTTP {_PROXY_KEY} {answer.reason or ''}".strip(), _PROXY_KEY)
