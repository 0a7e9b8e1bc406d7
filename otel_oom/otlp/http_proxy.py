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

_LOGIN_REQUIRED: Final = 407  # Proxy Authentication Required


class ProxyError(OSError):
    """The proxy cannot be reached, or refuses. `strerror` names it, without its password.

    status: of its answer, None without one
    """

    def __init__(self, proxy: Proxy, why: str, status: int | None = None) -> None:
        super().__init__(errno.ECONNREFUSED, f"{proxy}: {why}")
        self.proxy = proxy
        self.status = status


@contextmanager
def proxy_errors(proxy: Proxy) -> Iterator[None]:
    """Turn the errors of a connection to the proxy into errors that name it. Raises: ProxyError."""
    try:
        yield
    except ProxyError:
        raise
    except OSError as error:
        raise ProxyError(proxy, error.strerror or str(error)) from error
    except RemoteProtocolError as error:
        raise ProxyError(proxy, "the answer is not HTTP") from error


def authorization(proxy: Proxy) -> dict[str, str]:
    """The header field with the proxy's user name and password; none if it has no password."""
    return {"proxy-authorization": proxy.authorization} if proxy.authorization else {}


def open_tunnel(sock: socket.socket, proxy: Proxy, host: str, port: int, until_s: float) -> None:
    """Ask the proxy for a tunnel (CONNECT): what is sent afterwards reaches the host.

    until_s: deadline on the monotonic clock, seconds. Raises: ProxyError, OSError, RemoteProtocolError.
    """
    place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    request = request_of("CONNECT", place, {"host": place, **authorization(proxy)})
    answer, _ = exchange(sock, request, b"", until_s)
    if not 200 <= (answer.status_code or 0) < 300:
        raise _refused(proxy, answer)


def check_answer(proxy: Proxy, answer: Answer) -> None:
    """Check whether the proxy refused a forwarded request. Raises: ProxyError.

    Only a proxy answers 407. Any other status may be the server's.
    """
    if answer.status_code == _LOGIN_REQUIRED:
        raise _refused(proxy, answer)


def _refused(proxy: Proxy, answer: Answer) -> ProxyError:
    return ProxyError(proxy, f"HTTP {answer.status_code} {answer.reason or ''}".strip(), answer.status_code)
