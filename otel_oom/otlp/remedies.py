"""What a user can check, by cause. Where the signal's own variable is set, `outcome_text` names that one instead."""

from __future__ import annotations

from typing import Final

from otel_oom import URL

KEY: Final = "set the key in OTEL_EXPORTER_OTLP_HEADERS"
MOVED: Final = "OTEL_EXPORTER_OTLP_ENDPOINT must name the final place"
PATH: Final = "check the server and the path in OTEL_EXPORTER_OTLP_ENDPOINT"
NOT_A_COLLECTOR: Final = (
    "is this a login page, a proxy or a dashboard's port? "
    "OTEL_EXPORTER_OTLP_ENDPOINT must name the port at which a collector takes OTLP"
)
NOT_HTTP: Final = "if it speaks gRPC, set OTEL_EXPORTER_OTLP_PROTOCOL=grpc, or name the collector's HTTP port"
NOT_GRPC: Final = "if it speaks HTTP, set OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf, or name the collector's gRPC port"
NOT_PLAIN: Final = "if the port speaks TLS, write https:// in OTEL_EXPORTER_OTLP_ENDPOINT"
NOT_TLS: Final = "if the port does not speak TLS, write http:// in OTEL_EXPORTER_OTLP_ENDPOINT"
PROXY: Final = "the proxy wants a login: write user and password into the URL of HTTPS_PROXY (HTTP_PROXY for http://)"
PROXY_REFUSES: Final = "let the proxy pass this connection, or list the host in NO_PROXY"
PROXY_FAILS: Final = "is this the right proxy? HTTPS_PROXY (HTTP_PROXY for http://) names it"
STDOUT: Final = "send the output of the exporter `console` to another place"
NOT_ENCODABLE: Final = f"a bug, or a damaged spool; please report it at {URL}/issues"
SERVER: Final = "see the server's own log"
REQUEST_SIZE: Final = "raise the size of a request that the proxy, or the server, accepts"
MESSAGE_SIZE: Final = (
    "raise the size of a message that the server accepts; if the answer is too large, is this a collector? "
    "It may have stored the data, which it then gets again"
)
ISSUER: Final = "if you trust its issuer, name the issuer's certificate in OTEL_EXPORTER_OTLP_CERTIFICATE"
HOST_NAME: Final = (
    "OTEL_EXPORTER_OTLP_ENDPOINT must name the host as the server's certificate does, in a subject alternative name; "
    "a certificate with a common name alone must be replaced"
)
VALIDITY: Final = "renew the server's certificate, or set this machine's clock"
CLIENT_CERTIFICATE: Final = (
    "the server demands a client certificate that it trusts: name it in OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE, "
    "and its key in OTEL_EXPORTER_OTLP_CLIENT_KEY"
)
CLOSED_AFTER_HANDSHAKE: Final = (
    "if the server demands a client certificate, name it in OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE, "
    "and its key in OTEL_EXPORTER_OTLP_CLIENT_KEY"
)


def of_proxy(status: int | None) -> str:
    """What to check after a failure of a proxy. Only after PROXY_FAILS waiting may help.

    status: HTTP status of its answer, None without an answer
    """
    if status == 407:
        return PROXY
    return PROXY_REFUSES if status is not None and 400 <= status < 500 else PROXY_FAILS
