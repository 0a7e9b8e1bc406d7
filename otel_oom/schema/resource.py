"""The resource attributes of all telemetry. OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES override them."""

from __future__ import annotations

from typing import Final

SCHEMA_URL: Final = "https://opentelemetry.io/schemas/1.44.0"
"""The version of the semantic conventions that the resource and the log records follow."""

METRICS_SCHEMA_URL: Final = "https://opentelemetry.io/schemas/1.44.0"
"""The same for the scope of metrics. It must not change with an upgrade: the Collector's Prometheus exporter (0.159)
keeps a point per schema URL of the scope, and shows the old or the new total at random until the old one expires.
Metrics have no name of the conventions, so a later version of them changes nothing."""

SERVICE_NAME: Final = "service.name"
SERVICE_VERSION: Final = "service.version"
SERVICE_INSTANCE_ID: Final = "service.instance.id"
HOST_NAME: Final = "host.name"
HOST_ID: Final = "host.id"
HOST_ARCH: Final = "host.arch"
OS_TYPE: Final = "os.type"
OS_NAME: Final = "os.name"
OS_VERSION: Final = "os.version"
OS_DESCRIPTION: Final = "os.description"
OS_BUILD_ID: Final = "os.build_id"
KERNEL_RELEASE: Final = "oom.kernel.release"
RESOURCE: Final = {
    SERVICE_NAME: "`otel-oom`",
    SERVICE_VERSION: "The agent's version.",
    SERVICE_INSTANCE_ID: (
        "A UUIDv5 of machine id, host name and `--identity-file`; of a random part too for each run without a spool,"
        " and for each fork with `--fork-identity always`."
    ),
    HOST_NAME: "The machine's host name.",
    HOST_ID: "The machine id (/etc/machine-id).",
    HOST_ARCH: "The machine's architecture: `amd64`, `arm64`, `ppc64` and others; otherwise as `uname -m`.",
    OS_TYPE: "`linux`",
    OS_NAME: "The distribution: NAME of /etc/os-release. Absent without that file; of the image in a container.",
    OS_VERSION: "Its version: VERSION_ID of that file.",
    OS_DESCRIPTION: "Name and version for people: PRETTY_NAME of that file.",
    OS_BUILD_ID: "BUILD_ID of that file; the kernel's release where it has none.",
    KERNEL_RELEASE: "The kernel's release (`uname -r`).",
}
