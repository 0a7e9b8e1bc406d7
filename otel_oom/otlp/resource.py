"""Who sends: the resource of all telemetry."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from opentelemetry.sdk.resources import OTELResourceDetector, Resource

from otel_oom import schema
from otel_oom.totals import ResourceIdentity


def resources(defaults: Mapping[str, str]) -> Callable[[ResourceIdentity], Resource]:
    """The resource of an origin: it and our defaults where the user set nothing.

    OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES win, as they are now.
    """
    chosen = OTELResourceDetector().detect().attributes

    def ours(values: Mapping[str, str]) -> dict[str, str]:
        return {name: value for name, value in values.items() if value and not chosen.get(name)}

    common = Resource.create(ours(defaults))

    def of(identity: ResourceIdentity) -> Resource:
        own = {
            schema.SERVICE_INSTANCE_ID: identity.instance_id,
            schema.HOST_NAME: identity.host_name,
            schema.HOST_ID: identity.host_id,
        }
        return common.merge(Resource(ours(own)))

    return of
