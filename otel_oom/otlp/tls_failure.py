"""What a failure of TLS means, by the words of OpenSSL (HTTP) and of BoringSSL (gRPC). No I/O.

certificate verify failed: unable to get local issuer certificate          OpenSSL 3.0
CERTIFICATE_VERIFY_FAILED: self signed certificate: OK                     grpcio 1.85
Hostname mismatch, certificate is not valid for 'collector.example'        OpenSSL 3.0
Hostname Verification Check failed.                                        grpcio 1.85
tlsv13 alert certificate required                                          OpenSSL 3.0
"""

from __future__ import annotations

import re
from typing import Final

from otel_oom.otlp import remedies

# The first row that matches decides: a name that does not match is a failed verification as well.
_CAUSES: Final = tuple(
    (re.compile(words, re.IGNORECASE), remedy)
    for words, remedy in (
        ("mismatch|not valid for|hostname verification", remedies.HOST_NAME),
        ("has expired|not yet valid", remedies.VALIDITY),
        ("wrong.version.number|record.layer.failure|packet.length", remedies.NOT_TLS),
        ("alert", remedies.CLIENT_CERTIFICATE),
        ("self.signed|issuer|first certificate|verify.failed", remedies.ISSUER),
    )
)
_REFUSING_ALERT: Final = re.compile("certificate|handshake.failure|unknown.ca|access.denied", re.IGNORECASE)


def remedy(words: str) -> str:
    """What to check. Empty if waiting may help, or if the words say nothing about TLS."""
    found = next((remedy for cause, remedy in _CAUSES if cause.search(words)), "")
    # Other alerts (`internal error`) mean a fault of the server, which may pass.
    return "" if found is remedies.CLIENT_CERTIFICATE and not _REFUSING_ALERT.search(words) else found
