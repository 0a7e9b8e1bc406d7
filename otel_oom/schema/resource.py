"""The resource attributes of all telemetry. OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES override them."""

from __future__ import annotations

from typing import Final

SERVICE_NAME: Final = "service.name"
SERVICE_VERSION: Final = "service.version"
SERVICE_INSTANCE_ID: Final = "service.instance.id"
HOST_NAME: Final = "host.name"
HOST_ID: Final = "host.id"
OS_TYPE: Final = "os.type"
OS_VERSION: Final = "os.version"
RESOURCE: Final = {
    SERVICE_NAME: "`otel-oom`",
    SERVICE_VERSION: "The agent's version.",
    SERVICE_INSTANCE_ID: (
        "Machine id, host name and `--identity-file` as a UUID; a random part is added for each run without a spool,"
        " and for each fork with `--fork-identity always`."
    ),
    HOST_NAME: "The machine's host name.",
    HOST_ID: "The machine id (/etc/machine-id).",
    OS_TYPE: "`linux`",
    OS_VERSION: "The kernel's release.",
}
