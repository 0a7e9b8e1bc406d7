"""Sends the requests of a credential provider's session over the agent's own connection.

A provider (OTEL_PYTHON_EXPORTER_OTLP_HTTP_CREDENTIAL_PROVIDER) returns a session of requests, which signs each request.
The session's own transport has three faults, so `ConnectionAdapter` takes its place for the endpoint:

- REQUESTS_CA_BUNDLE and CURL_CA_BUNDLE win over the certificate of the session (requests 2.34,
  `Session.merge_environment_settings`), so a server of another authority would get the key.
- An answer is read whole, and decompressed, at any size: an endless body takes all memory.
- Each wait on the socket is bounded, but not their sum.

The module is imported only for a provider: requests takes 10 MiB.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final, cast

import requests
from opentelemetry.exporter.http.transport._requests import RequestsHTTPTransport
from opentelemetry.exporter.otlp.proto.http._common import _load_session_from_envvar
from requests.adapters import BaseAdapter
from requests.structures import CaseInsensitiveDict

from otel_oom.config.otlp_export import NamedFile, TlsFiles
from otel_oom.otlp.http_connection import Connection
from otel_oom.otlp.http_exchange import Answer
from otel_oom.schema import Signal

_OF_THE_CONNECTION: Final = frozenset({"accept-encoding", "connection", "content-length"})
_CERT: Final = "`cert` of the credential provider's session"


class _Response(requests.Response):
    """An answer as requests gives it: its body as it came, not decompressed."""

    def __init__(self, answer: Answer, request: requests.PreparedRequest) -> None:
        super().__init__()
        self.status_code = answer.status_code or 0
        self.reason = answer.reason or ""
        self.headers = CaseInsensitiveDict(answer.headers())
        self.url = request.url or ""
        self.request = request
        self._content = answer.content()
        self._content_consumed = True


class ConnectionAdapter(BaseAdapter):
    """The transport of a session. Certificates and proxies are those of the connection."""

    def __init__(self, connection: Connection) -> None:
        super().__init__()
        self._connection = connection

    def send(  # type: ignore[override] # requests names all arguments but the first
        self, request: requests.PreparedRequest, *, timeout: float | None = None, **_: Any
    ) -> requests.Response:
        """Make one request and read its answer. Raises: OSError, TimeoutError, h11.RemoteProtocolError."""
        fields = {name.lower(): value for name, value in request.headers.items()}
        answer = self._connection.request(
            request.method or "POST",
            request.url or "",
            headers={
                name: value.decode("latin-1") if isinstance(value, bytes) else value
                for name, value in fields.items()
                if name not in _OF_THE_CONNECTION
            },
            timeout=timeout,
            data=cast("bytes", request.body),
        )
        if answer.error is not None:
            raise answer.error
        return _Response(answer, request)

    def close(self) -> None:
        """Close the connection, if there is one."""
        self._connection.close()


def load(signal: Signal) -> tuple[RequestsHTTPTransport, requests.Session]:
    """The SDK's transport over the provider's session, and that session.

    Raises: RuntimeError (there is no such provider, or it returns something else), and what the provider raises.
    """
    variable = f"OTEL_PYTHON_EXPORTER_OTLP_HTTP_{signal.upper()}_CREDENTIAL_PROVIDER"
    session = _load_session_from_envvar(cast("Any", variable))  # the variable of both signals wins
    transport = RequestsHTTPTransport(session=session)
    return transport, transport._session


def mount_connection(session: requests.Session, url: str, connection: Connection) -> None:
    """Send the session's requests to this URL over the connection."""
    session.mount(requests.Request("POST", url).prepare().url or "", ConnectionAdapter(connection))


def with_certificate(files: TlsFiles, session: requests.Session) -> TlsFiles:
    """The files of TLS with the client's certificate of the session, where no variable names one."""
    if files.certificate is not None or not session.cert:
        return files
    certificate, *key = [session.cert] if isinstance(session.cert, str) else session.cert
    return replace(files, certificate=NamedFile(_CERT, certificate), key=NamedFile(_CERT, key[0]) if key else None)
